"""What the layouts of annotation files have in common: a hand as it is read, and why one is left out."""

from array import array
from typing import NamedTuple

LEFT, RIGHT, UNKNOWN_SIDE = 1, 0, -1  # of `AnnotatedHand.is_left`

CROWD = "have iscrowd"
INVALID = "have no true lefthand_valid or righthand_valid"
UNMARKED = "have no keypoint that is marked (a third number above 0)"
EMPTY_BOX = "have an empty box"
NO_HAND = "have neither COCO-WholeBody's hands nor keypoints"
OTHER_BODY = "have another number of keypoints than a hand's 21"
REPEATED = "repeat another"


class IgnoredHand(NamedTuple):
    """A hand that is left out, beside which COCO's average precision counts no prediction as false.

    reason: `CROWD` or `UNMARKED`; box, keypoints and area as in `AnnotatedHand`.
    """

    reason: str
    box: "array[float]"
    keypoints: "array[float]"
    area: float


class AnnotatedHand(NamedTuple):
    """A hand in image pixels: box xywh, 21 times x, y and mark, area in pixels, and `LEFT`, `RIGHT` or unknown."""

    box: "array[float]"
    keypoints: "array[float]"
    area: float
    is_left: int
