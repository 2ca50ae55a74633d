"""Rendered pictures as a COCO-WholeBody data set on disk: what a training run on real data would be given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm

from .levels import Level, get_level
from .rng import Rng
from .scene import HIDDEN, VISIBLE, Rendered, render_batch, to_bgr

CONFIDENCE = {VISIBLE: 1.0, HIDDEN: 0.75}  # above codec.VISIBLE: at or below it a keypoint is trained to have no peak
BODY_KEYPOINTS = 17
_CHUNK = 8
_SPLITS = ("train", "val")


def write_dataset(
    folder: str | Path,
    train: int = 32,
    val: int = 8,
    seed: int = 0,
    level: str | Level = "easy",
    size: tuple[int, int] = (320, 240),
    hands: tuple[int, int] = (1, 3),
) -> Path:
    """Render pictures into `folder` with the files that the hosted configuration names; returns the folder.

    annotations/coco_wholebody_{train,val}_v1.0.json, train2017/ and val2017/ (JPEG). size (width, height) px;
    hands: fewest and most hands a picture, of which some may not show (`render_batch`). Confidence of a keypoint:
    1 visible, 0.75 hidden, 0 outside (and 0, 0). The same arguments write the same files. Shows a progress bar.
    """
    root = Path(folder)
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    for number, (split, count) in enumerate(zip(_SPLITS, (train, val))):
        pictures = root / f"{split}2017"
        pictures.mkdir(exist_ok=True)
        content = _write_split(pictures, count, seed * len(_SPLITS) + number, get_level(level), size, hands)
        path = root / "annotations" / f"coco_wholebody_{split}_v1.0.json"
        path.write_text(json.dumps(content), encoding="utf-8")
    return root


def _write_split(
    folder: Path, count: int, seed: int, level: Level, size: tuple[int, int], hands: tuple[int, int]
) -> dict[str, Any]:
    images: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    with tqdm(total=count, desc=folder.name, unit="picture") as bar:
        for chunk, start in enumerate(range(0, count, _CHUNK)):
            rng = Rng(seed * 100_003 + chunk)
            amounts = rng.integers(hands[0], hands[1] + 1, min(_CHUNK, count - start)).tolist()
            with torch.no_grad():
                result = render_batch(rng, amounts, size, level)
            for index, picture in enumerate(to_bgr(result.images)):
                number = start + index + 1
                name = f"{number:012d}.jpg"
                cv2.imwrite(str(folder / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 95])
                images.append({"id": number, "file_name": name, "width": size[0], "height": size[1]})
                people += _people(result, index, number, len(people) + 1)
                bar.update()
    return {"images": images, "annotations": people, "categories": [{"id": 1, "name": "person"}]}


def _people(result: Rendered, picture: int, image_id: int, first_id: int) -> list[dict[str, Any]]:
    """The hands of one picture as persons: a left and a right hand share one where both are there."""
    own = (result.picture == picture).nonzero()[:, 0].tolist()
    left = [hand for hand in own if bool(result.is_left[hand])]
    right = [hand for hand in own if not bool(result.is_left[hand])]
    people = []
    for row in range(max(len(left), len(right))):
        person: dict[str, Any] = {
            "id": first_id + row, "image_id": image_id, "category_id": 1, "iscrowd": 0,
            "keypoints": [0] * (3 * BODY_KEYPOINTS), "num_keypoints": 0,
        }  # fmt: skip
        sides = {"lefthand": left[row : row + 1], "righthand": right[row : row + 1]}
        for side, hand in sides.items():
            box, points = _hand(result, hand[0]) if hand else ([0.0] * 4, [0.0] * 63)
            person |= {f"{side}_valid": bool(hand), f"{side}_box": box, f"{side}_kpts": points}
        boxes = [person[f"{side}_box"] for side, hand in sides.items() if hand]
        low = np.min([box[:2] for box in boxes], axis=0)
        high = np.max([np.add(box[:2], box[2:]) for box in boxes], axis=0)
        person["bbox"] = [*low.tolist(), *(high - low).tolist()]
        person["area"] = float(np.prod(high - low))
        people.append(person)
    return people


def _hand(result: Rendered, hand: int) -> tuple[list[float], list[float]]:
    """Box xywh and 21 times x, y, confidence."""
    x0, y0, x1, y1 = result.boxes[hand].tolist()
    points = result.keypoints[hand].clone()
    confidence = torch.zeros_like(points[:, 2])
    for state, value in CONFIDENCE.items():
        confidence[points[:, 2] == state] = value
    points = torch.cat([points[:, :2], confidence[:, None]], 1) * (confidence > 0)[:, None]
    return [x0, y0, x1 - x0, y1 - y0], [round(value, 3) for value in points.flatten().tolist()]
