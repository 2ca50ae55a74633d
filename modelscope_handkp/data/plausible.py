"""Annotations that cannot be what somebody annotated, such as normalised coordinates: a warning with counts."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry.boxes import xywh_to_xyxy
from ..skeleton import FINGERS, JOINTS_PER_FINGER

logger = logging.getLogger(__name__)

NEAR = 1.0  # sides of the box: a keypoint that lies further outside does not belong to it
MOSTLY = 0.5  # share of a box that its image should hold
REVERSED, ENOUGH = 0.9, 20  # share of the hands whose fingers end at the palm, and of how many that says something


def warn_of_doubtful(
    ann_file: str,
    images: Sequence[Any],
    image_index: NDArray[np.int64],
    boxes_xywh: NDArray[np.float64],
    keypoints: NDArray[Any],
) -> None:
    """Log how many hands are doubtful, why, and in which file the first is; columns as in `HandAnnotations`."""
    for reason, doubtful in (
        ("a box smaller than a pixel", (boxes_xywh[:, 2:] < 1).any(1)),
        ("a box that lies mostly outside their image", _mostly_outside(images, image_index, boxes_xywh)),
        ("no marked keypoint in or near their box", ~_near_box(boxes_xywh, keypoints)),
    ):
        if doubtful.any():
            first = images[image_index[int(np.flatnonzero(doubtful)[0])]].file
            counts = f"{np.count_nonzero(doubtful)} of {len(boxes_xywh)} hands have {reason}, in {first} for one"
            logger.warning("%s: %s; coordinates are pixels, boxes x, y, width, height.", ann_file, counts)
    if are_reversed(keypoints):
        logger.warning(
            "%s: the fingertips lie nearer to the wrist than the palm's joints do: each finger's keypoints must run "
            "from the palm to the tip.",
            ann_file,
        )


def _mostly_outside(images: Sequence[Any], image_index: NDArray[np.int64], boxes: NDArray[np.float64]) -> NDArray[Any]:
    sizes = np.array([(image.width, image.height) for image in images], np.float64)[image_index]
    corners = xywh_to_xyxy(boxes).astype(np.float64)
    inside = np.minimum(corners[:, 2:], sizes) - np.maximum(corners[:, :2], 0)
    share = inside.clip(min=0).prod(1) / boxes[:, 2:].prod(1)
    outside: NDArray[Any] = (share < MOSTLY) & (sizes > 0).all(1)
    return outside


def _near_box(boxes: NDArray[np.float64], keypoints: NDArray[Any]) -> NDArray[Any]:
    """(N,): whether a marked keypoint lies in the box or near it."""
    low, side = boxes[:, None, :2], boxes[:, None, 2:]
    near = (keypoints[..., :2] >= low - NEAR * side) & (keypoints[..., :2] <= low + (1 + NEAR) * side)
    has_one: NDArray[Any] = np.any(near.all(-1) & (keypoints[..., 2] > 0), axis=1)
    return has_one


def are_reversed(keypoints: NDArray[Any]) -> bool:
    """Whether fingers run from the tip to the palm in nearly all hands (N, 21, 3) of which all keypoints are marked.

    In a fist the tips may lie nearer to the wrist, but not in nine of ten hands.
    """
    whole = keypoints[(keypoints[..., 2] > 0).all(1), :, :2]
    if len(whole) < ENOUGH:
        return False
    fingers = (whole[:, 1:] - whole[:, :1]).reshape(len(whole), len(FINGERS), JOINTS_PER_FINGER, 2)
    from_wrist = np.linalg.norm(fingers, axis=-1)
    return float((from_wrist[..., -1] < from_wrist[..., 0]).all(1).mean()) >= REVERSED
