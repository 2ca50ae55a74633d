"""Predictions as COCO results: one entry a hand, ready for JSON."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

HAND_CATEGORY = 1  # category_id where none is known
DECIMALS = 4  # of a keypoint's numbers


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
