"""Arrays and tensors -> (H, W, 3) uint8 BGR."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..arrays import Image
from ..errors import InputError
from .names import source_name

MAX_PIXELS = 80_000_000
MAX_SIDE = 32_766  # OpenCV's warp addresses no more
CHANNELS = (1, 3, 4)
SIXTEEN_TO_EIGHT_BITS = 257  # 65535 / 255
OVERSHOOT = 0.5  # of white; cubic interpolation of black and white reaches 0.45 beyond them
MAX_MEAN_BELOW_BLACK = 0.03  # of white; cubic interpolation of black and white noise leaves 0.02, -1..1 has 0.2
DARKEST_PEAK = 4.0  # maximum of a 0..255 image with fractions; mean and deviation of ImageNet bring white to 2.6
FLOATS_OF_NUMPY = (torch.float16, torch.float32, torch.float64)


def is_batch(source: Any) -> bool:
    """Whether it is several images: a list, a tuple, or an array or tensor of four dimensions."""
    return isinstance(source, (list, tuple)) or (isinstance(source, (np.ndarray, torch.Tensor)) and source.ndim == 4)


def check_size(width: int, height: int, name: str) -> None:
    """Refuse more than `MAX_PIXELS` or `MAX_SIDE` a side.

    Raises:
        InputError: with ``name`` and the size.
    """
    if not 0 < width * height <= MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise InputError(
            f"{name} has {width} x {height} pixels; 1 to {MAX_PIXELS} pixels and at most {MAX_SIDE} a side are read."
        )


def from_tensor(tensor: torch.Tensor) -> Image:
    """A tensor (1, 3 or 4, H, W), (H, W, 1, 3 or 4) or (H, W), RGB or RGBA, on any device -> (H, W, 3) uint8 BGR.

    Raises:
        InputError: another shape or layout, or values as in `from_array`.
    """
    if tensor.ndim == 3 and tensor.shape[0] not in CHANNELS and tensor.shape[2] not in CHANNELS:
        raise InputError(
            f"an image tensor has shape (3, H, W), (1, H, W) or (H, W), got {tuple(tensor.shape)}; gray images as a "
            "batch are (N, 1, H, W)."
        )
    try:
        tensor = tensor.permute(1, 2, 0) if tensor.ndim == 3 and tensor.shape[0] in CHANNELS else tensor
        tensor = tensor.detach().cpu()
        if tensor.is_floating_point() and tensor.dtype not in FLOATS_OF_NUMPY:  # bfloat16
            tensor = tensor.float()
        array = tensor.numpy()
    except (RuntimeError, TypeError) as error:  # sparse, quantised, without storage
        raise InputError(f"{source_name(tensor)} cannot be made an array: {error}.") from None
    return np.ascontiguousarray(from_array(array)[..., ::-1])


def from_array(array: NDArray[Any]) -> Image:
    """An array (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA -> (H, W, 3) uint8 BGR.

    `sources.images.load_image` says which values stand for black and white.

    Raises:
        InputError: another shape, type or range of values; more than `MAX_PIXELS` pixels or `MAX_SIDE` a side.
    """
    array = np.asarray(array)
    if array.ndim not in (2, 3) or array.size == 0 or (array.ndim == 3 and array.shape[2] not in CHANNELS):
        raise InputError(
            f"an image array has shape (H, W) or (H, W, 1, 3 or 4) and is not empty, got {array.shape}{_hint(array)}."
        )
    check_size(array.shape[1], array.shape[0], source_name(array))
    image = _eight_bit(array)
    if image.ndim == 2 or image.shape[2] == 1:
        return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    if image.shape[2] == 4:
        alpha = image[..., 3:].astype(np.float32) / 255
        return np.rint(image[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(image)


def sixteen_to_eight_bit(array: NDArray[Any]) -> NDArray[np.uint8]:
    """0..65535 -> 0..255."""
    return np.asarray(np.rint(array / SIXTEEN_TO_EIGHT_BITS), np.uint8)


def _hint(array: NDArray[Any]) -> str:
    if array.ndim == 4:
        return "; a batch goes to the estimator, to stream() or to the pipeline"
    if array.ndim == 3 and array.shape[0] in CHANNELS:
        return "; with the channels first, pass array.transpose(1, 2, 0) if it is BGR, torch.from_numpy(array) if RGB"
    return "; several gray images are passed as list(array)" if array.ndim == 3 and array.size else ""


def _eight_bit(array: NDArray[Any]) -> Image:
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "b":
        raise InputError("an image array holds integers or floats, not bool: for a mask pass array * numpy.uint8(255).")
    if array.dtype.kind not in "iuf":
        raise InputError(f"an image array holds integers or floats, not {array.dtype}.")
    low, high = array.min(), array.max()
    values = f"an image array of {array.dtype} has values from {low} to {high}"
    if array.dtype.kind == "f":
        return _from_floats(array, float(low), float(high), values)
    if array.dtype.newbyteorder("=") == np.uint16:
        if 0 < high <= 255:
            raise InputError(
                f"{values}, which is black in 16 bits: if they are 0..255, pass array.astype(numpy.uint8)."
            )
        return sixteen_to_eight_bit(array)
    if low < 0 or high > 255:
        raise InputError(f"{values}; integers are 0..255, and 0..65535 as uint16.")
    return np.asarray(array, np.uint8)


def _from_floats(array: NDArray[Any], low: float, high: float, values: str) -> Image:
    """Floats, of which ``values`` says in words that they lie between ``low`` and ``high``."""
    if not (np.isfinite(low) and np.isfinite(high)):
        raise InputError(f"{values}: replace NaN and infinity.")
    white = 1 if high <= 1 + OVERSHOOT else 255
    unit = 1 if high < DARKEST_PEAK else 255
    mean_below = -np.minimum(array, 0).mean(dtype=np.float64) if low < 0 else 0.0
    if low < -OVERSHOOT * unit or mean_below > MAX_MEAN_BELOW_BLACK * unit:
        raise InputError(f"{values}, as a normalised image has: undo that; 0..1 and 0..255 are read.")
    if unit != white and (array != np.rint(array)).any():
        raise InputError(f"{values}, which may be meant as 0..1 or as 0..255: scale it to 0..255 and pass uint8.")
    if high > (1 + OVERSHOOT) * white:
        raise InputError(f"{values}: scale it to 0..1 or 0..255.")
    if white == 255 and array.ndim == 3 and array.shape[2] == 4 and 0 < array[..., 3].max() <= 1:
        raise InputError(f"{values}, but those of its alpha channel are 0..1: bring both to one range.")
    return np.asarray(np.rint(np.clip(array * 255 if white == 1 else array, 0, 255)), np.uint8)
