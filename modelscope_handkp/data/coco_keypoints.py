"""The hand of one annotation of a COCO keypoint file: ``bbox`` and 63 numbers ``keypoints``.

This is what CVAT and labelme's exporters write and what mmpose's hand sets (OneHand10K, FreiHAND, RHD) have. A category
may name the side, and the order of the keypoints.
"""

import logging
import math
import re
from array import array
from collections.abc import Mapping
from typing import Any, NamedTuple

from ..skeleton import NUM_KEYPOINTS
from . import fields
from .entries import (
    CROWD,
    EMPTY_BOX,
    LEFT,
    OTHER_BODY,
    RIGHT,
    UNKNOWN_SIDE,
    UNMARKED,
    AnnotatedHand,
    IgnoredHand,
)
from .keypoint_order import OUR_ORDER, are_known, keypoint_order

logger = logging.getLogger(__name__)

NO_MARK = array("d", [0.0] * (3 * NUM_KEYPOINTS))
SIDE_WORDS = {LEFT: re.compile("(?<![a-z])left|左"), RIGHT: re.compile("(?<![a-z])right|右")}  # not "bright"
ASSUMED = "taken to be wrist, thumb, forefinger, middle, ring and little finger, each from the palm to the tip"


class HandCategory(NamedTuple):
    """What a category says of its hands.

    Attributes:
        name: as the file has it.
        is_left: `LEFT`, `RIGHT` or unknown.
        order: (21,) where each of our keypoints lies among those of the file.
    """

    name: str = ""
    is_left: int = UNKNOWN_SIDE
    order: tuple[int, ...] = OUR_ORDER


def read_hand(annotation: Mapping[str, Any]) -> AnnotatedHand | IgnoredHand | str:
    """The hand, its keypoints as the file orders them, or why it is left out.

    A hand counts when it is no crowd, a keypoint's third number is above 0, ``num_keypoints`` is not 0 and its box is
    not empty.

    Raises:
        ValueError: a field that cannot be used, named.
    """
    is_crowd, values = fields.flag(annotation, "iscrowd"), annotation["keypoints"]
    if is_crowd and not (values and annotation.get("bbox")):
        return CROWD
    if isinstance(values, list) and values and len(values) % 3 == 0 and not isinstance(values[0], list):
        if len(values) != len(NO_MARK):
            return OTHER_BODY
        values = _without_unmarked(values)
    keypoints = fields.numbers({"keypoints": values}, "keypoints", len(NO_MARK)) if values else NO_MARK
    box = fields.numbers(annotation, "bbox", 4, cut=True)
    is_marked = max(keypoints[2::3]) > 0 and annotation.get("num_keypoints") != 0
    area = fields.number(annotation, "area")
    if is_crowd or not is_marked:
        return IgnoredHand(CROWD if is_crowd else UNMARKED, box, keypoints, area)
    if box[2] <= 0 or box[3] <= 0:
        return EMPTY_BOX
    return AnnotatedHand(box, keypoints, area if area > 0 else box[2] * box[3], _side(annotation))


def _without_unmarked(values: list[Any]) -> list[Any]:
    """Keypoints in which those of mark 0 are at 0, 0: some tools write NaN or null there."""
    if not any(value is None or (isinstance(value, float) and math.isnan(value)) for value in values):
        return values
    triples = (values[place : place + 3] for place in range(0, len(values), 3))
    return [value for triple in triples for value in (triple if triple[2] else (0.0, 0.0, 0.0))]


def _side(annotation: Mapping[str, Any]) -> int:
    """As this package writes it, or mmpose's sets."""
    if "is_left" in annotation:
        return LEFT if fields.flag(annotation, "is_left") else RIGHT
    return {"left": LEFT, "right": RIGHT}.get(str(annotation.get("hand_type")).lower(), UNKNOWN_SIDE)


def read_category(entry: Mapping[str, Any]) -> HandCategory:
    """What an entry of ``categories`` says.

    Raises:
        ValueError: a field that cannot be used, named.
    """
    name = fields.text(entry, "name") if entry.get("name") else ""
    sides = [side for side, word in SIDE_WORDS.items() if word.search(name.lower())]
    names = entry.get("keypoints") or ()
    if not isinstance(names, (list, tuple)):
        raise ValueError(f"'keypoints' must be a list of names, got {repr(names)[: fields.SHOWN]}")
    order = OUR_ORDER
    if len(names) == NUM_KEYPOINTS:  # a category of a body has others
        order = keypoint_order(names)
        if not are_known(names):
            logger.warning("category %r names its keypoints %s: %s.", name, ", ".join(map(str, names)), ASSUMED)
    return HandCategory(name, sides[0] if len(sides) == 1 else UNKNOWN_SIDE, order)
