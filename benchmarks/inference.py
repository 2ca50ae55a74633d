"""Speed and memory of inference, as ratios within one run.

    python benchmarks/inference.py [--model DIR] [--rounds 7] [--batch-size 8] [--images 500] [--against CHECKOUT]

1. The hosted model's network (HRNetV2-W18, 256 x 256, flip test, float32) a crop: ours against the plain eager way,
   one forward and one on the mirrored crop, default memory layout, batch norm not folded.
2. One image with 8 hands against 8 images with one, boxes given.
3. 32 rendered images of 0 to 4 hands in one call, and one of them alone, with one hand.
4. Images of detection at once: 1, 2, 4 and 8 through the embedded detector's network.
5. `predict` on one image in a fresh process; its peak memory after 50 images and after `--images`.

All but 1 are of the embedded model, or of --model. With --against, 3 and 5 are also run from another checkout of this
repository, in turn with this one, and the ratio is printed.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from embedded import HELD_OUT_SEED

from modelscope_handkp import HandEstimator
from modelscope_handkp.detection.yolox import YOLOXDetector
from modelscope_handkp.engines import EagerEngine
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.model_dir.hub import EMBEDDED_MODEL_DIR
from modelscope_handkp.model_dir.settings import ModelSettings
from modelscope_handkp.networks.topdown import build_topdown
from modelscope_handkp.pose.views import MultiView
from modelscope_handkp.synthetic import render_image

REPOSITORY = Path(__file__).parent.parent  # its configuration.json is that of the hosted model
THREADS = 2
FEW = 50  # images

# Runs in this checkout and in another one: for each line "many" or "one" it prints the seconds that it took.
WORKER = """
import sys, time, cv2, torch
from pathlib import Path
from modelscope_handkp import HandEstimator
torch.set_num_threads({threads})
estimator = HandEstimator.from_pretrained({model!r}, device="cpu")
many = [cv2.imread(str(path)) for path in sorted(Path({folder!r}).glob("*.png"))]
for line in sys.stdin:
    start = time.perf_counter()
    hands = estimator(many) if line.strip() == "many" else [estimator(many[1])]
    print(time.perf_counter() - start, sum(map(len, hands)), flush=True)
"""


def seconds(function: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def in_turn(rounds: int, **functions: Callable[[], object]) -> dict[str, float]:
    """Median seconds of each function; they run in turn, so that a slow moment of the machine hits all."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(rounds + 1):
        for name, function in functions.items():
            times[name].append(seconds(function))
    return {name: statistics.median(values[1:]) for name, values in times.items()}  # the first round warms up


def network(rounds: int, batch_size: int) -> None:
    """Section 1."""
    settings = ModelSettings.parse(read_configuration(REPOSITORY))
    plain = build_topdown(settings.network).eval()
    ours = MultiView(EagerEngine(build_topdown(settings.network)), settings.views)
    crops = torch.rand(batch_size, 3, 256, 256, generator=torch.Generator().manual_seed(0))

    def one_by_one() -> None:
        with torch.no_grad():
            for crop in crops:
                (plain(crop[None]) + plain(crop[None].flip(3)).flip(3)) / 2

    times = in_turn(rounds, plain=one_by_one, ours=lambda: ours(crops))
    plain_ms, ours_ms = (1000 * times[name] / batch_size for name in ("plain", "ours"))
    print(f"pose network a crop: ours {ours_ms:.0f} ms, plain eager {plain_ms:.0f} ms, ratio {ours_ms / plain_ms:.2f}")


def hands_in_an_image(model: str, rounds: int) -> None:
    """Section 2."""
    estimator = HandEstimator.from_pretrained(model, device="cpu")
    image = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    boxes = [[40 + 150 * i, 100 + 40 * i, 180 + 150 * i, 260 + 40 * i] for i in range(8)]
    times = in_turn(
        rounds,
        one=lambda: estimator(image, boxes),
        eight=lambda: [estimator(image, [box]) for box in boxes],
    )
    one, eight = 1000 * times["one"], 1000 * times["eight"]
    print(f"8 hands in one image {one:.0f} ms, in 8 images {eight:.0f} ms, ratio {one / eight:.2f}")


def rendered(folder: str, model: str, rounds: int, checkouts: dict[str, Path]) -> None:
    """Section 3."""
    for index in range(32):
        image = render_image(HELD_OUT_SEED + index, hands=index % 5, level="easy")[0]
        cv2.imwrite(f"{folder}/{index:02}.png", image)
    code = WORKER.format(threads=THREADS, model=model, folder=folder)
    workers = {name: start(["-c", code], checkout) for name, checkout in checkouts.items()}
    hands: dict[str, int] = {}

    def ask(name: str, what: str) -> None:
        worker = workers[name]
        assert worker.stdin and worker.stdout
        worker.stdin.write(what + "\n")
        worker.stdin.flush()
        hands[name + what] = int(worker.stdout.readline().split()[1])

    for what, meaning in (("many", "32 rendered images in one call"), ("one", "one of them, with one hand")):
        asked = {name: (lambda name=name, what=what: ask(name, what)) for name in workers}
        times = in_turn(rounds, **asked)
        shown = ", ".join(f"{name} {1000 * t:.0f} ms ({hands[name + what]} hands)" for name, t in times.items())
        print(f"{meaning}: {shown}{ratio(times)}")
    for worker in workers.values():
        worker.communicate()


def detector(rounds: int) -> None:
    """Section 4."""
    own = HandEstimator.from_pretrained(device="cpu").detector
    assert isinstance(own, YOLOXDetector)
    inputs = {count: torch.rand(count, 3, 320, 416) for count in (1, 2, 4, 8)}
    times = in_turn(rounds, **{str(count): (lambda x=x: own.engine(x)) for count, x in inputs.items()})
    print("detector an image: " + ", ".join(f"{1000 * t / int(n):.0f} ms of {n}" for n, t in times.items()))


def predict(model: str, images: int, rounds: int, checkouts: dict[str, Path]) -> None:
    """Section 5."""
    with tempfile.TemporaryDirectory() as folder:
        image = cv2.imread(str(REPOSITORY / "examples" / "hands.jpg"))
        for name, count in (("one", 1), ("few", FEW), ("all", images)):
            Path(folder, name).mkdir()
            for index in range(count):
                cv2.imwrite(f"{folder}/{name}/{index:04}.jpg", np.roll(image, index, axis=1))

        def run(name: str, checkout: Path) -> float:
            """Peak memory, MiB."""
            options = ["--model", model, "--device", "cpu", "--out", f"{folder}/out"]
            process = start(["-m", "modelscope_handkp", "predict", f"{folder}/{name}", *options], checkout)
            _, status, usage = os.wait4(process.pid, 0)
            if status:
                raise SystemExit("predict failed")
            return usage.ru_maxrss / 1024

        fresh = {name: (lambda path=path: run("one", path)) for name, path in checkouts.items()}
        times = in_turn(rounds, **fresh)
        print("predict, a fresh process: " + ", ".join(f"{k} {t:.2f} s" for k, t in times.items()) + ratio(times))
        for folder_name, count in (("few", FEW), ("all", images)):
            peaks = {name: run(folder_name, path) for name, path in checkouts.items()}
            shown = ", ".join(f"{name} {peak:.0f} MiB" for name, peak in peaks.items())
            print(f"predict, peak memory over {count} images: {shown}{ratio(peaks)}")


def start(arguments: list[str], checkout: Path) -> "subprocess.Popen[str]":
    """Python in a checkout."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS), "PYTHONPATH": str(checkout)}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([sys.executable, *arguments], cwd=checkout, env=environment, text=True, **pipes)


def ratio(values: dict[str, float]) -> str:
    """This checkout against the other, if there is one."""
    return f", ratio {values['ours'] / values['before']:.2f}" if "before" in values else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(EMBEDDED_MODEL_DIR), help="model directory (default: the embedded one)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--against", type=Path, help="another checkout of this repository")
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    print(f"torch {torch.__version__}, {THREADS} threads")
    checkouts = {"ours": REPOSITORY.resolve()}
    if arguments.against:
        checkouts["before"] = arguments.against.resolve()
    with tempfile.TemporaryDirectory() as folder:
        rendered(folder, arguments.model, arguments.rounds, checkouts)
    predict(arguments.model, arguments.images, min(arguments.rounds, 3), checkouts)
    network(arguments.rounds, arguments.batch_size)
    hands_in_an_image(arguments.model, arguments.rounds)
    detector(arguments.rounds)


if __name__ == "__main__":
    main()
