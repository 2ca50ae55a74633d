"""COCO's average precision by object keypoint similarity (OKS), for hands.

The formulas are those of pycocotools' cocoeval.py; the sigmas are COCO-WholeBody's for a hand (Jin et al. 2020).
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

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
HIT, MISS, IGNORED = 1, 0, -1  # what a prediction is


class Annotated(NamedTuple):
    """G annotated hands; coordinates in image pixels.

    keypoints: (G, 21, 3) x, y and mark, above 0 where a keypoint is annotated. areas: (G,) square pixels. boxes_xywh:
    (G, 4). image_ids: G values that can be sorted. category_ids: G values. ignored: (G,) hands that need not be found
    and beside which no prediction is false; those without a marked keypoint always are. crowd: (G,) of those, which
    stand for any number of hands.
    """

    keypoints: Float64
    areas: Float64
    boxes_xywh: Float64
    image_ids: Sequence[Any]
    category_ids: Sequence[Hashable]
    ignored: NDArray[np.bool_]
    crowd: NDArray[np.bool_]


class Predicted(NamedTuple):
    """D predicted hands: keypoints (D, 21, 2 or more) in image pixels, scores (D,), images and categories likewise."""

    keypoints: Float64
    scores: Float64
    image_ids: Sequence[Any]
    category_ids: Sequence[Hashable]


def oks(predictions: ArrayLike, keypoints: ArrayLike, areas: ArrayLike, boxes_xywh: ArrayLike) -> Float64:
    """(D, G): similarity of each of D predictions to each of G hands, 0 to 1.

    A hand without a marked keypoint has its box in place of them, twice as large: what lies inside is similar.

    Args:
        predictions: (D, 21, 2 or more), x and y in image pixels.
        keypoints: (G, 21, 3) x, y and mark, above 0 where a keypoint is annotated.
        areas: (G,) of the hands, square pixels. boxes_xywh: (G, 4), image pixels.
    """
    found, wanted = np.asarray(predictions, np.float64)[:, None, :, :2], np.asarray(keypoints, np.float64)
    boxes = np.asarray(boxes_xywh, np.float64)[:, None]
    known = wanted[..., 2] > 0
    unmarked = np.logical_not(known.any(axis=1, keepdims=True))
    low, high = boxes[..., :2] - boxes[..., 2:], boxes[..., :2] + 2 * boxes[..., 2:]
    beside = np.maximum(low - found, 0) + np.maximum(found - high, 0)
    square = np.where(unmarked[..., None], beside, found - wanted[..., :2]) ** 2
    scale = np.asarray(areas, np.float64)[:, None] + np.spacing(1)
    near = np.exp(-square.sum(-1) / (2 * HAND_SIGMAS) ** 2 / scale / 2)
    counted = known | unmarked
    similarity: Float64 = (near * counted).sum(-1) / counted.sum(-1)
    return similarity


def average_precision(predicted: Predicted, annotated: Annotated) -> dict[str, float]:
    """AP, AP50, AP75 and AR of hands matched within image and category, as pycocotools counts them.

    Returns:
        the four numbers, each a mean over the categories that have a hand to find; 0 without any.
    """
    ignored = annotated.ignored | ~(annotated.keypoints[..., 2] > 0).any(axis=1)
    hands, found = _grouped(annotated), _grouped(predicted)
    precisions, recalls = [], []
    for category, images in hands.items():
        count = sum(int((~ignored[rows]).sum()) for rows in images.values())
        if not count:
            continue
        ranked, matched = [], []
        for image, rows in sorted(found[category].items()):  # their order decides between predictions of one score
            best = rows[np.argsort(-predicted.scores[rows], kind="stable")][:MAX_PREDICTIONS]
            there = images.get(image, np.zeros(0, np.int64))
            columns = (column[there] for column in (annotated.keypoints, annotated.areas, annotated.boxes_xywh))
            similarity = oks(predicted.keypoints[best], *columns)
            ranked.append(predicted.scores[best])
            matched.append(_matches(similarity, ignored[there], annotated.crowd[there]))
        order = np.argsort(-np.concatenate(ranked), kind="stable") if ranked else slice(None)
        outcomes = np.concatenate(matched, axis=1)[:, order] if matched else np.zeros((len(OKS_THRESHOLDS), 0))
        curve, reached = _precision_and_recall(outcomes, count)
        precisions.append(curve.mean(axis=1))
        recalls.append(reached.mean())
    if not precisions:
        return dict.fromkeys(("AP", "AP50", "AP75", "AR"), 0.0)
    by_threshold = np.mean(precisions, axis=0)
    at = {round(100 * threshold): float(value) for threshold, value in zip(OKS_THRESHOLDS, by_threshold)}
    return {"AP": float(by_threshold.mean()), "AP50": at[50], "AP75": at[75], "AR": float(np.mean(recalls))}


def _grouped(hands: Annotated | Predicted) -> dict[Hashable, dict[Any, NDArray[np.int64]]]:
    """Category -> image -> rows."""
    rows: dict[Hashable, dict[Any, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, (image, category) in enumerate(zip(hands.image_ids, hands.category_ids)):
        rows[category][image].append(row)
    arrays = {kind: {image: np.array(some) for image, some in images.items()} for kind, images in rows.items()}
    return defaultdict(dict, arrays)


def _matches(similarity: Float64, ignored: NDArray[np.bool_], crowd: NDArray[np.bool_]) -> NDArray[np.int8]:
    """(T, D): `HIT`, `MISS` or `IGNORED` for each prediction, best first, at each threshold.

    A prediction gets the most similar hand that no better one took; ignored hands come after all others.
    """
    outcomes = np.full((len(OKS_THRESHOLDS), len(similarity)), MISS, np.int8)
    for step, threshold in enumerate(OKS_THRESHOLDS):
        free = np.ones(similarity.shape[1], np.bool_)
        for prediction, row in enumerate(similarity):
            for outcome, among in ((HIT, free & ~ignored), (IGNORED, ignored & (free | crowd))):
                candidates = np.where(among, row, -1)
                if not (candidates >= threshold).any():
                    continue
                nearest = len(row) - 1 - int(candidates[::-1].argmax())  # of equal ones the last, as pycocotools
                outcomes[step, prediction], free[nearest] = outcome, False
                break
    return outcomes


def _precision_and_recall(outcomes: NDArray[Any], hands: int) -> tuple[Float64, Float64]:
    """Ranked outcomes (T, D) -> precision (T, 101) at each step of recall, and the recall of all predictions (T,)."""
    found, false = (np.cumsum(outcomes == kind, axis=1).astype(np.float64) for kind in (HIT, MISS))
    recall, precision = found / hands, found / np.maximum(found + false, 1)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    precision = np.pad(precision, ((0, 0), (0, 1)))  # a recall that is not reached has precision 0
    places = [np.searchsorted(row, RECALL_STEPS, side="left") for row in recall]
    reached = recall[:, -1] if recall.shape[1] else np.zeros(len(recall))
    return np.stack([row[place] for row, place in zip(precision, places)]), reached
