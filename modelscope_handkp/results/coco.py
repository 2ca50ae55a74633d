"""Predictions as COCO results: one entry a hand, ready for JSON."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .growing_file import open_growing
from .json_report import Add, Entry, hands_of, to_json

HAND_CATEGORY = 1  # category_id where none is known
DECIMALS = 4  # of a keypoint's numbers
_NUMBER = re.compile(r"(?:COCO_[A-Za-z]+[0-9]*_)?([0-9]{1,18})")  # a file's name in COCO, of 2014 with its split


def coco_entry(
    image_id: Any,
    keypoints: ArrayLike,
    score: float,
    box_xywh: ArrayLike | None = None,
    is_left: bool | None = None,
    track_id: int | None = None,
    category_id: Any = None,
    annotation_id: Any = None,
) -> dict[str, Any]:
    """One hand as an entry of a COCO results file.

    Args:
        image_id: as the annotation file has it.
        keypoints: (21, 3) x, y in image pixels and score.
        score: of the hand.
        box_xywh: (4,) left, top, width and height in image pixels; None leaves ``bbox`` out.
        is_left: whether it is a left hand; None, not known, leaves ``is_left`` out.
        track_id: of the hand in a video; None leaves it out.
        category_id, annotation_id: of the annotated hand that this is a prediction for; None: 1, and left out.
    Returns:
        ``image_id``, ``category_id``, ``bbox`` xywh, ``keypoints`` (63 numbers x, y, score, rounded to 0.0001),
        ``score``, ``is_left``, ``track_id`` and ``annotation_id``.
    """
    entry: dict[str, Any] = {"image_id": image_id, "category_id": HAND_CATEGORY if category_id is None else category_id}
    if box_xywh is not None:
        entry["bbox"] = [float(value) for value in np.asarray(box_xywh)]
    entry["keypoints"] = [round(float(value), DECIMALS) for value in np.asarray(keypoints).ravel()]
    entry["score"] = float(score)
    if is_left is not None:
        entry["is_left"] = bool(is_left)
    if track_id is not None:
        entry["track_id"] = int(track_id)
    if annotation_id is not None:
        entry["annotation_id"] = annotation_id
    return entry


@contextmanager
def coco_report(path: str | Path) -> Iterator[Add]:
    """A function that adds the hands of an entry to the COCO results at ``path``, which pycocotools' ``loadRes`` takes.

    `image_id_of` gives their ``image_id``. An entry without hands, or with an error in their place, leaves no trace.
    `growing_file.open_growing` says what is kept and what is raised.
    """
    with open_growing(path, b"[", first=b"\n", between=b",\n", tail=b"\n]\n") as add:

        def add_hands(entry: Entry) -> None:
            hands = hands_of(entry)
            if hands is not None and len(hands):
                add(b",\n".join(to_json(hand) for hand in hands.to_coco(image_id_of(entry))))

        yield add_hands


def image_id_of(entry: Entry) -> int | str:
    """The ``image_id`` of an entry.

    - Of a frame, its index: of one video a file.
    - Of an image whose file has a number as its name, as in COCO, the number: 397133 for ``000000397133.jpg`` and for
      ``COCO_val2014_000000397133.jpg``.
    - Of another image, the name of the file without its folder, which annotation files have as ``file_name``.
    """
    if "index" in entry:
        return int(entry["index"])
    name = re.split(r"[/\\]", entry["source"].split("?")[0])[-1]
    number = _NUMBER.fullmatch(name.rsplit(".", 1)[0])
    return int(number[1]) if number else name
