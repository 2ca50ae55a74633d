"""`Hands`: what a picture holds. The result of the whole way."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from .arrays import Array
from .errors import InputError
from .skeleton import NUM_KEYPOINTS


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==
class Hands:
    """The N hands of one picture, best first where a detector found them.

    Attributes:
        keypoints: (N, 21, 3) float32: x, y in picture pixels and score, in the order of `hand.KEYPOINT_NAMES`.
        boxes: (N, 4) float32 xyxy, picture pixels, clipped to the picture: as given, as detected, or moved to the
            keypoints (`confirm.loose_boxes`).
        scores: (N,) float32, of the boxes; 1 for given boxes.
    Raises:
        InputError: shapes that disagree.
    """

    keypoints: Array
    boxes: Array
    scores: Array

    def __post_init__(self) -> None:
        count = len(np.atleast_1d(self.keypoints))
        expected = {"keypoints": (count, NUM_KEYPOINTS, 3), "boxes": (count, 4), "scores": (count,)}
        for name, shape in expected.items():
            array = np.array(getattr(self, name), np.float32)
            if array.shape != shape:
                raise InputError(f"Hands.{name} must have shape {shape}, got {array.shape}.")
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    @classmethod
    def empty(cls) -> "Hands":
        """No hand: shapes (0, 21, 3), (0, 4), (0,)."""
        return cls(*(np.zeros(shape, np.float32) for shape in ((0, NUM_KEYPOINTS, 3), (0, 4), (0,))))

    def __len__(self) -> int:
        return len(self.scores)

    def to_list(self) -> list[dict[str, Any]]:
        """One dict of plain numbers a hand, for JSON: ``box`` xyxy, ``score``, ``keypoints`` 21 x (x, y, score)."""
        return [
            {"box": box.tolist(), "score": float(score), "keypoints": keypoints.tolist()}
            for keypoints, box, score in zip(self.keypoints, self.boxes, self.scores)
        ]
