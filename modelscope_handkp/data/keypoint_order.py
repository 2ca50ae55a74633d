"""In which order an annotation file has its keypoints, from the names that it gives them."""

import re
from collections.abc import Sequence
from typing import Any

from ..skeleton import JOINTS_PER_FINGER, KEYPOINT_NAMES, NUM_KEYPOINTS

OUR_ORDER = tuple(range(NUM_KEYPOINTS))
SHOWN = 200  # characters of the names in an error
_WRIST = -1  # in place of a finger
_FINGER_WORDS = (("thumb",), ("forefinger", "fore", "index"), ("middle",), ("ring",), ("pinky", "little"))
# the joints of a finger, and of a thumb whose names are those of anatomy
_JOINT_WORDS, _THUMB_WORDS = ("mcp", "pip", "dip", "tip"), ("cmc", "mcp", "ip", "tip")
_NAME = re.compile(r"([a-z]+?)(?:finger)?(\d|cmc|mcp|pip|ip|dip|tip)")


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
        shown = ", ".join(map(str, names))[:SHOWN]
        raise ValueError(
            f"the order of its keypoints, {shown}, is not understood: name them {', '.join(KEYPOINT_NAMES)}"
        )
    return OUR_ORDER


def are_known(names: Sequence[Any]) -> bool:
    """Whether any of the names says which keypoint it is; a number does not."""
    return any(place is not None for place in _places(names))


def _numbered(names: Sequence[Any]) -> list[int | None] | None:
    """The places that numbers from 0 or 1 mean; None where the names are no such numbers."""
    if not all(str(name).isdecimal() and len(str(name)) < SHOWN for name in names):
        return None
    numbers = [int(str(name)) for name in names]
    first = min(numbers)
    return [number - first for number in numbers] if first in (0, 1) else None


def _places(names: Sequence[Any]) -> list[int | None]:
    """Which of our keypoints each name means; None for one that is not known."""
    parsed = [_parsed(name) for name in names]
    known = [each for each in parsed if each is not None]
    is_anatomy = any(finger == 0 and joint in ("cmc", "ip") for finger, joint in known)
    first = 0 if any(joint == "0" for _, joint in known) else 1

    def place(finger: int, joint: str) -> int | None:
        if finger == _WRIST:
            return 0
        words = _THUMB_WORDS if finger == 0 and is_anatomy else _JOINT_WORDS
        number = int(joint) - first if joint.isdigit() else words.index(joint) if joint in words else -1
        return 1 + finger * JOINTS_PER_FINGER + number if 0 <= number < JOINTS_PER_FINGER else None

    return [None if each is None else place(*each) for each in parsed]


def _parsed(name: Any) -> tuple[int, str] | None:
    """A name -> finger, or `_WRIST`, and joint."""
    words = re.sub(r"^[lr]_|left|right|hand|[^a-z0-9]", "", str(name).lower())
    if words in ("wrist", "root"):
        return _WRIST, ""
    match = _NAME.fullmatch(words)
    fingers = [finger for finger, known in enumerate(_FINGER_WORDS) if match and match[1] in known]
    return (fingers[0], match[2]) if match and fingers else None
