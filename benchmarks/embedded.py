"""Measure a model directory on rendered images that it was not trained on.

    python benchmarks/embedded.py [--model DIR] [--tta full] [--engine eager] [--images 60] [--seed 9000000]
                                  [--levels easy medium hard]

A level's images hold none, one, one or two hands in turn. Printed: PCK@0.2, AUC and EPE with the true boxes given;
recall at IoU 0.5 and false boxes at the model's default thresholds, in all images and in those without a hand, and the
same of the detector alone, before the keypoints confirm its boxes; PCK@0.2 end to end, where the keypoints of a hand
that was not found count as wrong. Keypoints outside the image do not count.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from modelscope_handkp import HandEstimator
from modelscope_handkp.data.metrics import auc, distances, epe, pck
from modelscope_handkp.geometry.boxes import iou, xyxy_to_xywh
from modelscope_handkp.model_dir.settings import TTA_LEVELS
from modelscope_handkp.synthetic import LEVELS, render_image

HANDS = (0, 1, 1, 2)
FOUND_IOU = 0.5
FAR = 1.0e6
HELD_OUT_SEED = 9_000_000  # the embedded model is trained on seeds below


class BoxCount:
    """Counts of found and false boxes over images."""

    def __init__(self) -> None:
        self.true, self.recalled, self.false, self.false_there, self.images, self.hand_free = 0, 0, 0, 0, 0, 0

    def add(self, overlap: NDArray[np.float32]) -> None:
        """Count one image: IoU of its true boxes (rows) and the found ones (columns)."""
        false = int((overlap.max(axis=0, initial=0.0) <= FOUND_IOU).sum())
        self.true += len(overlap)
        self.recalled += int((overlap.max(axis=1, initial=0.0) > FOUND_IOU).sum())
        self.false += false
        self.images += 1
        if not len(overlap):
            self.hand_free += 1
            self.false_there += false

    def numbers(self, whose: str) -> dict[str, float]:
        """Recall and false boxes by name, each name with the prefix `whose`."""
        return {
            f"{whose}recall@0.5": self.recalled / max(1, self.true),
            f"{whose}false boxes an image": self.false / self.images,
            f"{whose}... a hand-free one": self.false_there / max(1, self.hand_free),
        }


def measure(estimator: HandEstimator, level: str, images: int, seed: int, size: tuple[int, int]) -> dict[str, float]:
    """The numbers of one level, by name."""
    given: list[NDArray[np.float32]] = []
    found: list[NDArray[np.float32]] = []
    joints: list[NDArray[np.float32]] = []
    boxes: list[NDArray[np.float32]] = []
    ours, detectors = BoxCount(), BoxCount()
    for index in tqdm(range(images), desc=level, unit="image"):
        image, keypoints, truth = render_image(seed + index, size, HANDS[index % len(HANDS)], level)
        hands = estimator(image)
        overlap = iou(truth, hands.boxes)
        ours.add(overlap)
        detectors.add(iou(truth, estimator.detector.detect([image])[0][0]))
        if not len(truth):
            continue
        given.append(estimator(image, boxes=truth).keypoints[..., :2])
        found.append(matched(hands.keypoints[..., :2], overlap))
        joints.append(keypoints)
        boxes.append(truth)
    truth_joints, sides = np.concatenate(joints), xyxy_to_xywh(np.concatenate(boxes))
    with_boxes = distances(np.concatenate(given), truth_joints, truth_joints[..., 2])
    end_to_end = distances(np.concatenate(found), truth_joints, truth_joints[..., 2])
    return {
        "hands": len(sides),
        "images": images,
        "pck@0.2 given boxes": pck(with_boxes, sides),
        "auc given boxes": auc(with_boxes),
        "epe px given boxes": epe(with_boxes),
        **ours.numbers(""),
        **detectors.numbers("detector's "),
        "pck@0.2 end to end": pck(end_to_end, sides),
    }


def matched(keypoints: NDArray[np.float32], overlap: NDArray[np.float32]) -> NDArray[np.float32]:
    """For each true hand the keypoints (21, 2) of the box that overlaps it most; far away where none does."""
    rows = [keypoints[row.argmax()] if row.size and row.max() > 0 else np.full((21, 2), FAR) for row in overlap]
    return np.stack(rows)


def main() -> None:
    """Measure and print every level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="model directory (default: the embedded one)")
    parser.add_argument("--tta", default="full", choices=TTA_LEVELS)
    parser.add_argument("--engine", help="what runs the networks (default: eager)")
    parser.add_argument("--images", type=int, default=60, help="images of each level")
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED)
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--levels", nargs="+", default=list(LEVELS), choices=list(LEVELS))
    parser.add_argument("--score-threshold", type=float)
    parser.add_argument("--json", type=Path, help="write the numbers here, too")
    args = parser.parse_args()
    estimator = HandEstimator.from_pretrained(
        args.model, score_threshold=args.score_threshold, tta=args.tta, engine=args.engine
    )
    results = {level: measure(estimator, level, args.images, args.seed, tuple(args.size)) for level in args.levels}
    for level, numbers in results.items():
        print(f"\n{level}")
        for name, value in numbers.items():
            print(f"  {name:34s}{value:10.3f}")
    if args.json:
        args.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
