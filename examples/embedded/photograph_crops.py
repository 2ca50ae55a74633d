"""Crops of labelled hands in photographs, for the keypoint network."""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from photograph_lists import read_entries

from modelscope_handkp.arrays import Array, Image
from modelscope_handkp.errors import InputError
from modelscope_handkp.geometry.affine import crop_matrix, warp_points
from modelscope_handkp.geometry.boxes import BOX_PADDING, PIXEL_STD, clip_boxes
from modelscope_handkp.skeleton import NUM_KEYPOINTS
from modelscope_handkp.synthetic.scene import OUTSIDE, VISIBLE

BOX_ONLY = "box mended by hand"  # label of hands whose keypoints may be wrong
SURROUNDINGS = 2.6  # sides of the box: what a rotated and shifted crop may show
LONGEST = 160.0  # px of a kept hand; more than a crop can show
SHIFT, SCALE = 0.1, (0.85, 1.25)  # of the box: as poorly localised as a detector's
ROTATION, ANY_ROTATION = 20.0, 0.15  # deviation in degrees; share of the crops that are rotated by any angle


class Hand(NamedTuple):
    """Part of a photograph (h, w, 3) uint8 RGB with a hand: its keypoints (21, 2) and box (4,) xyxy in its pixels."""

    image: Image
    keypoints: Array
    box: Array


def read_hands(*lists: Path) -> list[Hand]:
    """The hands with keypoints of lists, as `photograph_lists.read_entries` takes them.

    Raises:
        InputError: as `read_entries` does; no hand has keypoints that can be trusted.
    """
    found = []
    for entry, image in read_entries(*lists):
        found += [_around(image, hand.keypoints, hand.box) for hand in entry.hands
                  if hand.keypoints is not None and hand.label != BOX_ONLY]  # fmt: skip
    if lists and not found:
        raise InputError(f"{', '.join(map(str, lists))}: no hand has keypoints.")
    return found


def _around(image: Image, keypoints: Array, box: Array) -> Hand:
    """A hand with its surroundings, no larger than needed."""
    side, center = float((box[2:] - box[:2]).max()), (box[:2] + box[2:]) / 2
    reach = SURROUNDINGS * side / 2
    size = np.array(image.shape[1::-1])
    part = clip_boxes(np.concatenate([center - reach, center + reach])[None], *size)[0].round().astype(int)
    left, top = np.minimum(part[:2], size - 1)
    right, bottom = np.maximum(part[2:], [left + 1, top + 1])
    shown = image[top:bottom, left:right, ::-1]
    zoom = max(min(1.0, LONGEST / side), 1 / min(shown.shape[:2]))
    if zoom < 1:
        shown = cv2.resize(shown, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)
    corner = np.array([left, top], np.float32)
    return Hand(np.ascontiguousarray(shown), (keypoints - corner) * zoom, (box - np.tile(corner, 2)) * zoom)


def crop(rng: np.random.Generator, hand: Hand, size: int) -> tuple[Image, Array]:
    """A crop (3, size, size) uint8 RGB, rotated and with the errors of a detector's box, and keypoints (21, 3) as in
    synthetic.Rendered."""
    side, center = float((hand.box[2:] - hand.box[:2]).max()), (hand.box[:2] + hand.box[2:]) / 2
    center = center + rng.uniform(-SHIFT, SHIFT, 2) * side
    scale = side * BOX_PADDING * math.exp(rng.uniform(*np.log(SCALE))) / PIXEL_STD
    degrees = rng.uniform(-180, 180) if rng.random() < ANY_ROTATION else rng.normal(0, ROTATION)
    matrix = crop_matrix(center, (scale, scale), degrees, (size, size))
    image = cv2.warpAffine(hand.image, matrix, (size, size), flags=cv2.INTER_LINEAR)
    keypoints = np.full((NUM_KEYPOINTS, 3), VISIBLE, np.float32)
    keypoints[:, :2] = warp_points(hand.keypoints, matrix)
    keypoints[((keypoints[:, :2] < 0) | (keypoints[:, :2] > size - 1)).any(1), 2] = OUTSIDE
    return np.ascontiguousarray(image.transpose(2, 0, 1)), keypoints
