"""The hand of one annotation of a COCO keypoint file: ``bbox`` and 63 numbers ``keypoints``.

This is what CVAT and labelme's exporters write and what mmpose's hand sets (OneHand10K, FreiHAND, RHD) have. A category
may name the side, and the order of the keypoints.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from ..skeleton import FINGERS, NUM_KEYPOINTS
from . import fields
from .entries import CROWD, EMPTY_BOX, LEFT, RIGHT, UNKNOWN_SIDE, UNMARKED, AnnotatedHand

logger = logging.getLogger(__name__)

OUR_ORDER = tuple(range(NUM_KEYPOINTS))
SIDE_WORDS = {LEFT: ("left", "左"), RIGHT: ("right", "右")}
_FINGER_WORDS = (("thumb",), ("forefinger", "fore", "index"), ("middle",), ("ring",), ("pinky", "little"))
# the four joints of a finger as files name them: by number, or by their anatomical names
_JOINT_WORDS = (("1", "cmc", "mcp"), ("2", "mcp", "pip"), ("3", "ip", "dip"), ("4", "tip", "tip"))
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


def read_hand(annotation: Mapping[str, Any]) -> AnnotatedHand | str:
    """The hand, its keypoints as the file orders them, or why it is left out.

    A hand counts when it is no crowd, a keypoint's third number is above 0 and its box is not empty.

    Raises:
        ValueError: a field that cannot be used, named.
    """
    if fields.flag(annotation, "iscrowd"):
        return CROWD
    keypoints = fields.numbers(annotation, "keypoints", 3 * NUM_KEYPOINTS)
    box = fields.numbers(annotation, "bbox", 4, cut=True)
    if max(keypoints[2::3]) <= 0:
        return UNMARKED
    if box[2] <= 0 or box[3] <= 0:
        return EMPTY_BOX
    area = fields.number(annotation, "area")
    is_left = UNKNOWN_SIDE
    if "is_left" in annotation:  # as this package writes it
        is_left = LEFT if fields.flag(annotation, "is_left") else RIGHT
    return AnnotatedHand(box, keypoints, area if area > 0 else box[2] * box[3], is_left)


def read_category(entry: Mapping[str, Any]) -> HandCategory:
    """What an entry of ``categories`` says.

    Raises:
        ValueError: a field that cannot be used, named.
    """
    name = fields.text(entry, "name") if "name" in entry else ""
    sides = [side for side, words in SIDE_WORDS.items() if any(word in name.lower() for word in words)]
    names = entry.get("keypoints") or ()
    if not isinstance(names, (list, tuple)):
        raise ValueError(f"'keypoints' must be a list of names, got {repr(names)[: fields.SHOWN]}")
    order: tuple[int, ...] | None = OUR_ORDER
    if len(names) == NUM_KEYPOINTS:  # a category of a body has others
        order = keypoint_order(names)
        if order is None:
            logger.warning(
                "category %r names its keypoints %s: taken to be wrist, thumb, forefinger, middle, ring and little "
                "finger, each from the palm to the tip.",
                name,
                ", ".join(map(str, names)),
            )
    return HandCategory(name, sides[0] if len(sides) == 1 else UNKNOWN_SIDE, order or OUR_ORDER)


def keypoint_order(names: Sequence[Any]) -> tuple[int, ...] | None:
    """Where each of our 21 keypoints lies among ``names``; None where these are not 21 that are known.

    Known are names such as ``wrist``, ``forefinger2``, ``left_index2``, ``INDEX_FINGER_PIP`` and ``little_tip``.
    """
    places = [_place(name) for name in names]
    if sorted(place for place in places if place is not None) != list(OUR_ORDER) or len(places) != NUM_KEYPOINTS:
        return None
    return tuple(places.index(place) for place in OUR_ORDER)


def _place(name: Any) -> int | None:
    """Which of our keypoints a name means."""
    words = re.sub(r"left|right|hand|[^a-z0-9]", "", str(name).lower())
    if words in ("wrist", "root"):
        return 0
    match = _NAME.fullmatch(words)
    if not match:
        return None
    for finger, finger_words in enumerate(_FINGER_WORDS):
        if match[1] in finger_words:
            for joint, (number, of_thumb, of_others) in enumerate(_JOINT_WORDS):
                if match[2] in (number, of_thumb if FINGERS[finger] == "thumb" else of_others):
                    return 1 + finger * len(_JOINT_WORDS) + joint
    return None
