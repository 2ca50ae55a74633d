"""Rendered images as a COCO-WholeBody data set on disk, which training and evaluation read like one of real images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm

from ..arrays import Image
from ..errors import InputError
from ..files import write_atomically
from ..skeleton import NUM_KEYPOINTS
from .batches import render_batch, to_bgr
from .levels import Level, get_level
from .limits import MOST, MOST_HANDS, check_range, check_size
from .rng import Rng
from .scene import HIDDEN, VISIBLE, Rendered

CONFIDENCE = {VISIBLE: 1.0, HIDDEN: 0.75}  # above 0.5: at or below it training wants a keypoint to have no peak
SPLITS = ("train", "val")
IMAGES, ANNOTATIONS = "{split}2017", "annotations/coco_wholebody_{split}_v1.0.json"  # below the data set's folder
_BODY_KEYPOINTS = 17
_CHUNK = 8  # images rendered together
_JPEG_QUALITY = 95


def write_dataset(
    folder: str | Path,
    train: int = 32,
    val: int = 8,
    seed: int = 0,
    level: str | Level = "easy",
    size: tuple[int, int] = (320, 240),
    hands: tuple[int, int] = (1, 3),
) -> Path:
    """Render a data set into `folder` with the files that the hosted configuration names; returns the folder.

    Writes train2017/ and val2017/ (JPEG), then annotations/coco_wholebody_{train,val}_v1.0.json, in place of files of
    these names; a split of 0 images is left out. Shows a progress bar. The same arguments write the same files.

    Args:
        folder: made if it is not there.
        train, val: number of images of each split.
        size: (width, height) of the images, px.
        hands: fewest and most hands in an image, of which some may not show (`render_batch`). A hand is annotated as
            `lefthand_*` or `righthand_*` of a person: its box is xywh px, its keypoints are x, y px and a confidence:
            1 visible, 0.75 hidden, 0 (and 0, 0) outside the image.
    Raises:
        InputError: a number out of its range, or an unknown level; nothing is written.
        OSError: the folder cannot be made or written to.
    """
    level = get_level(level)
    check_range("train", train, 0, MOST)
    check_range("val", val, 0, MOST)
    check_range("train + val", train + val, 1, 2 * MOST)
    check_range("seed", seed, 0, MOST)
    check_size(size)
    check_range("the fewest hands in an image", hands[0], 0, MOST_HANDS)
    check_range("the most hands in an image", hands[1], hands[0], MOST_HANDS)
    root = Path(folder)
    for number, (split, count) in enumerate(zip(SPLITS, (train, val))):
        if not count:
            continue
        images, path = root / IMAGES.format(split=split), root / ANNOTATIONS.format(split=split)
        for needed in (images, path.parent):
            needed.mkdir(parents=True, exist_ok=True)
        content = _write_split(images, count, seed * len(SPLITS) + number, level, size, hands)
        write_atomically(path, json.dumps(content).encode())
    return root


def _write_split(
    folder: Path, count: int, seed: int, level: Level, size: tuple[int, int], hands: tuple[int, int]
) -> dict[str, Any]:
    """Write `count` images into `folder`; returns the content of their annotation file."""
    images: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    with tqdm(total=count, desc=folder.name, unit="image") as bar:
        for chunk, start in enumerate(range(0, count, _CHUNK)):
            rng = Rng(seed * 100_003 + chunk)
            amounts = rng.integers(hands[0], hands[1] + 1, min(_CHUNK, count - start)).tolist()
            with torch.no_grad():
                result = render_batch(rng, amounts, size, level)
            for index, image in enumerate(to_bgr(result.images)):
                number = start + index + 1
                name = f"{number:012d}.jpg"
                _write_jpeg(folder / name, image)
                images.append({"id": number, "file_name": name, "width": size[0], "height": size[1]})
                people += _people(result, index, number, len(people) + 1)
                bar.update()
    return {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}


def _write_jpeg(path: Path, image: Image) -> None:
    encoded, content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not encoded:
        raise InputError(f"{path} cannot be written: OpenCV encodes no JPEG of shape {image.shape}.")
    path.write_bytes(content.tobytes())


def _people(result: Rendered, image_index: int, image_id: int, first_id: int) -> list[dict[str, Any]]:
    """The hands of one image as persons: a left and a right hand share one where both are there."""
    own = (result.image_index == image_index).nonzero()[:, 0].tolist()
    left = [hand for hand in own if bool(result.is_left[hand])]
    right = [hand for hand in own if not bool(result.is_left[hand])]
    people = []
    for row in range(max(len(left), len(right))):
        person: dict[str, Any] = {
            "id": first_id + row, "image_id": image_id, "category_id": 1, "iscrowd": 0,
            "keypoints": [0] * (3 * _BODY_KEYPOINTS), "num_keypoints": 0,
        }  # fmt: skip
        sides = {"lefthand": left[row : row + 1], "righthand": right[row : row + 1]}
        for side, hand in sides.items():
            box, points = _hand(result, hand[0]) if hand else ([0.0] * 4, [0.0] * (3 * NUM_KEYPOINTS))
            person |= {f"{side}_valid": bool(hand), f"{side}_box": box, f"{side}_kpts": points}
        boxes = [person[f"{side}_box"] for side, hand in sides.items() if hand]
        low = np.min([box[:2] for box in boxes], axis=0)
        high = np.max([np.add(box[:2], box[2:]) for box in boxes], axis=0)
        person["bbox"] = [*low.tolist(), *(high - low).tolist()]
        person["area"] = float(np.prod(high - low))
        people.append(person)
    return people


def _hand(result: Rendered, hand: int) -> tuple[list[float], list[float]]:
    """Box xywh px, and 21 times x, y px and confidence."""
    x0, y0, x1, y1 = result.boxes[hand].tolist()
    points = result.keypoints[hand].clone()
    confidence = torch.zeros_like(points[:, 2])
    for state, value in CONFIDENCE.items():
        confidence[points[:, 2] == state] = value
    points = torch.cat([points[:, :2], confidence[:, None]], 1) * (confidence > 0)[:, None]
    return [x0, y0, x1 - x0, y1 - y0], [round(value, 3) for value in points.flatten().tolist()]
