"""Box conventions and box arithmetic: the only place that knows one from another.

xyxy    x1, y1, x2, y2 in pixels; the convention wherever a name says nothing else
xywh    x, y, width, height in pixels (COCO)
center, scale    centre in pixels, side lengths in units of `PIXEL_STD` pixels, padded (EasyCV, mmpose 0.x)
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arrays import Array
from ..errors import InputError

PIXEL_STD = 200.0  # pixels in one unit of scale, since the MPII data set
MAX_COORDINATE = 1e6  # of a box, pixels; far outside any image that is read
BOX_PADDING = 1.25  # the crop is this much larger than the box


def as_boxes(boxes: ArrayLike) -> Array:
    """Check xyxy boxes that come from a caller.

    Args:
        boxes: (N, 4), or (4,) for one box; image pixels, anywhere, also outside the image.
    Returns:
        (N, 4) float32, a copy.
    Raises:
        InputError: not four numbers a box, not finite or beyond `MAX_COORDINATE`, or x2 <= x1 or y2 <= y1.
    """
    try:
        array = np.array(boxes, dtype=np.float32)
    except (TypeError, ValueError):
        raise InputError(f"boxes must be numbers of shape (N, 4), got {boxes!r:.80}.") from None
    if array.size == 0:
        return np.zeros((0, 4), np.float32)
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or array.shape[1] != 4:
        raise InputError(f"boxes must have shape (N, 4) as x1, y1, x2, y2, got {array.shape}.")
    for index, box in enumerate(array):
        if not np.isfinite(box).all():
            raise InputError(f"box {index} is not finite: {box.tolist()}.")
        if np.abs(box).max() > MAX_COORDINATE:
            raise InputError(f"box {index} reaches beyond {MAX_COORDINATE:g} pixels: {box.tolist()}.")
        if box[2] <= box[0] or box[3] <= box[1]:
            raise InputError(f"box {index} is empty or reversed: {box.tolist()}; boxes are x1, y1, x2, y2.")
    return array


def are_outside(boxes_xywh: ArrayLike, sizes: ArrayLike) -> NDArray[np.bool_]:
    """(N,): which xywh boxes (N, 4) share no area with their image of ``sizes``, (width, height) or (N, 2)."""
    boxes, limits = np.asarray(boxes_xywh, np.float64), np.asarray(sizes, np.float64)
    beyond, before = boxes[:, :2] >= limits, boxes[:, :2] + boxes[:, 2:] <= 0
    outside: NDArray[np.bool_] = np.any(beyond | before, axis=1)
    return outside


def xyxy_to_xywh(boxes: ArrayLike) -> Array:
    """(..., 4) xyxy -> (..., 4) xywh, float32."""
    boxes = np.asarray(boxes, np.float32)
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)


def xywh_to_xyxy(boxes: ArrayLike) -> Array:
    """(..., 4) xywh -> (..., 4) xyxy, float32."""
    boxes = np.asarray(boxes, np.float32)
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def box_to_center_scale(
    box_xywh: ArrayLike, aspect_ratio: float = 1.0, padding: float = BOX_PADDING
) -> tuple[Array, Array]:
    """The crop that a top-down network sees of a box.

    Args:
        box_xywh: (4,) x, y, width, height in image pixels.
        aspect_ratio: width / height of the network's input; the shorter side grows to it.
        padding: how much larger the crop is than the box.
    Returns:
        center (2,) in image pixels, scale (2,) in units of `PIXEL_STD` pixels; float32.
    """
    x, y, width, height = (float(value) for value in np.asarray(box_xywh))
    center = np.array([x + width * 0.5, y + height * 0.5], np.float32)
    if width > aspect_ratio * height:
        height = width / aspect_ratio
    else:
        width = height * aspect_ratio
    scale = np.array([width / PIXEL_STD, height / PIXEL_STD], np.float32) * np.float32(padding)
    return center, scale


def clip_boxes(boxes: ArrayLike, width: float, height: float) -> Array:
    """(N, 4) xyxy clipped to an image of ``width`` x ``height`` pixels, float32."""
    limit = np.array([width, height, width, height], np.float32)
    return np.clip(np.asarray(boxes, np.float32), 0.0, limit)


def iou(a: ArrayLike, b: ArrayLike) -> Array:
    """Intersection over union of (N, 4) and (M, 4) xyxy boxes -> (N, M)."""
    a, b = np.asarray(a, np.float32).reshape(-1, 4), np.asarray(b, np.float32).reshape(-1, 4)
    overlap = np.minimum(a[:, None, 2:], b[None, :, 2:]) - np.maximum(a[:, None, :2], b[None, :, :2])
    intersection = np.prod(np.clip(overlap, 0, None), axis=-1)
    area_a, area_b = np.prod(a[:, 2:] - a[:, :2], axis=-1), np.prod(b[:, 2:] - b[:, :2], axis=-1)
    union = area_a[:, None] + area_b[None] - intersection
    return np.asarray(intersection / np.maximum(union, np.finfo(np.float32).tiny), np.float32)


def nms(boxes: ArrayLike, scores: ArrayLike, iou_threshold: float) -> NDArray[np.intp]:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4) xyxy; scores: (N,).
        iou_threshold: a box goes when its overlap with a better one is above this.
    Returns:
        indices of the boxes that stay, best first.
    """
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    order = np.argsort(-np.asarray(scores), kind="stable")
    kept = []
    while order.size:
        best, rest = order[0], order[1:]
        kept.append(best)
        order = rest[iou(boxes[best], boxes[rest])[0] <= iou_threshold]
    return np.array(kept, np.intp)
