"""Cut out what the detector takes for hands and is none, so that the keypoint network learns to say no.

    python examples/embedded/mine.py WINDOWS.npy [--pictures 6000] [--seed 2] [--model DIR]
    python examples/embedded/train.py keypoints --windows WINDOWS.npy

The detector of a model directory looks at rendered pictures, as in its training, none of which it needs to have seen.
WINDOWS.npy gets the crops of its false boxes, (N, 3, 128, 128) uint8 RGB.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
from pictures import PICTURES, pictures
from tqdm import tqdm
from train import EMBEDDED, RECIPES

from modelscope_handkp.arrays import Array
from modelscope_handkp.detection.ssdlite import HandDetector
from modelscope_handkp.estimator import build_own_detector
from modelscope_handkp.geometry.affine import crop_matrix
from modelscope_handkp.geometry.boxes import box_to_center_scale, iou, xyxy_to_xywh
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.synthetic import to_bgr

TOUCHED = 0.05  # IoU with a hand from which a box is not false but loose
MOST = 6  # boxes of one picture, the best
SMALLEST = 20  # px of a box


def false_boxes(found: Array, hands: Array) -> Array:
    """Of boxes (N, 4) xyxy, best first, those that show no hand (M, 4)."""
    free = iou(found, hands).max(axis=1, initial=0) < TOUCHED
    large = (found[:, 2:] - found[:, :2]).max(axis=1, initial=0) >= SMALLEST
    return found[free & large][:MOST]


def windows(detector: HandDetector, images: np.ndarray, boxes: np.ndarray, size: int) -> list[np.ndarray]:
    """Crops (3, size, size) RGB of the false boxes in BGR pictures (B, H, W, 3); boxes (B, n, 4) may be NaN."""
    found = []
    for image, hands in zip(images, boxes):
        for box in false_boxes(detector(image)[0], hands[~np.isnan(hands[:, 0])]):
            matrix = crop_matrix(*box_to_center_scale(xyxy_to_xywh(box)), 0, (size, size))
            crop = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR)
            found.append(np.ascontiguousarray(crop[..., ::-1].transpose(2, 0, 1)))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pictures", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=2, help="another than the detector's training had")
    parser.add_argument("--model", type=Path, default=EMBEDDED, help="model directory with the detector")
    args = parser.parse_args()
    detector = build_own_detector(args.model, read_configuration(args.model), None, "cpu")
    if detector is None:
        parser.error(f"{args.model} has no detector: its configuration needs DETECTION")
    torch.set_num_threads(1)  # small pictures: more only wait for one another
    found: list[np.ndarray] = []
    with torch.no_grad():
        for chunk in tqdm(range(args.pictures // PICTURES), unit="chunk"):
            images, boxes = pictures(args.seed, chunk, RECIPES["detector"].pixels)
            found += windows(detector, to_bgr(images), boxes.numpy(), RECIPES["keypoints"].pixels)
    if not found:
        raise SystemExit(f"no false box in {args.pictures} pictures: take more, at least {PICTURES}")
    np.save(args.out, np.stack(found))
    print(f"{len(found)} windows in {args.out}")


if __name__ == "__main__":
    main()
