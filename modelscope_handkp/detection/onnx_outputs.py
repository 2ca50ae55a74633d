"""Outputs of detectors in ONNX files -> candidates: the layouts of mmdeploy, ultralytics and YOLOX.

Each class reads the outputs for one image, arrays with K candidates. Boxes are computed of those alone that are chosen
by their scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..arrays import Array
from ..errors import InputError
from ..networks.yolox import BOX_CHANNELS, STRIDES
from .yolox import decode_boxes, places

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class FinalBoxes:
    """After suppression: rows (K, 6 + ...) of x1, y1, x2, y2, score and class, or (K, 5) and the classes (K,) apart.

    rows, labels: which outputs; labels is None where the rows have the class. classes: None, as nothing tells them.
    """

    rows: int = 0
    labels: int | None = None
    classes: None = None

    def scores(self, outputs: Sequence[Any], hand: int | None) -> Array:
        """(K,): of the hands, 0 for other classes.

        Args:
            hand: index of the class; None: there is only one.
        Raises:
            InputError: there are several, and ``hand`` is None.
        """
        rows = outputs[self.rows]
        classes = rows[:, 5] if self.labels is None else outputs[self.labels]
        scores = np.asarray(rows[:, 4], np.float32)
        others = classes[(classes != 0) & (scores > 0)]  # a row that only fills up has a score of 0
        if hand is None and len(others):
            raise InputError(
                f"the detector finds several classes, such as {others[0]:g}: say with hand_class which is the hand."
            )
        return np.where(classes == (hand or 0), scores, np.float32(0))

    def boxes(self, outputs: Sequence[Any], chosen: Indices) -> Array:
        """(M, 4) xyxy in input pixels."""
        return np.asarray(outputs[self.rows][chosen, :4], np.float32)


@dataclass(frozen=True)
class ClassRows:
    """ultralytics before suppression: rows (4 + classes + ..., K) of centre x, y, width, height and class scores."""

    classes: int

    def scores(self, outputs: Sequence[Any], hand: int | None) -> Array:
        """(K,): of the hands, 0 where another class is better."""
        scores = np.asarray(outputs[0][4 : 4 + self.classes], np.float32)
        hand = hand or 0
        return np.where(scores.argmax(0) == hand, scores[hand], np.float32(0))

    def boxes(self, outputs: Sequence[Any], chosen: Indices) -> Array:
        """(M, 4) xyxy in input pixels."""
        return _corners(outputs[0][:4, chosen].T)


@dataclass(frozen=True)
class PlaceRows:
    """YOLOX before suppression: a row for each place of its levels, centre x, y, width, height, objectness and classes.

    height, width: of the input, pixels. classes: their number. decoded: boxes are in input pixels, else as `YOLOX`
    gives them.
    """

    height: int
    width: int
    classes: int
    decoded: bool

    def scores(self, outputs: Sequence[Any], hand: int | None) -> Array:
        """(K,): objectness times that of the hand, whatever those of other classes are."""
        rows = outputs[0]
        return np.asarray(rows[:, BOX_CHANNELS - 1] * rows[:, BOX_CHANNELS + (hand or 0)], np.float32)

    def boxes(self, outputs: Sequence[Any], chosen: Indices) -> Array:
        """(M, 4) xyxy in input pixels."""
        rows = np.asarray(outputs[0][chosen, :4], np.float32)
        if self.decoded:
            return _corners(rows)
        corners, strides = yolox_places(self.height, self.width)
        return np.asarray(decode_boxes(torch.from_numpy(rows), corners[chosen], strides[chosen]), np.float32)


Layout = FinalBoxes | ClassRows | PlaceRows


def yolox_places(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """`places` of YOLOX in an input of that size in pixels."""
    return places([torch.empty(1, 1, height // stride, width // stride) for stride in STRIDES])


def _corners(rows: Any) -> Array:
    """(M, 4): centre x, y, width, height -> xyxy."""
    rows = np.asarray(rows, np.float32)
    return np.concatenate([rows[:, :2] - rows[:, 2:] / 2, rows[:, :2] + rows[:, 2:] / 2], 1)
