"""Where hands are looked for in a frame: in the boxes of those that are followed, and in those that a detector adds."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..geometry.boxes import iou

SAME_IOU = 0.3  # of a detected box and a followed one, from which on both are of one hand
LIKE_IOU = 0.8  # of these, from which on a look at the one says all
UNSEEN_SHARE = 0.7  # of its score that a hand keeps when the detector does not see it


class Places(NamedTuple):
    """Boxes in which hands are looked for.

    boxes (N, 4) xyxy, image pixels, and scores (N,): one for each hand, of which the first ``followed`` are tracked.
    others (M, 4): second boxes, of the hands with indices ``owners`` (M,).
    """

    boxes: Array
    scores: Array
    followed: int
    others: Array
    owners: NDArray[np.intp]


def places(boxes: Array, scores: Array, found: Array | None = None, found_scores: Array | None = None) -> Places:
    """The boxes (N, 4) that are followed, and after them those that were detected of other hands.

    A followed box takes the score of the detected one of its hand; without one it loses some of its own.

    Args:
        scores: (N,). found: (M, 4) and found_scores: (M,) of the detector; None where it did not run.
    """
    nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.intp)
    if found is None or found_scores is None:
        return Places(boxes, scores, len(boxes), *nothing)
    if not len(boxes) or not len(found):
        all_scores = np.concatenate([scores * UNSEEN_SHARE, found_scores])
        return Places(np.concatenate([boxes, found]), all_scores, len(boxes), *nothing)
    overlap = iou(boxes, found)
    owners, overlaps = overlap.argmax(axis=0), overlap.max(axis=0)
    same, other = overlaps >= SAME_IOU, (overlaps >= SAME_IOU) & (overlaps < LIKE_IOU)
    scores = scores * np.float32(UNSEEN_SHARE)
    np.maximum.at(scores, owners[same], found_scores[same])
    all_scores = np.concatenate([scores, found_scores[~same]])
    return Places(np.concatenate([boxes, found[~same]]), all_scores, len(boxes), found[other], owners[other])
