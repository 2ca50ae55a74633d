"""How far keypoints are from the truth: PCK, AUC, EPE and NME as plain functions of arrays.

N hands, K keypoints. ``distance`` is (N, K), in image pixels, with NaN where a keypoint is not annotated; every number
is a mean over what is left. Formulas: mmpose's top_down_eval.py, as EasyCV's KeyPointEvaluator uses it.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError

Float64 = NDArray[np.float64]

PCK_THRESHOLD = 0.2  # of the larger side of the hand's box
AUC_RANGE = 30.0  # pixels
AUC_STEPS = 20
PEAK_NEAR = 0.05  # of the heatmap's side
SIZE_LIMITS = {"small": 48.0, "medium": 128.0, "large": np.inf}  # larger side of the box below this, pixels


def distances(predictions: ArrayLike, joints: ArrayLike, visible: ArrayLike) -> Float64:
    """Euclidean distances in pixels.

    Args:
        predictions, joints: (N, K, 2 or more), x and y in image pixels.
        visible: (N, K) or (N, K, 1 or more), above 0 where the keypoint is annotated.
    Returns:
        (N, K), NaN where it is not.
    Raises:
        InputError: the shapes do not fit one another.
    """
    predictions, joints = np.asarray(predictions, np.float64), np.asarray(joints, np.float64)
    visible = np.asarray(visible)
    mask = (visible[..., 0] if visible.ndim == 3 else visible) > 0
    if predictions.shape[:2] != joints.shape[:2] or mask.shape != joints.shape[:2]:
        shapes = f"{predictions.shape}, {joints.shape} and {visible.shape}"
        raise InputError(f"predictions, joints and visible do not belong together: shapes {shapes}.")
    return np.where(mask, np.linalg.norm(predictions[..., :2] - joints[..., :2], axis=-1), np.nan)


def accuracy_per_joint(distance: ArrayLike, threshold: ArrayLike) -> Float64:
    """(K,): the share of each keypoint's annotated samples nearer than ``threshold``; NaN where it has none.

    Args:
        distance: (N, K) pixels, NaN for not annotated.
        threshold: pixels, one number or (N,); the comparison is strict.
    """
    distance = np.asarray(distance, np.float64)
    known = np.isfinite(distance)
    # float32, as the reference compares
    near = distance.astype(np.float32) < np.broadcast_to(np.asarray(threshold, np.float32), len(distance))[:, None]
    count = known.sum(axis=0)
    return np.where(count > 0, (near & known).sum(axis=0) / np.maximum(count, 1), np.nan)


def pck_per_joint(distance: ArrayLike, boxes_xywh: ArrayLike, threshold: float = PCK_THRESHOLD) -> Float64:
    """(K,): PCK of each keypoint, against the larger side of each hand's (N, 4) box; NaN where it has no sample."""
    sides = np.asarray(boxes_xywh, np.float64).reshape(-1, 4)[:, 2:].max(axis=1, initial=0.0)
    relative = np.asarray(distance, np.float64) / np.where(sides > 0, sides, np.nan)[:, None]
    return accuracy_per_joint(relative, threshold)


def pck(distance: ArrayLike, boxes_xywh: ArrayLike, threshold: float = PCK_THRESHOLD) -> float:
    """Share of keypoints nearer than ``threshold`` times the box's larger side: mean over the keypoints of
    `pck_per_joint`; 0 without any sample."""
    return _mean(pck_per_joint(distance, boxes_xywh, threshold))


def auc(distance: ArrayLike, pixels: float = AUC_RANGE, steps: int = AUC_STEPS) -> float:
    """Area under the curve of accuracy against distance, from 0 to ``pixels`` (left Riemann sum of ``steps`` steps)."""
    relative = np.asarray(distance, np.float64) / pixels
    return float(np.mean([_mean(accuracy_per_joint(relative, step / steps)) for step in range(steps)]))


def epe(distance: ArrayLike) -> float:
    """End-point error: the mean distance over all annotated keypoints, pixels; 0 without any."""
    return _mean(np.asarray(distance, np.float64))


def nme(distance: ArrayLike, normaliser: ArrayLike = 1.0) -> float:
    """Mean distance divided by ``normaliser``, one number or (N,). With 1, as in EasyCV, it is the EPE in pixels."""
    scale = np.broadcast_to(np.asarray(normaliser, np.float64), np.asarray(distance).shape[:1])
    return _mean(np.asarray(distance, np.float64) / scale[:, None])


def evaluate_keypoints(
    predictions: ArrayLike,
    joints: ArrayLike,
    visible: ArrayLike,
    boxes_xywh: ArrayLike,
    pck_threshold: float = PCK_THRESHOLD,
    auc_range: float = AUC_RANGE,
) -> dict[str, Any]:
    """All numbers of a data set.

    Args:
        predictions, joints: (N, K, 2 or more) image pixels. visible: (N, K[, ...]). boxes_xywh: (N, 4), unpadded.
    Returns:
        ``PCK``, ``AUC``, ``EPE``, ``NME``; ``PCK_joints`` (K,); ``PCK_small``, ``PCK_medium``, ``PCK_large`` by the
        larger side of the box (`SIZE_LIMITS`), NaN for a size that does not occur; ``hands``, the count.
    """
    far = distances(predictions, joints, visible)
    boxes = np.asarray(boxes_xywh, np.float64).reshape(-1, 4)
    joint_pck = pck_per_joint(far, boxes, pck_threshold)
    result: dict[str, Any] = {
        "PCK": _mean(joint_pck),
        "AUC": auc(far, auc_range),
        "EPE": epe(far),
        "NME": nme(far),
        "PCK_joints": joint_pck,
    }
    sides, low = boxes[:, 2:].max(axis=1, initial=0.0), 0.0
    for name, limit in SIZE_LIMITS.items():
        chosen = (sides >= low) & (sides < limit)
        result[f"PCK_{name}"] = pck(far[chosen], boxes[chosen], pck_threshold) if chosen.any() else float("nan")
        low = limit
    return {**result, "hands": len(far)}


def heatmap_accuracy(
    heatmaps: torch.Tensor, target: torch.Tensor, target_weight: torch.Tensor, near: float = PEAK_NEAR
) -> float:
    """The progress of training, EasyCV's ``acc_pose``: the share of heatmap peaks that are near the target's peak.

    Args:
        heatmaps, target: (N, K, H, W). target_weight: (N, K, 1), 0 where the keypoint is not annotated.
        near: as a share of the heatmap's sides.
    Returns:
        the mean over the keypoints that have a sample; 0 without any.
    """
    height, width = target.shape[2:]
    found, wanted = heatmaps.detach().flatten(2).argmax(2), target.flatten(2).argmax(2)
    across = (found % width - wanted % width) / width
    down = (torch.div(found, width, rounding_mode="floor") - torch.div(wanted, width, rounding_mode="floor")) / height
    known = target_weight[..., 0] > 0
    count = known.sum(0)
    share = (((across**2 + down**2) < near**2) & known).sum(0) / count.clamp(min=1)
    return float(share[count > 0].mean()) if bool(known.any()) else 0.0


def _mean(values: Float64) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else 0.0
