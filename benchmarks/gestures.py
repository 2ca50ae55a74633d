"""Name the gestures of rendered hands, from their true keypoints and end to end, and count what is confused.

    python benchmarks/gestures.py [--model DIR] [--tta full] [--engine auto] [--images 25] [--seed 9600000]
                                  [--levels easy medium] [--size 640 480] [--json FILE]

Each image shows one hand, in one of the gestures or, as "none", in a pose that is no gesture; each gesture has as many
images of each level. Hands are seen from all sides, as the renderer's levels have them, and thumbs that point up or
down do so in the image. A hand counts as seen if its palm or its back is within 45 degrees of facing the camera, by its
true joints in space, and nothing but the hand itself lies before nine tenths of its joints in the image; figures of
all hands and of those that are seen are both printed. A hand that the estimator does not find is named "none".

Printed: macro F1 over the 13 names, the confusion matrices of all hands (a gesture a row, what it was named a column),
and the time of `recognize` on keypoints. The rules were tuned on seeds below 9000000, on which the embedded model was
trained, too.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from embedded import FOUND_IOU, HELD_OUT_SEED
from numpy.typing import NDArray
from tqdm import tqdm

from modelscope_handkp import HandEstimator, Hands
from modelscope_handkp.errors import HandkpError
from modelscope_handkp.geometry.boxes import iou
from modelscope_handkp.gestures import GESTURE_NAMES, recognize
from modelscope_handkp.model_dir.settings import TTA_LEVELS
from modelscope_handkp.synthetic import LEVELS, Rng, render_batch, to_bgr

NONE = GESTURE_NAMES.index("none")
SEED = HELD_OUT_SEED + 600_000
FACING_DEGREES, SHOWN = 45.0, 0.9
TIMED_HANDS, TIMED_ROUNDS = (1, 64), 200


class Named(NamedTuple):
    """One hand: indices into GESTURE_NAMES of its gesture and of what it was named from its true keypoints and end to
    end; whether it is seen."""

    truth: int
    from_true: int
    end_to_end: int
    seen: bool


def is_seen(joints: NDArray[np.float32], shown: float) -> bool:
    """Whether a hand with these joints (21, 3) in space, z away from the camera, can be made out; `shown`: as in
    `Rendered`."""
    normal = np.cross(joints[5] - joints[0], joints[17] - joints[0])
    facing = abs(normal[2]) / np.linalg.norm(normal)
    return bool(facing >= np.cos(np.deg2rad(FACING_DEGREES)) and shown >= SHOWN)


def name_of(hands: Hands) -> int:
    """The gesture of the first hand."""
    return GESTURE_NAMES.index(recognize(hands)[0].name) if len(hands) else NONE


def hands_of_level(estimator: HandEstimator, level: str, args: argparse.Namespace) -> Iterator[Named]:
    """Render and name the hands of one level."""
    for number in range(args.images * len(GESTURE_NAMES)):
        truth = number % len(GESTURE_NAMES)
        seed = args.seed + number + list(LEVELS).index(level) * 100_000
        with torch.no_grad():
            rendered = render_batch(Rng(seed), [1], tuple(args.size), level, gesture=GESTURE_NAMES[truth])
        if not len(rendered.boxes):  # hidden by an object
            continue
        boxes = rendered.boxes.numpy()
        keypoints = rendered.keypoints.numpy().copy()
        keypoints[..., 2] = 1
        found = estimator(to_bgr(rendered.images)[0])
        overlap = iou(boxes, found.boxes)[0]
        best = overlap.argsort()[::-1][:1] if len(found) and overlap.max() > FOUND_IOU else []
        seen = is_seen(rendered.joints[0].numpy(), float(rendered.shown[0]))
        yield Named(truth, name_of(Hands(keypoints, boxes, np.ones(1))), name_of(found[list(best)]), seen)


def confusion(truth: NDArray[np.int64], named: NDArray[np.int64]) -> NDArray[np.int64]:
    """(G, G) counts: a gesture a row, what it was named a column."""
    counts = np.zeros((len(GESTURE_NAMES), len(GESTURE_NAMES)), np.int64)
    np.add.at(counts, (truth, named), 1)
    return counts


def macro_f1(counts: NDArray[np.int64]) -> float:
    """The mean over the gestures of F1, 2 x right / (true + named); of those that occur."""
    total = counts.sum(axis=0) + counts.sum(axis=1)
    return float(np.mean(2 * np.diag(counts)[total > 0] / total[total > 0]))


def as_text(counts: NDArray[np.int64]) -> str:
    """The matrix with its names; a column has the letter of its row."""
    letters = [chr(ord("a") + index) for index in range(len(GESTURE_NAMES))]
    width = max(map(len, GESTURE_NAMES))
    rows = ["".join(f"{count or '.':>5}" for count in row) for row in counts.tolist()]
    named = [f"{letter} {name:{width}}{row}" for letter, name, row in zip(letters, GESTURE_NAMES, rows)]
    return "\n".join([" " * (width + 2) + "".join(f"{letter:>5}" for letter in letters), *named])


def report(level: str, named: list[Named]) -> dict[str, float]:
    """Print a level's figures; returns them by name."""
    truth, from_true, end_to_end, seen = (np.array(column) for column in zip(*named))
    figures: dict[str, float] = {"hands": len(truth), "hands that are seen": int(seen.sum())}
    for what, names in (("true keypoints", from_true), ("end to end", end_to_end)):
        figures[f"macro F1, {what}, seen"] = macro_f1(confusion(truth[seen], names[seen]))
        figures[f"macro F1, {what}, all"] = macro_f1(confusion(truth, names))
        wrong = (names != truth) & (names != NONE)
        figures[f"share of a wrong gesture's name, {what}, seen"] = float(wrong[seen].mean())
        figures[f"share of a wrong gesture's name, {what}, all"] = float(wrong.mean())
    print(f"\n{level}")
    for name, value in figures.items():
        print(f"  {name:60s}{value:10.3f}" if isinstance(value, float) else f"  {name:60s}{value:10d}")
    for what, names in (("from true keypoints", from_true), ("end to end", end_to_end)):
        print(f"\n{level}, {what}, all hands:\n{as_text(confusion(truth, names))}")
    return figures


def microseconds(count: int) -> float:
    """The median time of `recognize` for one of `count` hands."""
    keypoints = np.random.default_rng(0).uniform(0, 300, (count, 21, 3))
    hands, seconds = Hands(keypoints, np.zeros((count, 4)), np.ones(count)), []
    for _ in range(TIMED_ROUNDS):
        started = time.perf_counter()
        recognize(hands)
        seconds.append(time.perf_counter() - started)
    return 1e6 * float(np.median(seconds)) / count


def main() -> None:
    """Render, name, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="model directory (default: the embedded one)")
    parser.add_argument("--tta", default="full", choices=TTA_LEVELS)
    parser.add_argument("--engine", default="auto", help="what runs the networks (default: auto)")
    parser.add_argument("--images", type=int, default=25, help="of each gesture and level")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--levels", nargs="+", default=["easy", "medium"], choices=list(LEVELS))
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--json", type=Path, help="write the figures here, too")
    args = parser.parse_args()
    estimator = HandEstimator.from_pretrained(args.model, tta=args.tta, engine=args.engine)
    results, everything = {}, []
    for level in args.levels:
        total = args.images * len(GESTURE_NAMES)
        named = list(tqdm(hands_of_level(estimator, level, args), total=total, desc=level, unit="hand"))
        results[level] = report(level, named)
        everything += named
    results["all levels"] = report("all levels", everything)
    results["microseconds a hand"] = {f"of {count} at once": microseconds(count) for count in TIMED_HANDS}
    print(f"\nmicroseconds a hand: {results['microseconds a hand']}")
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    try:
        main()
    except HandkpError as error:
        raise SystemExit(f"error: {error}") from None
