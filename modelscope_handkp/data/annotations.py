"""Annotation files -> `HandAnnotations`, read entry by entry. Which layout a file has is seen from its entries."""

import dataclasses
import logging
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..errors import DatasetError
from ..skeleton import JOINTS_PER_FINGER, NUM_KEYPOINTS
from . import fields
from .coco_keypoints import HandCategory, read_category, read_hand
from .coco_wholebody import is_person, read_person
from .entries import CROWD, EMPTY_BOX, NO_HAND, OTHER_BODY, REPEATED, UNKNOWN_SIDE, AnnotatedHand, IgnoredHand
from .json_stream import iterate_arrays
from .plausible import warn_of_doubtful

logger = logging.getLogger(__name__)

ENTRIES = {"images": "image", "annotations": "annotation", "categories": "category"}  # array -> one of its entries
INFO = "info"
# mmpose's RHD names its keypoints in our order and holds each finger's from the tip to the palm, as its rhd2d.py says
FROM_TIP_TO_PALM = "RHD"
DEFAULT_CATEGORY = 1
WARNED_OF = (EMPTY_BOX, REPEATED, NO_HAND, OTHER_BODY)  # a crowd, or a hand that is not annotated, is no mistake


class IgnoredRegion(NamedTuple):
    """A crowd or a hand without keypoints, for `oks.average_precision`; coordinates in image pixels.

    keypoints: (21, 3) x, y and mark. box_xywh: (4,).
    """

    category_id: Any
    keypoints: NDArray[np.float64]
    box_xywh: NDArray[np.float64]
    area: float
    is_crowd: bool


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
        ignored: of each image, what COCO's average precision ignores in it; an image without any has no entry.
    """

    images: tuple[AnnotatedImage, ...]
    image_index: NDArray[np.int64]
    boxes_xywh: NDArray[np.float64]
    keypoints: Array
    is_left: NDArray[np.int8]
    areas: NDArray[np.float64]
    annotation_ids: NDArray[Any]
    category_ids: NDArray[Any]
    ignored: dict[int, list[IgnoredRegion]]

    def __len__(self) -> int:
        return len(self.image_index)

    def only(self, keep: NDArray[Any]) -> "HandAnnotations":
        """The hands where ``keep`` (N,) is true, or with those indices, in their order."""
        rows = {
            column.name: getattr(self, column.name)[keep]
            for column in dataclasses.fields(self)
            if column.name not in ("images", "ignored")
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
    numbers = Counter[str]()
    required = ("images", "annotations")
    for array_name, entry in iterate_arrays(ann_file, tuple(ENTRIES), required=required, whole=(INFO,)):
        if array_name == INFO:
            columns.from_tip = isinstance(entry, dict) and entry.get("description") == FROM_TIP_TO_PALM
            continue
        numbers[array_name] += 1
        try:
            if not isinstance(entry, dict):
                raise ValueError("it is not an object")
            columns.add(array_name, entry)
        except ValueError as error:
            name = entry.get("id") if isinstance(entry, dict) else entry
            shown = f"number {numbers[array_name]} of its list" if name is None else repr(name)[: fields.SHOWN]
            raise DatasetError(f"{ann_file}: {ENTRIES[array_name]} {shown} cannot be used: {error}.") from None
    hands = columns.hands(str(ann_file))
    warn_of_doubtful(str(ann_file), hands.images, hands.image_index, hands.boxes_xywh, hands.keypoints)
    return hands


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
        self.ignored: dict[int | str, list[IgnoredRegion]] = defaultdict(list)
        self.seen: set[int] = set()
        self.annotations = 0
        self.from_tip = False  # whether the fingers' keypoints run from the tip to the palm
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
        file = fields.text(entry, "file_name").replace("\\", "/")  # written on Windows
        image = AnnotatedImage(fields.identifier(entry, "id"), file, *size)
        key = fields.same_id(image.id)
        before = self.images.setdefault(key, image)
        if before.file != image.file or (all(size) and all(before[2:]) and before[2:] != size):
            two = " and ".join(f"{each.file} ({each.width} x {each.height})" for each in (before, image))
            raise ValueError(f"its id stands for two images, {two}")
        if not all(before[2:]):
            self.images[key] = image._replace(id=before.id)

    def _add_annotation(self, entry: dict[str, Any]) -> None:
        self.annotations += 1
        hands: Iterable[AnnotatedHand | IgnoredHand | str] = [NO_HAND]
        if is_person(entry):
            hands = read_person(entry)
        elif "keypoints" in entry:
            hands = [read_hand(entry)]
        for hand in hands:
            if isinstance(hand, AnnotatedHand):
                self._add_hand(entry, hand)
            else:
                self.left_out[hand if isinstance(hand, str) else hand.reason] += 1
            if isinstance(hand, IgnoredHand):
                self._add_ignored(entry, hand)

    def _add_ignored(self, entry: dict[str, Any], hand: IgnoredHand) -> None:
        keypoints, box = np.array(hand.keypoints).reshape(-1, 3), np.array(hand.box)
        region = IgnoredRegion(_category(entry), keypoints, box, hand.area, hand.reason == CROWD)
        self.ignored[fields.same_id(fields.identifier(entry, "image_id"))].append(region)

    def _add_hand(self, entry: dict[str, Any], hand: AnnotatedHand) -> None:
        image_id = fields.same_id(fields.identifier(entry, "image_id"))
        code = self.image_ids.setdefault(image_id, len(self.image_ids))
        own_id = fields.identifier(entry, "id") if entry.get("id") is not None else None
        category = _category(entry)
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
            self._ignored_in({int(index): number for number, index in enumerate(used)}, place),
        )
        self._apply_categories(hands)
        if self.from_tip:
            fingers = hands.keypoints[:, 1:].reshape(len(hands), -1, JOINTS_PER_FINGER, 3)
            hands.keypoints[:, 1:] = fingers[:, :, ::-1].reshape(len(hands), -1, 3)
        return hands.only(np.argsort(places, kind="stable"))

    def _ignored_in(self, number: dict[int, int], place: dict[int | str, int]) -> dict[int, list[IgnoredRegion]]:
        """What is ignored in the images that have a hand, by their number."""
        there = {key: number[place[key]] for key in self.ignored if key in place and place[key] in number}
        return {there[key]: regions for key, regions in self.ignored.items() if key in there}

    def _apply_categories(self, hands: HandAnnotations) -> None:
        """Set the sides that are known by category alone, and our order of the keypoints."""
        unknown = sum(fields.same_id(number) not in self.categories for number in self.category_ids)
        if self.categories and unknown:
            logger.warning("%d hands have a category that the file does not list: their side is not known.", unknown)
        telling = {key: kind for key, kind in self.categories.items() if kind[1:] != HandCategory()[1:]}
        for hand, number in enumerate(self.category_ids if telling else ()):
            kind = telling.get(fields.same_id(number), HandCategory())
            hands.keypoints[hand] = hands.keypoints[hand][list(kind.order)]
            if hands.is_left[hand] == UNKNOWN_SIDE:
                hands.is_left[hand] = kind.is_left


def _category(entry: dict[str, Any]) -> int | str:
    has_one = entry.get("category_id") is not None
    return fields.identifier(entry, "category_id") if has_one else DEFAULT_CATEGORY


def _objects(values: list[Any]) -> NDArray[Any]:
    """Values as they are, in an array."""
    column = np.empty(len(values), object)
    column[:] = values
    return column
