"""Photographs with labelled hands, and the detector's training samples: parts of them and of rendered images."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from photograph_lists import read_entries
from torch import Tensor

from modelscope_handkp.arrays import Array, Image
from modelscope_handkp.detection.yolox import PADDING
from modelscope_handkp.geometry.boxes import clip_boxes
from modelscope_handkp.sources.images import load_image

GROWN = 1.08  # labels are tight around the keypoints, a rendered hand's box is around its flesh
SURE = 1.5  # of a labelled box: its surroundings, of which something is known also where other hands have no label
SMALLEST_HAND = 8.0  # px of the input: what is smaller is neither hand nor background
KEPT_SHARE = 0.35  # share of a hand's box inside a tile, below which it is neither hand nor background
MOSAIC, AROUND_HAND = 0.5, 0.8  # share of the samples that are one; of the tiles with hands that show one on purpose
HAND_SIDE = (0.05, 1.0)  # share of the tile that this hand's longer side is brought to, as far as zooming may go
FIT = (0.7, 1.6)  # otherwise: longer side of the image against the tile's
MOST_ENLARGED, LEAST_FILLED = 3.0, 0.45  # pixels for one of the image; longer side of the image against the tile's
MOST_BOXES = 48  # of each kind in a sample


class Labelled(NamedTuple):
    """An image (H, W, 3) uint8 BGR or its file, its hands' boxes (n, 4) xyxy, and whether these are all hands in it."""

    image: Image | Path
    boxes: Array
    complete: bool


class Sample(NamedTuple):
    """A detector's input (S, S, 3) uint8 BGR and, in its pixels, xyxy: the hands' boxes (n, 4), rectangles (k, 4) where
    the absence of a box says that there is no hand, and rectangles (m, 4) inside of those where it does not."""

    image: Image
    boxes: Array
    known: Array
    unsure: Array


def read_photographs(*lists: Path) -> list[Labelled]:
    """The photographs of lists, as `photograph_lists.read_entries` takes them; their images are read once to check."""
    return [Labelled(entry.file, entry.boxes, entry.complete) for entry, _ in read_entries(*lists)]


def without_hands(photographs: list[Labelled]) -> list[Path]:
    """The files of the photographs of which it is known that they show no hand."""
    return [shown.image for shown in photographs if shown.complete and not len(shown.boxes)]  # type: ignore[misc]


def sample(rng: np.random.Generator, pick: Callable[[], Labelled], size: int) -> Sample:
    """One tile, or four around a point, of images that ``pick`` gives."""
    canvas = np.full((size, size, 3), PADDING, np.uint8)
    x, y = (int(side) for side in rng.uniform(0.25, 0.75, 2) * size) if rng.random() < MOSAIC else (size, size)
    rectangles = [(0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size)]
    tiles = []
    for left, top, right, bottom in rectangles if x < size else rectangles[:1]:
        part = tile(rng, pick(), right - left, bottom - top)
        canvas[top:bottom, left:right] = part.image
        tiles.append([boxes + np.array([left, top] * 2, np.float32) for boxes in part[1:]])
    return Sample(canvas, *(np.concatenate(column)[:MOST_BOXES] for column in zip(*tiles)))


def tile(rng: np.random.Generator, shown: Labelled, width: int, height: int) -> Sample:
    """A part of an image, zoomed to ``width`` x ``height`` pixels, half the time mirrored."""
    image = load_image(shown.image) if isinstance(shown.image, Path) else shown.image
    boxes = grown(shown.boxes, GROWN)
    zoom, corner = _view(rng, boxes, image, width, height)
    part = _zoomed(image, zoom, corner, width, height)
    moved = (boxes - np.tile(corner, 2)) * zoom
    if rng.random() < 0.5:
        part, moved = part[:, ::-1], moved[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [width, 0, width, 0]
    inside = clip_boxes(moved, width, height)
    sides, whole = inside[:, 2:] - inside[:, :2], moved[:, 2:] - moved[:, :2]
    shows = (sides.prod(1) >= KEPT_SHARE * whole.prod(1)) & (sides.max(1, initial=0) >= SMALLEST_HAND)
    known = np.array([[0, 0, width, height]], np.float32)
    if not shown.complete:
        known = clip_boxes(grown(moved, SURE), width, height)
    return Sample(part, inside[shows], known, inside[~shows & (sides.min(1, initial=width) > 0)])


def grown(boxes: Array, factor: float) -> Array:
    """Boxes (n, 4) xyxy with their sides multiplied by ``factor``, around the same centres."""
    margin = (boxes[:, 2:] - boxes[:, :2]) * (factor - 1) / 2
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1).astype(np.float32)


def _view(rng: np.random.Generator, boxes: Array, image: Image, width: int, height: int) -> tuple[float, Array]:
    """Pixels of a tile for one of the image, and where its upper left corner lies in the image (2,)."""
    size, room = np.array(image.shape[1::-1], np.float32), np.array([width, height], np.float32)
    if len(boxes) and rng.random() < AROUND_HAND:
        left, top, right, bottom = boxes[rng.integers(len(boxes))]
        side = math.exp(rng.uniform(*np.log(HAND_SIDE))) * min(width, height)
        zoom = np.clip(side / max(right - left, bottom - top), LEAST_FILLED * max(room) / max(size), MOST_ENLARGED)
        spare = room / zoom - [right - left, bottom - top]  # the hand anywhere in the tile, if it is not larger
        return float(zoom), np.array([left, top], np.float32) - (rng.uniform(0, 1, 2) * spare).astype(np.float32)
    zoom = min(math.exp(rng.uniform(*np.log(FIT))) * max(room) / max(size), MOST_ENLARGED)
    return float(zoom), (rng.uniform(0, 1, 2) * (size - room / zoom)).astype(np.float32)


def _zoomed(image: Image, zoom: float, corner: Array, width: int, height: int) -> Image:
    """The image from ``corner`` on, ``zoom`` pixels for one of it, on grey."""
    canvas = np.full((height, width, 3), PADDING, np.uint8)
    size = np.array(image.shape[1::-1])
    low = np.clip(np.floor(corner), 0, size - 1).astype(int)
    high = np.clip(np.ceil(corner + np.array([width, height]) / zoom), low + 1, size).astype(int)
    start, end = (np.round((place - corner) * zoom).astype(int) for place in (low, high))
    part = image[low[1] : high[1], low[0] : high[0]]
    shape = tuple(int(side) for side in np.maximum(end - start, 1))
    part = cv2.resize(part, shape, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_LINEAR)
    x, y = np.maximum(start, 0)
    part = part[max(-start[1], 0) :, max(-start[0], 0) :][: height - y, : width - x]
    canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
    return canvas


def stacked(rows: list[Array]) -> Tensor:
    """Boxes (n_i, 4) of each sample -> (N, max n, 4), NaN where a sample has fewer."""
    table = torch.full((len(rows), max(map(len, rows)), 4), float("nan"))
    for row, boxes in zip(table, rows):
        row[: len(boxes)] = torch.from_numpy(np.asarray(boxes, np.float32))
    return table
