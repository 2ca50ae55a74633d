"""Annotation files -> `HandAnnotations`, read entry by entry. Which layout a file has is seen from its entries."""

import dataclasses
import logging
from array import array
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..errors import DatasetError
from ..skeleton import NUM_KEYPOINTS
from . import fields
from .coco_keypoints import HandCategory, read_category, read_hand
from .coco_wholebody import is_person, read_person
from .entries import EMPTY_BOX, NO_HAND, REPEATED, UNKNOWN_SIDE, AnnotatedHand
from .json_stream import iterate_arrays

logger = logging.getLogger(__name__)

ENTRIES = {"images": "image", "annotations": "annotation", "categories": "category"}  # array -> one of its entries
DEFAULT_CATEGORY = 1
WARNED_OF = (EMPTY_BOX, REPEATED, NO_HAND)  # a crowd, or a hand that is not annotated, is no mistake


class AnnotatedImage(NamedTuple):
    """An image that a file lists: its id as written, the file's name, width and height in pixels, 0 if not stated."""

    id: int | str
    file: str
    width: int
    height: int


@dataclasses.dataclass(frozen=True)
class HandAnnotations:
    """The N valid hands of an annotation file, about 450 bytes each, however large the file is.

    Attributes:
        images: the images that have a hand.
        image_index: (N,) which of ``images`` the hand is in.
        boxes_xywh: (N, 4) float64, image pixels.
        keypoints: (N, 21, 3) float32: x, y in image pixels and the annotated confidence.
        is_left: (N,) 1 for the person's left hand, 0 for the right one, -1 where the file does not say.
        areas: (N,) float64: the annotation's ``area`` in square pixels, else that of the box.
        annotation_ids: (N,) as written, None where there is none; both hands of a person have the same.
        category_ids: (N,) as written.
    """

    images: tuple[AnnotatedImage, ...]
    image_index: NDArray[np.int64]
    boxes_xywh: NDArray[np.float64]
    keypoints: Array
    is_left: NDArray[np.int8]
    areas: NDArray[np.float64]
    annotation_ids: NDArray[Any]
    category_ids: NDArray[Any]

    def __len__(self) -> int:
        return len(self.image_index)

    def only(self, keep: NDArray[Any]) -> "HandAnnotations":
        """The hands where ``keep`` (N,) is true, or with those indices, in their order."""
        rows = {
            column.name: getattr(self, column.name)[keep]
            for column in dataclasses.fields(self)
            if column.name != "images"
        }
        return dataclasses.replace(self, **rows)


def read_annotations(ann_file: str | Path) -> HandAnnotations:
    """Read the hands of an annotation file: COCO-WholeBody's layout (`read_person`) or COCO's keypoints (`read_hand`).

    The order is EasyCV's: images as listed, annotations as listed, left before right. An entry that repeats another
    exactly changes nothing. Ids are names: 7, 7.0 and "7" are the same.

    Raises:
        MissingFileError: no such file.
        DatasetError: broken JSON; an entry that cannot be used, with its key and value; an id that stands for two
            images; no valid hand at all, with the reasons and how often each occurs.
    """
    columns = _Columns()
    for array_name, entry in iterate_arrays(ann_file, tuple(ENTRIES), required=("images", "annotations")):
        try:
            if not isinstance(entry, dict):
                raise ValueError("it is not an object")
            columns.add(array_name, entry)
        except ValueError as error:
            where = repr(entry.get("id")) if isinstance(entry, dict) else repr(entry)
            raise DatasetError(
                f"{ann_file}: {ENTRIES[array_name]} {where[: fields.SHOWN]} cannot be used: {error}."
            ) from None
    return columns.hands(str(ann_file))


class _Columns:
    """The hands read so far, a column for each of their properties."""

    def __init__(self) -> None:
        self.images: dict[int | str, AnnotatedImage] = {}
        self.categories: dict[int | str, HandCategory] = {}
        self.image_ids: dict[int | str, int] = {}  # of annotations -> its number in image_codes
        self.image_codes, self.is_left = array("q"), array("b")
        self.boxes, self.keypoints, self.areas = array("d"), array("f"), array("d")
        self.annotation_ids: list[Any] = []
        self.category_ids: list[Any] = []
        self.seen: set[int] = set()
        self.annotations = 0
        self.left_out: Counter[str] = Counter()

    def add(self, array_name: str, entry: dict[str, Any]) -> None:
        """Add an entry; a ValueError says what is wrong with it."""
        if array_name == "annotations":
            self._add_annotation(entry)
        elif array_name == "images":
            self._add_image(entry)
        else:
            category, key = read_category(entry), fields.same_id(fields.identifier(entry, "id"))
            if self.categories.setdefault(key, category)[1:] != category[1:]:  # what they say of their hands
                raise ValueError(f"its id stands for {self.categories[key].name!r}, too, not only {category.name!r}")

    def _add_image(self, entry: dict[str, Any]) -> None:
        size = (fields.side_length(entry, "width"), fields.side_length(entry, "height"))
        image = AnnotatedImage(fields.identifier(entry, "id"), fields.text(entry, "file_name"), *size)
        before = self.images.setdefault(fields.same_id(image.id), image)
        if before[1:] != image[1:]:
            two = " and ".join(f"{each.file} ({each.width} x {each.height})" for each in (before, image))
            raise ValueError(f"its id stands for two images, {two}")

    def _add_annotation(self, entry: dict[str, Any]) -> None:
        self.annotations += 1
        hands: Iterable[AnnotatedHand | str] = [NO_HAND]
        if is_person(entry):
            hands = read_person(entry)
        elif "keypoints" in entry:
            hands = [read_hand(entry)]
        for hand in hands:
            if isinstance(hand, str):
                self.left_out[hand] += 1
            else:
                self._add_hand(entry, hand)

    def _add_hand(self, entry: dict[str, Any], hand: AnnotatedHand) -> None:
        image_id = fields.same_id(fields.identifier(entry, "image_id"))
        code = self.image_ids.setdefault(image_id, len(self.image_ids))
        own_id = fields.identifier(entry, "id") if entry.get("id") is not None else None
        has_category = entry.get("category_id") is not None
        category = fields.identifier(entry, "category_id") if has_category else DEFAULT_CATEGORY
        identity = hash((code, own_id, category, hand.is_left, hand.box.tobytes(), hand.keypoints.tobytes()))
        if identity in self.seen:
            self.left_out[REPEATED] += 1
            return
        self.seen.add(identity)
        self.image_codes.append(code)
        self.is_left.append(hand.is_left)
        self.boxes.extend(hand.box)
        self.keypoints.extend(hand.keypoints.tolist())
        self.areas.append(hand.area)
        self.annotation_ids.append(own_id)
        self.category_ids.append(category)

    def hands(self, ann_file: str) -> HandAnnotations:
        """Everything read, in the order of the images."""
        if not self.image_codes:
            raise DatasetError(f"{ann_file} has no valid hand: {self._reasons(self.left_out)}.")
        warned = {reason: self.left_out[reason] for reason in WARNED_OF if self.left_out[reason]}
        if warned:
            logger.warning("%s: hands are left out: %s.", ann_file, self._reasons(warned))
        missing = [key for key in self.image_ids if key not in self.images]
        if missing:
            raise DatasetError(
                f"{ann_file}: annotations of {len(missing)} images that it does not list, such as {missing[0]!r}."
            )
        return self._in_order()

    def _reasons(self, counts: dict[str, int]) -> str:
        """Why hands are left out, with counts."""
        if not self.annotations:
            return "it has no annotation"
        counted = ", ".join(f"{count} {reason}" for reason, count in counts.items())
        return f"of the hands of {self.annotations} annotations {counted}"

    def _in_order(self) -> HandAnnotations:
        place = {key: index for index, key in enumerate(self.images)}
        place_of_code = np.array([place[key] for key in self.image_ids], np.int64)
        places = place_of_code[np.frombuffer(self.image_codes, np.int64)]
        used, image_index = np.unique(places, return_inverse=True)
        images = list(self.images.values())
        hands = HandAnnotations(
            tuple(images[index] for index in used),
            image_index.reshape(-1),
            np.frombuffer(self.boxes, np.float64).reshape(-1, 4),
            np.frombuffer(self.keypoints, np.float32).reshape(-1, NUM_KEYPOINTS, 3),
            np.frombuffer(self.is_left, np.int8),
            np.frombuffer(self.areas, np.float64),
            _objects(self.annotation_ids),
            _objects(self.category_ids),
        )
        self._apply_categories(hands)
        return hands.only(np.argsort(places, kind="stable"))

    def _apply_categories(self, hands: HandAnnotations) -> None:
        """Set the sides that are known by category alone, and our order of the keypoints."""
        telling = {key: kind for key, kind in self.categories.items() if kind[1:] != HandCategory()[1:]}
        for hand, number in enumerate(self.category_ids if telling else ()):
            kind = telling.get(fields.same_id(number), HandCategory())
            hands.keypoints[hand] = hands.keypoints[hand][list(kind.order)]
            if hands.is_left[hand] == UNKNOWN_SIDE:
                hands.is_left[hand] = kind.is_left


def _objects(values: list[Any]) -> NDArray[Any]:
    """Values as they are, in an array."""
    column = np.empty(len(values), object)
    column[:] = values
    return column
