"""Arrays and tensors -> (H, W, 3) uint8 BGR."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..arrays import Image
from ..errors import InputError
from .names import source_name
from .values import check_values, to_eight_bit, white_of

MAX_PIXELS = 80_000_000
MAX_SIDE = 32_766  # OpenCV's warp addresses no more
CHANNELS = (1, 3, 4)
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


def white_of_batch(batch: Any) -> int | None:
    """The value of white in all images of an array (N, H, W, C) or a tensor of four dimensions, which have one range.

    Returns:
        None: ``batch`` is none, or each of its images is read, or refused, alone.
    Raises:
        InputError: as in `values.white_of`.
    """
    if not isinstance(batch, (np.ndarray, torch.Tensor)) or batch.ndim != 4 or batch.dtype in (np.uint8, torch.uint8):
        return None
    try:
        array = _as_array(batch, 4) if isinstance(batch, torch.Tensor) else batch
    except (RuntimeError, TypeError):
        return None
    if array.dtype.kind not in "iuf":
        return None
    if array.dtype.kind == "f":  # an image with NaN is refused alone
        array = array[np.isfinite(array).all(axis=(1, 2, 3))]
    return white_of(array) if array.size else None


def from_tensor(tensor: torch.Tensor, white: int | None = None) -> Image:
    """A tensor (1, 3 or 4, H, W), (H, W, 1, 3 or 4) or (H, W), RGB or RGBA, on any device -> (H, W, 3) uint8 BGR.

    Args:
        white: as in `from_array`.
    Raises:
        InputError: another shape or layout, or values as in `from_array`.
    """
    if tensor.ndim == 3 and tensor.shape[0] not in CHANNELS and tensor.shape[2] not in CHANNELS:
        raise InputError(
            f"an image tensor has shape (3, H, W), (1, H, W) or (H, W), got {tuple(tensor.shape)}; gray images as a "
            "batch are (N, 1, H, W)."
        )
    try:
        array = _as_array(tensor, 3)
    except (RuntimeError, TypeError) as error:  # sparse, quantised, without storage
        raise InputError(f"{source_name(tensor)} cannot be made an array: {error}.") from None
    return np.ascontiguousarray(from_array(array, white)[..., ::-1])


def _as_array(tensor: torch.Tensor, ndim: int) -> NDArray[Any]:
    """The array of a tensor; with the channels last if it has the ``ndim`` dimensions of an image or a batch."""
    if tensor.ndim == ndim and tensor.shape[-3] in CHANNELS:
        tensor = tensor.movedim(-3, -1)
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point() and tensor.dtype not in FLOATS_OF_NUMPY:  # bfloat16
        tensor = tensor.float()
    return tensor.numpy()


def from_array(array: NDArray[Any], white: int | None = None) -> Image:
    """An array (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA -> (H, W, 3) uint8 BGR.

    Args:
        white: the value that stands for it; None: what `sources.images.load_image` says.
    Raises:
        InputError: another shape, type or range of values; more than `MAX_PIXELS` pixels or `MAX_SIDE` a side.
    """
    array = np.asarray(array)
    if array.ndim not in (2, 3) or array.size == 0 or (array.ndim == 3 and array.shape[2] not in CHANNELS):
        raise InputError(
            f"an image array has shape (H, W) or (H, W, 1, 3 or 4) and is not empty, got {array.shape}{_hint(array)}."
        )
    check_size(array.shape[1], array.shape[0], source_name(array))
    check_values(array)
    image = to_eight_bit(array, white_of(array) if white is None else white)
    if image.ndim == 2 or image.shape[2] == 1:
        return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    if image.shape[2] == 4:
        alpha = image[..., 3:].astype(np.float32) / 255
        return np.rint(image[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(image)


def _hint(array: NDArray[Any]) -> str:
    if array.ndim == 4:
        return "; a batch goes to the estimator, to stream() or to the pipeline"
    if array.ndim == 3 and array.shape[0] in CHANNELS:
        return "; with the channels first, pass array.transpose(1, 2, 0) if it is BGR, torch.from_numpy(array) if RGB"
    return "; several gray images are passed as list(array)" if array.ndim == 3 and array.size else ""
