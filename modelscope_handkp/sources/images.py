"""Images from anywhere -> (H, W, 3) uint8 BGR as a viewer shows them, bounded in size and time."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageOps, UnidentifiedImageError

from ..arrays import Image
from ..errors import InputError, MissingFileError
from .download import download, is_url
from .listing import IMAGE_SUFFIXES, images_in

MAX_PIXELS = 80_000_000
MAX_SIDE = 32_766  # OpenCV's warp addresses no more
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000")  # Pillow runs Ghostscript for some others
SIXTEEN_TO_EIGHT_BITS = 257  # 65535 / 255
SHOWN = 200  # characters of a path in an error


def load_image(source: Any, size: tuple[int, int] | None = None) -> Image:
    """Read one image.

    Args:
        source: a path, an http(s) URL, a PIL image, or an array: (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA;
            uint8, uint16 (0..65535), or floating (0..1, or 0..255 when anything is above 1).
        size: (width, height) in pixels that an annotation states. An image of this size before its EXIF rotation, and
            not after it, is read unrotated, since its stored pixels were annotated. None: any size.
    Returns:
        (H, W, 3) uint8 BGR, new memory unless ``source`` already is such an array. EXIF rotation is applied,
        transparency is laid on white, an animation gives its first frame.
    Raises:
        MissingFileError, DownloadError: nothing to read.
        InputError: not an image, more than `MAX_PIXELS` pixels or `MAX_SIDE` a side, or another size than ``size``.
    """
    if isinstance(source, np.ndarray):
        image = _from_array(source)
        if size is not None and image.shape[1::-1] != tuple(size):
            raise _other_size("the array", size, image.shape[1::-1])
        return image
    if isinstance(source, PIL.Image.Image):
        return _decode(source, "the PIL image", size)
    if isinstance(source, str) and is_url(source):
        return _decode(io.BytesIO(download(source)), source, size)
    if isinstance(source, (str, Path)):
        _check_file(source)
        return _decode(source, str(source), size)
    more = "several are a list, a tuple or the sources of stream()"
    if source is None:
        more = "cv2.imread gives None for a file that it cannot read"
    raise InputError(f"an image is a path, a URL, an array or a PIL image, not a {type(source).__name__}; {more}.")


def _check_file(source: str | Path) -> None:
    shown = str(source)[:SHOWN]
    if os.path.isdir(source):  # noqa: PTH112  Path.is_dir raises on a name that is too long, and so does is_file below
        images = images_in(source)
        if images:
            raise InputError(
                f"{shown} is a folder with {len(images)} images, not an image: pass a list, such as "
                f"list(modelscope_handkp.sources.listing.list_sources([{shown!r}]))."
            )
        raise MissingFileError(f"{shown} is a folder without an image ({', '.join(IMAGE_SUFFIXES)}).")
    if not os.path.isfile(source):  # noqa: PTH113
        raise MissingFileError(f"{shown} does not exist or is not a file.")


def _decode(source: Any, name: str, size: tuple[int, int] | None) -> Image:
    """A PIL image, or a file that holds one."""
    try:
        if isinstance(source, PIL.Image.Image):
            return _from_pil(source, name, size)
        with PIL.Image.open(source, formats=FORMATS) as image:
            return _from_pil(image, name, size)
    except InputError:
        raise
    except (PIL.Image.DecompressionBombError, UnidentifiedImageError) as error:
        raise InputError(f"{name} is not an image that can be read: {error}.") from None
    except Exception as error:  # a hostile file makes a decoder raise anything
        raise InputError(f"{name} is broken: {error}.") from None


def _from_pil(image: PIL.Image.Image, name: str, size: tuple[int, int] | None) -> Image:
    _check_size(image.width, image.height, name)
    upright = _upright(image)
    if size is not None and upright.size != tuple(size):
        if image.size != tuple(size):
            raise _other_size(name, size, upright.size)
        upright = image
    if upright.mode.startswith("I") or upright.mode == "F":  # 16 bit and wider, one channel
        values = _sixteen_bit(np.asarray(upright), upright.mode, name)
        if isinstance(clear := upright.info.get("transparency"), int):  # the value that a PNG leaves transparent
            values = np.where(values == clear, np.iinfo(np.uint16).max, values)
        return _from_array(values)
    if upright.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in upright.info:
        paper = PIL.Image.new("RGBA", upright.size, "white")
        upright = PIL.Image.alpha_composite(paper, upright.convert("RGBA"))
    return np.ascontiguousarray(np.asarray(upright.convert("RGB"))[..., ::-1])


def _upright(image: PIL.Image.Image) -> PIL.Image.Image:
    """Rotated as its EXIF says; as it is where the EXIF is broken, as viewers do."""
    image.load()
    try:
        return ImageOps.exif_transpose(image) or image
    except Exception:  # Pillow raises anything on hostile EXIF
        return image


def _sixteen_bit(values: NDArray[Any], mode: str, name: str) -> NDArray[Any]:
    if mode == "F":
        return values
    if values.size and (values.min() < 0 or values.max() > np.iinfo(np.uint16).max):
        raise InputError(f"{name} has values from {values.min()} to {values.max()}, beyond 16 bits.")
    return values.astype(np.uint16)


def _from_array(array: NDArray[Any]) -> Image:
    if array.ndim not in (2, 3) or array.size == 0 or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InputError(f"an image array has shape (H, W) or (H, W, 1, 3 or 4) and is not empty, got {array.shape}.")
    _check_size(array.shape[1], array.shape[0], "the array")
    image = _eight_bit(array)
    if image.ndim == 2 or image.shape[2] == 1:
        return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    if image.shape[2] == 4:
        alpha = image[..., 3:].astype(np.float32) / 255
        return np.rint(image[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(image)


def _eight_bit(array: NDArray[Any]) -> Image:
    if array.dtype == np.uint8:
        return array
    if array.dtype.newbyteorder("=") == np.uint16:
        return np.asarray(np.rint(array / SIXTEEN_TO_EIGHT_BITS), np.uint8)
    if array.dtype.kind not in "iuf":
        raise InputError(f"an image array holds integers or floats, not {array.dtype}.")
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= 255):  # also where something is NaN
        raise InputError(f"an image array of {array.dtype} has values in 0..1 or 0..255, got {low} to {high}.")
    if array.dtype.kind == "f" and high <= 1:
        array = array * 255
    return np.asarray(np.rint(array), np.uint8)


def _check_size(width: int, height: int, name: str) -> None:
    if not 0 < width * height <= MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise InputError(
            f"{name} has {width} x {height} pixels; 1 to {MAX_PIXELS} pixels and at most {MAX_SIDE} a side are read."
        )


def _other_size(name: str, stated: tuple[int, int], size: tuple[int, int]) -> InputError:
    return InputError(f"{name} has {size[0]} x {size[1]} pixels, but {stated[0]} x {stated[1]} are stated for it.")
