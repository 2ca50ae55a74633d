"""Whether a detected box is a hand, of its own and well placed: the keypoints know better than the detector."""

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array
from ..geometry.boxes import clip_boxes, iou
from ..hands import Hands

SCORE_POWER = 0.25  # of a box score in what confirms a hand: the network that sees the crop knows better
SAME_DISTANCE = 0.2  # of the smaller box's longer side: joints nearer than that are at one place, as for PCK@0.2
SAME_SHARE = 0.3  # of the joints at one place: two boxes about one hand
PLAUSIBLE_MEAN = 0.2  # keypoint score from which on keypoints say where their hand is
LOOSE_IOU = 0.6  # of a box and the one around its keypoints, below which it is to be moved there
FLESH = 0.06  # of the longer side of the joints' extent: how far a hand reaches beyond its outermost joints


def confirm(hands: Hands, threshold: float) -> Hands:
    """The hands that their keypoints bear out, in their order.

    Heatmaps stay low where there is no hand, so a hand's score ** `SCORE_POWER` times the mean score of its keypoints
    must reach `threshold`. (COCO's evaluations of top-down networks take the score itself; the lower power leaves more
    hands and as few false ones.) Where two hands have `SAME_SHARE` of their joints at one place, the one with the
    higher mean stays: it has the better box.
    """
    means = hands.keypoints[..., 2].mean(axis=1)
    confidence = np.clip(hands.scores, 0, None) ** SCORE_POWER * means
    sides = (hands.boxes[:, 2:] - hands.boxes[:, :2]).max(axis=1, initial=0)
    kept: list[int] = []
    for index in np.argsort(-means, kind="stable"):
        if confidence[index] < threshold:
            continue
        near = SAME_DISTANCE * np.minimum(sides[kept], sides[index])
        if (_share(hands.keypoints[kept], hands.keypoints[index], near) < SAME_SHARE).all():
            kept.append(int(index))
    kept.sort()
    return Hands(hands.keypoints[kept], hands.boxes[kept], hands.scores[kept])


def loose_boxes(hands: Hands, width: int, height: int) -> tuple[NDArray[np.intp], Array]:
    """Which hands have keypoints (L,) that tell of a place other than their box, and the boxes (L, 4) xyxy there.

    A picture has `width` x `height` pixels; boxes end with it.
    """
    means = hands.keypoints[..., 2].mean(axis=1)
    low, high = hands.keypoints[..., :2].min(axis=1), hands.keypoints[..., :2].max(axis=1)
    flesh = FLESH * (high - low).max(axis=1, keepdims=True)
    around = clip_boxes(np.concatenate([low - flesh, high + flesh], axis=1), width, height)
    overlap = np.diagonal(iou(around, hands.boxes))
    loose = np.flatnonzero((means >= PLAUSIBLE_MEAN) & (overlap > 0) & (overlap < LOOSE_IOU))
    return loose, around[loose]


def replace_worse(hands: Hands, indices: NDArray[np.intp], others: Hands) -> Hands:
    """`hands`, but at `indices` (L,) those of the L `others` whose keypoints have a higher mean score."""
    better = others.keypoints[..., 2].mean(axis=1) > hands.keypoints[indices, :, 2].mean(axis=1)
    keypoints, boxes = hands.keypoints.copy(), hands.boxes.copy()
    keypoints[indices[better]], boxes[indices[better]] = others.keypoints[better], others.boxes[better]
    return Hands(keypoints, boxes, hands.scores)


def _share(others: Array, keypoints: Array, near: Array) -> Array:
    """The share of joints (N,) of `others` (N, 21, 3) that are less than `near` (N,) px from those of `keypoints`."""
    distance = np.linalg.norm(others[..., :2] - keypoints[:, :2], axis=-1)
    return np.asarray((distance < near[:, None]).mean(axis=1), np.float32)
