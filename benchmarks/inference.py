"""Speed and memory of inference, as ratios within one run.

    python benchmarks/inference.py [--model DIR] [--rounds 7] [--batch-size 8] [--pictures 500]

1. Peak memory of `predict` after 50 pictures and at the end.
2. The hosted model's network (HRNetV2-W18, 256 x 256, flip test, float32) a crop: ours against the plain eager way,
   one forward and one on the mirrored crop, default memory layout, batch norm not folded.
3. One picture with 8 hands against 8 pictures with one, boxes given.
4. One picture with one hand: `predict` in a fresh process, and a further picture for an estimator that is there.

All but 2 are of the embedded model, or of --model.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import cv2
import numpy as np
import torch
from embedded import HELD_OUT_SEED

from modelscope_handkp import HandEstimator, cli
from modelscope_handkp.arrays import Image
from modelscope_handkp.engines.eager import Network
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.model_dir.hub import EMBEDDED_MODEL_DIR
from modelscope_handkp.networks.topdown import build_pose
from modelscope_handkp.synthetic import render_image

REPOSITORY = Path(__file__).parent.parent  # its configuration.json is that of the hosted model
THREADS = 2
EARLY = 50  # pictures


def seconds(function: Callable[[], object]) -> float:
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


def memory(model: str, pictures: int) -> None:
    """Peak memory of this process while `predict` runs, when it has read 50 pictures and when it is done."""
    picture = cv2.imread(str(REPOSITORY / "examples" / "hands.jpg"))
    peaks: list[float] = []
    load = cli.load_image

    def load_image(source: str) -> Image:
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return load(source)

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in")
        source.mkdir()
        for index in range(pictures):
            cv2.imwrite(str(source / f"{index:04}.jpg"), np.roll(picture, index, axis=1))
        with mock.patch.object(cli, "load_image", load_image):
            failed = cli.main(["predict", str(source), "--out", f"{folder}/out", "--model", model, "--device", "cpu"])
        if failed:
            raise SystemExit("predict failed")
        late = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        hands = sum(len(entry["hands"]) for entry in json.loads(Path(folder, "out/hands.json").read_text())["pictures"])
    early = peaks[min(EARLY, len(peaks) - 1)]
    print(
        f"peak memory of predict: {early:.0f} MiB after {EARLY} pictures, {late:.0f} after {pictures} ({hands} hands)"
    )


def network(rounds: int, batch_size: int) -> None:
    pose = build_pose(read_configuration(REPOSITORY)["model"]).eval()
    ours = Network(pose)
    crops = torch.rand(batch_size, 3, 256, 256, generator=torch.Generator().manual_seed(0))

    def plain() -> None:
        with torch.no_grad():
            for crop in crops:
                (pose(crop[None]) + pose(crop[None].flip(3)).flip(3)) / 2

    times = in_turn(rounds, plain=plain, ours=lambda: ours(crops, "heatmaps_at_test"))
    plain_ms, ours_ms = (1000 * times[name] / batch_size for name in ("plain", "ours"))
    print(f"pose network a crop: ours {ours_ms:.0f} ms, plain eager {plain_ms:.0f} ms, ratio {ours_ms / plain_ms:.2f}")


def hands_in_a_picture(model: str, rounds: int) -> None:
    estimator = HandEstimator.from_pretrained(model, device="cpu")
    picture = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    boxes = [[40 + 150 * i, 100 + 40 * i, 180 + 150 * i, 260 + 40 * i] for i in range(8)]
    times = in_turn(
        rounds,
        one=lambda: estimator(picture, boxes),
        eight=lambda: [estimator(picture, [box]) for box in boxes],
    )
    one, eight = 1000 * times["one"], 1000 * times["eight"]
    print(f"8 hands in one picture {one:.0f} ms, in 8 pictures {eight:.0f} ms, ratio {one / eight:.2f}")


def one_hand(model: str, rounds: int) -> None:
    """Seconds of `predict` on one picture with one hand."""
    with tempfile.TemporaryDirectory() as folder:
        picture, box = render_image(HELD_OUT_SEED, hands=1, level="easy")[::2]
        cv2.imwrite(f"{folder}/hand.png", picture)
        predict = ["predict", f"{folder}/hand.png", "--model", model, "--device", "cpu", "--out", f"{folder}/out"]
        command = [sys.executable, "-m", "modelscope_handkp", *predict]
        environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS)}
        estimator = HandEstimator.from_pretrained(model, device="cpu")
        times = in_turn(
            rounds,
            process=lambda: subprocess.run(command, check=True, capture_output=True, cwd=REPOSITORY, env=environment),
            again=lambda: estimator(f"{folder}/hand.png"),
            given=lambda: estimator(f"{folder}/hand.png", boxes=box),
        )
        hands = len(estimator(f"{folder}/hand.png"))
    print(
        f"one picture, one hand ({hands} found): predict in a fresh process {times['process']:.2f} s, "
        f"a further picture {1000 * times['again']:.0f} ms, with its box given {1000 * times['given']:.0f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(EMBEDDED_MODEL_DIR), help="model directory (default: the embedded one)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--pictures", type=int, default=500)
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    print(f"torch {torch.__version__}, {THREADS} threads")
    memory(arguments.model, arguments.pictures)  # first, since a peak stays
    network(arguments.rounds, arguments.batch_size)
    hands_in_a_picture(arguments.model, arguments.rounds)
    one_hand(arguments.model, arguments.rounds)


if __name__ == "__main__":
    main()
