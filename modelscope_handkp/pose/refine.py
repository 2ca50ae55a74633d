"""What keypoints say of the box that they were found in: whether it holds a hand, of its own and well localised."""

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..geometry.boxes import clip_boxes, iou

MAX_CANDIDATES = 16  # boxes of an image that are looked at, where a threshold decides which of them are hands
SCORE_POWER = 0.25  # of a box score in the confidence of a hand: the network that sees the crop knows better
CONFIRMED_SHARE = 0.8  # of the threshold of a hand's confidence, from which on one view confirms it
SAME_DISTANCE = 0.2  # of the smaller box's longer side: keypoints nearer than that coincide, as for PCK@0.2
SAME_SHARE = 0.3  # of the keypoints that coincide, from which on two boxes are about one hand
PLAUSIBLE_MEAN = 0.2  # keypoint score from which on keypoints say where their hand is
LOCALISED_IOU = 0.6  # of a box and the one around its keypoints, below which it is poorly localised
MARGIN = 0.06  # of the longer side of the keypoints' extent: how far a hand reaches beyond them


def confidence(keypoints: Array, scores: Array) -> Array:
    """(N,): how sure it is that there is a hand, from keypoints (N, 21, 3) and the scores (N,) of their boxes.

    Heatmaps stay low where there is no hand, so it is score ** `SCORE_POWER` times the mean score of the keypoints.
    (COCO's evaluations of top-down networks take the score itself; the lower power keeps more hands and as few false
    ones.) Scores below 0 count as 0.
    """
    return np.asarray(np.clip(scores, 0, None) ** SCORE_POWER * mean_scores(keypoints), np.float32)


def mean_scores(keypoints: Array) -> Array:
    """(...): the mean score of keypoints (..., 21, 3)."""
    return np.asarray(keypoints[..., 2].mean(axis=-1), np.float32)


def kept_hands(keypoints: Array, boxes: Array, confidences: Array, threshold: float) -> list[int]:
    """Which of N hands have a confidence of at least ``threshold``, one for each real hand, in their order.

    Where two have `SAME_SHARE` of their keypoints at one place, the one with the higher mean score stays: it has the
    better box.

    Args:
        keypoints: (N, 21, 3), boxes: (N, 4) xyxy, image pixels; confidences: (N,).
    """
    means, sides = mean_scores(keypoints), (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    kept: list[int] = []
    for index in np.argsort(-means, kind="stable"):
        if confidences[index] < threshold:
            continue
        near = SAME_DISTANCE * np.minimum(sides[kept], sides[index])
        if (_share(keypoints[kept], keypoints[index], near) < SAME_SHARE).all():
            kept.append(int(index))
    return sorted(kept)


def poorly_localised(keypoints: Array, boxes: Array, width: int, height: int) -> tuple[NDArray[np.intp], Array]:
    """Which hands have keypoints that lie beside their box, and the boxes around those.

    Args:
        keypoints: (N, 21, 3) and boxes: (N, 4) xyxy, pixels of an image of ``width`` x ``height``.
    Returns:
        indices (M,), and boxes (M, 4) xyxy around their keypoints, clipped to the image.
    """
    found = around(keypoints, width, height)
    overlap = np.diagonal(iou(found, boxes))
    poor = (mean_scores(keypoints) >= PLAUSIBLE_MEAN) & (overlap > 0) & (overlap < LOCALISED_IOU)
    indices = np.flatnonzero(poor)
    return indices, found[indices]


def localised(keypoints: Array, boxes: Array, width: int, height: int) -> Array:
    """Boxes (N, 4) xyxy around those keypoints (N, 21, 3) that say where their hand is, in place of the detector's.

    Keypoints beside the image, or all at one place, have no box with an area: there the detector's stays.
    """
    found = around(keypoints, width, height)
    solid = (found[:, 2:] > found[:, :2]).all(axis=1)
    plausible = mean_scores(keypoints) >= PLAUSIBLE_MEAN
    return np.where((solid & plausible)[:, None], found, boxes)


def around(keypoints: Array, width: int, height: int) -> Array:
    """Boxes (N, 4) xyxy around keypoints (N, 21, 3) as far as the hand reaches, clipped to the image."""
    low, high = keypoints[..., :2].min(axis=1), keypoints[..., :2].max(axis=1)
    margin = MARGIN * (high - low).max(axis=1, keepdims=True)
    return clip_boxes(np.concatenate([low - margin, high + margin], axis=1), width, height)


def _share(others: Array, keypoints: Array, near: Array) -> Array:
    """The share of keypoints (N,) of ``others`` (N, 21, 3) less than ``near`` (N,) px from those of ``keypoints``."""
    distance = np.linalg.norm(others[..., :2] - keypoints[:, :2], axis=-1)
    return np.asarray((distance < near[:, None]).mean(axis=1), np.float32)
