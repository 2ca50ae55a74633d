"""The hand of one annotation of a COCO keypoint file: ``bbox`` and 63 numbers ``keypoints``.

This is what CVAT and labelme's exporters write and what mmpose's hand sets (OneHand10K, FreiHAND, RHD) have. A category
may name the side, and the order of the keypoints.
"""

import logging
import math
import re
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..skeleton import KEYPOINT_NAMES, NUM_KEYPOINTS
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

logger = logging.getLogger(__name__)

OUR_ORDER = tuple(range(NUM_KEYPOINTS))
NO_MARK = array("d", [0.0] * (3 * NUM_KEYPOINTS))
SIDE_WORDS = {LEFT: re.compile("(?<![a-z])left|左"), RIGHT: re.compile("(?<![a-z])right|右")}  # not "bright"
SHOWN_NAMES = 200  # characters
ASSUMED = "taken to be wrist, thumb, forefinger, middle, ring and little finger, each from the palm to the tip"
_FINGER_WORDS = (("thumb",), ("forefinger", "fore", "index"), ("middle",), ("ring",), ("pinky", "little"))
# the four joints of a finger as files name them beside numbers
_JOINT_WORDS = ("mcp", "pip", "dip", "tip")
_THUMB_WORDS = ("cmc", "mcp", "ip", "tip")
_NAME = re.compile(r"([a-z]+?)(?:finger)?(\d|cmc|mcp|pip|ip|dip|tip)")


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
        if order == OUR_ORDER and not any(_places(names)):
            logger.warning("category %r names its keypoints %s: %s.", name, ", ".join(map(str, names)), ASSUMED)
    return HandCategory(name, sides[0] if len(sides) == 1 else UNKNOWN_SIDE, order)


def keypoint_order(names: Sequence[Any]) -> tuple[int, ...]:
    """Where each of our 21 keypoints lies among 21 ``names``; our own order where none is known.

    Known are names such as ``wrist``, ``forefinger2``, ``left_index2``, ``INDEX_FINGER_PIP``, ``r_thumb4`` and
    ``little-tip``, and the numbers from 0 or 1.

    Raises:
        ValueError: some are known, and they are not in our order.
    """
    places = _numbered(names) or _places(names)
    if sorted(place for place in places if place is not None) == list(OUR_ORDER):
        return tuple(places.index(place) for place in OUR_ORDER)
    if any(place not in (None, position) for position, place in enumerate(places)):
        shown = ", ".join(map(str, names))[:SHOWN_NAMES]
        raise ValueError(
            f"the order of its keypoints, {shown}, is not understood: name them {', '.join(KEYPOINT_NAMES)}"
        )
    return OUR_ORDER


def _numbered(names: Sequence[Any]) -> list[int | None] | None:
    """The places that numbers from 0 or 1 mean; None where the names are no such numbers."""
    if not all(str(name).isdecimal() and len(str(name)) < SHOWN_NAMES for name in names):
        return None
    numbers = [int(str(name)) for name in names]
    first = min(numbers)
    return [number - first for number in numbers] if first in (0, 1) else None


def _places(names: Sequence[Any]) -> list[int | None]:
    """Which of our keypoints each name means; None for one that is not known."""
    parsed = [_parsed(name) for name in names]
    joints = {joint for finger, joint in filter(None, parsed) if finger == 0}
    words = dict(enumerate(_JOINT_WORDS))
    thumb_words = _THUMB_WORDS if joints & {"cmc", "ip"} else _JOINT_WORDS
    first = 0 if any(joint == "0" for _, joint in filter(None, parsed)) else 1
    places: list[int | None] = []
    for name in parsed:
        if name is None or name[0] < 0:
            places.append(None if name is None else 0)
            continue
        finger, joint = name
        known = thumb_words if finger == 0 else _JOINT_WORDS
        number = int(joint) - first if joint.isdigit() else known.index(joint) if joint in known else -1
        places.append(1 + finger * len(words) + number if 0 <= number < len(words) else None)
    return places


def _parsed(name: Any) -> tuple[int, str] | None:
    """A name -> finger (-1 for the wrist) and joint."""
    words = re.sub(r"^[lr]_|left|right|hand|[^a-z0-9]", "", str(name).lower())
    if words in ("wrist", "root"):
        return -1, ""
    match = _NAME.fullmatch(words)
    fingers = [finger for finger, known in enumerate(_FINGER_WORDS) if match and match[1] in known]
    return (fingers[0], match[2]) if match and fingers else None
