"""The hands of one annotation of a COCO-WholeBody file: a person with two hands."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..skeleton import NUM_KEYPOINTS
from . import fields
from .entries import CROWD, EMPTY_BOX, INVALID, UNMARKED, AnnotatedHand

SIDES = ("left", "right")  # the order of the samples of one person
KEYS = frozenset(f"{side}hand_{key}" for side in SIDES for key in ("valid", "box", "kpts"))


def is_person(annotation: Mapping[str, Any]) -> bool:
    """Whether an annotation has a key of this layout."""
    return not KEYS.isdisjoint(annotation)


def read_person(annotation: Mapping[str, Any]) -> Iterator[AnnotatedHand | str]:
    """Each hand, the left before the right, or why it is left out.

    A hand counts when its person is no crowd, ``{side}hand_valid`` is true, its box is not empty and a value of
    ``{side}hand_kpts`` is above 0.

    Raises:
        ValueError: a field that cannot be used, named.
    """
    if fields.flag(annotation, "iscrowd"):
        yield CROWD
        return
    for side in SIDES:
        if not fields.flag(annotation, f"{side}hand_valid"):
            yield INVALID
            continue
        box = fields.numbers(annotation, f"{side}hand_box", 4, cut=True)
        keypoints = fields.numbers(annotation, f"{side}hand_kpts", 3 * NUM_KEYPOINTS)
        if max(keypoints) <= 0:
            yield UNMARKED
        elif box[2] <= 0 or box[3] <= 0:
            yield EMPTY_BOX
        else:
            yield AnnotatedHand(box, keypoints, box[2] * box[3], int(side == "left"))
