"""Speed and memory of inference, as ratios within one run.

    python benchmarks/inference.py [--rounds 7] [--batch-size 8] [--pictures 500]

1. The hosted model's network (HRNetV2-W18, 256 x 256, flip test, float32) a crop: ours against the plain eager way,
   one forward and one on the mirrored crop, default memory layout, batch norm not folded.
2. One picture with 8 hands against 8 pictures with one, boxes given.
3. Peak memory of `predict` after 50 pictures and at the end.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from modelscope_handkp import HandEstimator, cli
from modelscope_handkp.config import read_configuration
from modelscope_handkp.hub import EMBEDDED_MODEL_DIR
from modelscope_handkp.inference import Network
from modelscope_handkp.models.pose import build_pose

REPOSITORY = Path(__file__).parent.parent  # its configuration.json is that of the hosted model
THREADS = 2


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


def network(rounds: int, batch_size: int) -> None:
    pose = build_pose(read_configuration(REPOSITORY)["model"]).eval()
    ours = Network(pose)
    crops = torch.rand(batch_size, 3, 256, 256, generator=torch.Generator().manual_seed(0))

    def plain() -> None:
        with torch.no_grad():
            for crop in crops:
                (pose(crop[None]) + pose(crop[None].flip(3)).flip(3)) / 2

    times = in_turn(rounds, plain=plain, ours=lambda: ours(crops, "heatmaps_flip_averaged"))
    plain_ms, ours_ms = (1000 * times[name] / batch_size for name in ("plain", "ours"))
    print(f"pose network a crop: ours {ours_ms:.0f} ms, plain eager {plain_ms:.0f} ms, ratio {ours_ms / plain_ms:.2f}")


def hands_in_a_picture(rounds: int) -> None:
    estimator = HandEstimator.from_pretrained(device="cpu")
    picture = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), dtype=np.uint8)
    boxes = [[40 + 150 * i, 100 + 40 * i, 180 + 150 * i, 260 + 40 * i] for i in range(8)]
    times = in_turn(
        rounds,
        one=lambda: estimator(picture, boxes),
        eight=lambda: [estimator(picture, [box]) for box in boxes],
    )
    one, eight = 1000 * times["one"], 1000 * times["eight"]
    print(f"embedded model: 8 hands in one picture {one:.0f} ms, in 8 pictures {eight:.0f} ms, ratio {one / eight:.2f}")


def memory(pictures: int) -> None:
    """Peak memory of this process while `predict` runs over a growing number of pictures."""
    picture = cv2.imread(str(REPOSITORY / "examples" / "hands.jpg"))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in")
        source.mkdir()
        for index in range(pictures):
            cv2.imwrite(str(source / f"{index:04}.jpg"), np.roll(picture, index, axis=1))
        peaks = []
        for pattern in ("00[0-4]?.jpg", "*.jpg"):  # 50, then all
            arguments = ["predict", str(source / pattern), "--out", f"{folder}/out"]
            if cli.main([*arguments, "--model", str(EMBEDDED_MODEL_DIR), "--device", "cpu"]):
                raise SystemExit("predict failed")
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        hands = sum(len(entry["hands"]) for entry in json.loads(Path(folder, "out/hands.json").read_text())["pictures"])
    early, late = (f"{peak:.0f} MiB" for peak in peaks)
    print(f"peak memory of predict: {early} after 50 pictures, {late} after {pictures} ({hands} hands)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--pictures", type=int, default=500)
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    print(f"torch {torch.__version__}, {THREADS} threads")
    network(arguments.rounds, arguments.batch_size)
    hands_in_a_picture(arguments.rounds)
    memory(arguments.pictures)


if __name__ == "__main__":
    main()
