"""Cut out the detector's false boxes, so that the keypoint network learns to give them empty heatmaps.

    python examples/embedded/mine.py WINDOWS.npy [--images 6000] [--seed 2] [--model DIR] [--photographs FOLDER]
    python examples/embedded/train.py keypoints --windows WINDOWS.npy

The detector of a model directory runs on rendered images like those of its training, of another seed, or on photographs
all of whose hands have a label (train.py says how FOLDER looks).
WINDOWS.npy gets the crops of its false boxes, (N, 3, 128, 128) uint8 RGB.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from images import WHOLE_IMAGES, whole_images
from photograph_lists import add_photographs, lists_of
from photograph_tiles import read_photographs
from tqdm import tqdm
from train import EMBEDDED, RECIPES

from modelscope_handkp.arrays import Array, Image
from modelscope_handkp.detection import build_detector
from modelscope_handkp.detection.base import Detector
from modelscope_handkp.engines import build_engine
from modelscope_handkp.errors import HandkpError, InputError
from modelscope_handkp.geometry.affine import crop_matrix
from modelscope_handkp.geometry.boxes import box_to_center_scale, iou, xyxy_to_xywh
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.model_dir.settings import ModelSettings
from modelscope_handkp.sources.images import load_image
from modelscope_handkp.synthetic import to_bgr

TOUCHED = 0.05  # IoU with a hand from which a box is poorly localised rather than false
MOST = 6  # boxes of one image, the best
SMALLEST = 20  # px of a box


def false_boxes(found: Array, hands: Array) -> Array:
    """Of boxes (N, 4) xyxy, best first, those that show no hand (M, 4)."""
    free = iou(found, hands).max(axis=1, initial=0) < TOUCHED
    large = (found[:, 2:] - found[:, :2]).max(axis=1, initial=0) >= SMALLEST
    return found[free & large][:MOST]


def windows(detector: Detector, images: Sequence[Image], boxes: Sequence[Array], size: int) -> list[np.ndarray]:
    """Crops (3, size, size) RGB of the false boxes in BGR images (B, H, W, 3); boxes (B, n, 4) may be NaN."""
    found = []
    for image, hands, (offered, _) in zip(images, boxes, detector.detect(list(images))):
        for box in false_boxes(offered, hands[~np.isnan(hands[:, 0])]):
            matrix = crop_matrix(*box_to_center_scale(xyxy_to_xywh(box)), 0, (size, size))
            crop = cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR)
            found.append(np.ascontiguousarray(crop[..., ::-1].transpose(2, 0, 1)))
    return found


def renders(count: int, seed: int) -> Iterator[tuple[Sequence[Image], Sequence[Array]]]:
    """Rendered images, some at a time, and the boxes of their hands."""
    for chunk in tqdm(range(count // WHOLE_IMAGES), unit="chunk"):
        with torch.no_grad():
            images, boxes = whole_images(seed, chunk, RECIPES["detector"].pixels)
        yield to_bgr(images), boxes.numpy()


def photographs(lists: list[Path], most: int, seed: int) -> Iterator[tuple[Sequence[Image], Sequence[Array]]]:
    """Some of the photographs of which all hands are known, one at a time, and the boxes of their hands."""
    known = [one for one in read_photographs(*lists) if one.complete]
    if not known:
        raise InputError(f"{', '.join(map(str, lists))}: of no image all hands are known (complete).")
    chosen = np.random.default_rng(seed).permutation(len(known))[:most]
    for place in tqdm(chosen, unit="image"):
        yield [load_image(known[place].image)], [known[place].boxes]


def main() -> None:
    """Detect in renders or photographs and write the crops of the false boxes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--images", type=int, default=6000, help="how many are rendered, or taken of the photographs")
    parser.add_argument("--seed", type=int, default=2, help="another than the detector's training had")
    add_photographs(parser)
    parser.add_argument("--model", type=Path, default=EMBEDDED, help="model directory with the detector")
    args = parser.parse_args()
    if not args.out.parent.is_dir():
        parser.error(f"{args.out.parent} is no folder")
    settings = ModelSettings.parse(read_configuration(args.model)).detection
    engine = functools.partial(build_engine, "eager", device=torch.device("cpu"))
    detector = build_detector(args.model, settings, None, engine)
    if detector is None:
        parser.error(f"{args.model} has no detector: its configuration needs DETECTION")
    torch.set_num_threads(1)  # small images: more threads wait for one another
    found: list[np.ndarray] = []
    lists = lists_of(parser, args)
    shown = photographs(lists, args.images, args.seed) if lists else renders(args.images, args.seed)
    for images, boxes in shown:
        found += windows(detector, images, boxes, RECIPES["keypoints"].pixels)
    if not found:
        raise SystemExit(f"no false box in {args.images} images: take more, at least {WHOLE_IMAGES}")
    with args.out.open("wb") as file:  # by its name, numpy would add an ending
        np.save(file, np.stack(found))
    print(f"{len(found)} windows in {args.out}")


if __name__ == "__main__":
    try:
        main()
    except HandkpError as error:
        raise SystemExit(f"error: {error}") from None
