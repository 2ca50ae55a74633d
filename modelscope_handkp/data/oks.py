"""COCO's average precision by object keypoint similarity (OKS), for hands.

The formulas are those of pycocotools' cocoeval.py; the sigmas are COCO-WholeBody's for a hand (Jin et al. 2020).
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float64 = NDArray[np.float64]

# wrist, then thumb, forefinger, middle, ring and little finger from the palm to the tip
HAND_SIGMAS = np.array([
    0.029,
    0.022, 0.035, 0.037, 0.047,
    0.026, 0.025, 0.024, 0.035,
    0.018, 0.024, 0.022, 0.026,
    0.017, 0.021, 0.021, 0.032,
    0.02, 0.019, 0.022, 0.031,
])  # fmt: skip
OKS_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_STEPS = np.linspace(0, 1, 101)
MAX_PREDICTIONS = 20  # of an image and category, best first


def oks(predictions: ArrayLike, joints: ArrayLike, visible: ArrayLike, areas: ArrayLike) -> Float64:
    """(D, G): similarity of each of D predictions to each of G hands, 0 to 1.

    Args:
        predictions: (D, 21, 2 or more), joints: (G, 21, 2 or more), x and y in image pixels.
        visible: (G, 21), true where a keypoint is annotated; at least one of each hand is.
        areas: (G,) of the hands, square pixels.
    """
    predictions, joints = np.asarray(predictions, np.float64)[:, None, :, :2], np.asarray(joints, np.float64)[..., :2]
    square = ((predictions - joints) ** 2).sum(-1)
    scale = np.asarray(areas, np.float64)[:, None] + np.spacing(1)
    near = np.exp(-square / (2 * HAND_SIGMAS) ** 2 / scale / 2)
    known = np.asarray(visible, np.bool_)
    similarity: Float64 = (near * known).sum(-1) / known.sum(-1)
    return similarity


def average_precision(
    predictions: ArrayLike,
    scores: ArrayLike,
    joints: ArrayLike,
    visible: ArrayLike,
    areas: ArrayLike,
    image_ids: Sequence[Any],
    category_ids: Sequence[Hashable],
) -> dict[str, float]:
    """AP, AP50, AP75 and AR of N predictions, one for each of N hands, matched anew within image and category.

    Args:
        predictions: (N, 21, 2 or more), joints: (N, 21, 2 or more), image pixels. scores: (N,) of the predictions.
        visible: (N, 21), true where a keypoint is annotated; a hand without any is left out.
        areas: (N,) square pixels. image_ids: N values that can be sorted. category_ids: N values.
    Returns:
        the four numbers, each a mean over the categories; 0 without any annotated keypoint.
    """
    predictions, joints = np.asarray(predictions, np.float64), np.asarray(joints, np.float64)
    scores, areas, visible = (
        np.asarray(scores, np.float64),
        np.asarray(areas, np.float64),
        np.asarray(visible, np.bool_),
    )
    groups: dict[Hashable, dict[Any, list[int]]] = defaultdict(lambda: defaultdict(list))
    for hand in np.flatnonzero(visible.any(axis=1)).tolist():
        groups[category_ids[hand]][image_ids[hand]].append(hand)
    precisions, recalls = [], []
    for images in groups.values():
        ranked, matched = [], []
        for image in sorted(images):  # their order decides between predictions of one score
            hands = np.array(images[image])
            best = hands[np.argsort(-scores[hands], kind="stable")][:MAX_PREDICTIONS]
            ranked.append(scores[best])
            matched.append(_matches(oks(predictions[best], joints[hands], visible[hands], areas[hands])))
        hits = np.concatenate(matched, axis=1)[:, np.argsort(-np.concatenate(ranked), kind="stable")]
        curve, reached = _precision_and_recall(hits, sum(map(len, images.values())))
        precisions.append(curve.mean(axis=1))
        recalls.append(reached.mean())
    if not precisions:
        return dict.fromkeys(("AP", "AP50", "AP75", "AR"), 0.0)
    by_threshold = np.mean(precisions, axis=0)
    at = {round(100 * threshold): float(value) for threshold, value in zip(OKS_THRESHOLDS, by_threshold)}
    return {"AP": float(by_threshold.mean()), "AP50": at[50], "AP75": at[75], "AR": float(np.mean(recalls))}


def _matches(similarity: Float64) -> NDArray[np.bool_]:
    """(T, D): whether each prediction, best first, gets a hand that no better one took, at each threshold."""
    matched = np.zeros((len(OKS_THRESHOLDS), len(similarity)), np.bool_)
    for step, threshold in enumerate(OKS_THRESHOLDS):
        free = np.ones(similarity.shape[1], np.bool_)
        for prediction, row in enumerate(similarity):
            candidates = np.where(free, row, -1)
            nearest = len(row) - 1 - int(candidates[::-1].argmax())  # of equal ones the last, as pycocotools
            if candidates[nearest] >= threshold:
                matched[step, prediction], free[nearest] = True, False
    return matched


def _precision_and_recall(hits: NDArray[np.bool_], hands: int) -> tuple[Float64, Float64]:
    """Ranked hits (T, D) -> precision (T, 101) at each step of recall, and the recall of all predictions (T,)."""
    found = np.cumsum(hits, axis=1).astype(np.float64)
    recall, precision = found / hands, found / np.arange(1, hits.shape[1] + 1)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    precision = np.pad(precision, ((0, 0), (0, 1)))  # a recall that is not reached has precision 0
    places = [np.searchsorted(row, RECALL_STEPS, side="left") for row in recall]
    return np.stack([row[place] for row, place in zip(precision, places)]), recall[:, -1]
