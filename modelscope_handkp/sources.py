"""Pictures from anywhere -> (H, W, 3) uint8 BGR as a viewer would show them, bounded in size and time."""

import glob
import io
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from .errors import DownloadError, InputError, MissingFileError

MAX_PIXELS = 80_000_000
MAX_SIDE = 32_766  # OpenCV's warp addresses no more
MAX_DOWNLOAD_BYTES = 64 * 1024**2
URL_TIMEOUT_SECONDS = 10.0  # for the whole download
URL_SCHEMES = ("http://", "https://")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")
SIXTEEN_TO_EIGHT_BITS = 257  # 65535 / 255

Picture = NDArray[np.uint8]


def load_image(source: Any) -> Picture:
    """Read one picture.

    Args:
        source: a path, an http(s) URL, a PIL image, or an array: (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA;
            uint8, uint16 (0..65535), or floating (0..1, or 0..255 when anything is above 1).
    Returns:
        (H, W, 3) uint8 BGR, new memory unless ``source`` already is such an array. EXIF rotation is applied,
        transparency is laid on white, a moving picture gives its first frame.
    Raises:
        MissingFileError, DownloadError: nothing to read.
        InputError: not a picture, or more than `MAX_PIXELS` pixels or `MAX_SIDE` a side.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_pil(source, "the PIL image")
    if isinstance(source, str) and source.startswith(URL_SCHEMES):
        return _decode(io.BytesIO(download(source)), source)
    if isinstance(source, (str, Path)):
        path = Path(source)
        if not path.is_file():
            raise MissingFileError(f"{path} does not exist or is not a file.")
        return _decode(path, str(path))
    raise InputError(f"a picture is a path, a URL, an array or a PIL image, not a {type(source).__name__}.")


def download(url: str) -> bytes:
    """The content of an http(s) URL.

    Raises:
        DownloadError: no whole answer in `URL_TIMEOUT_SECONDS`, or more than `MAX_DOWNLOAD_BYTES`.
    """
    deadline, content = time.monotonic() + URL_TIMEOUT_SECONDS, bytearray()
    try:
        with urllib.request.urlopen(url, timeout=URL_TIMEOUT_SECONDS) as answer:
            while chunk := answer.read1(1 << 16):
                content += chunk
                if len(content) > MAX_DOWNLOAD_BYTES:
                    raise DownloadError(f"{url} is larger than {MAX_DOWNLOAD_BYTES} bytes.")
                if time.monotonic() > deadline:
                    raise DownloadError(f"{url} did not answer within {URL_TIMEOUT_SECONDS:g} seconds.")
    except DownloadError:
        raise
    except (OSError, ValueError, urllib.error.HTTPError) as error:
        raise DownloadError(f"{url} could not be read within {URL_TIMEOUT_SECONDS:g} seconds: {error}.") from None
    return bytes(content)


def list_sources(sources: Iterable[str]) -> Iterator[str]:
    """Files, folders (their pictures, sorted, not deeper), glob patterns and URLs -> files and URLs.

    Something that matches nothing is passed on as it is, so that reading it names it.
    """
    for source in sources:
        if source.startswith(URL_SCHEMES):
            yield source
        elif Path(source).is_dir():
            files = sorted(str(file) for file in Path(source).iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
            yield from files or [source]
        else:
            yield from [source] if Path(source).exists() else sorted(glob.glob(source)) or [source]


def _decode(file: Any, name: str) -> Picture:
    try:
        with Image.open(file) as image:
            return _from_pil(image, name)
    except (Image.DecompressionBombError, Image.UnidentifiedImageError) as error:
        raise InputError(f"{name} is not a picture that can be read: {error}.") from None
    except (OSError, SyntaxError, ValueError, EOFError, TypeError, IndexError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{name} is broken: {error}.") from None


def _from_pil(image: Image.Image, name: str) -> Picture:
    _check_size(image.width, image.height, name)
    upright: Image.Image = ImageOps.exif_transpose(image) or image
    if upright.mode.startswith("I") or upright.mode == "F":  # 16 bit and wider, one channel
        return _from_array(_sixteen_bit(np.asarray(upright), upright.mode, name))
    if upright.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in upright.info:
        paper = Image.new("RGBA", upright.size, "white")
        upright = Image.alpha_composite(paper, upright.convert("RGBA"))
    return cv2.cvtColor(np.asarray(upright.convert("RGB")), cv2.COLOR_RGB2BGR)  # type: ignore[return-value]


def _sixteen_bit(values: NDArray[Any], mode: str, name: str) -> NDArray[Any]:
    if mode == "F":
        return values
    if values.size and (values.min() < 0 or values.max() > np.iinfo(np.uint16).max):
        raise InputError(f"{name} has values from {values.min()} to {values.max()}, beyond 16 bits.")
    return values.astype(np.uint16)


def _from_array(array: NDArray[Any]) -> Picture:
    if array.ndim not in (2, 3) or array.size == 0 or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise InputError(f"a picture array has shape (H, W) or (H, W, 1, 3 or 4) and is not empty, got {array.shape}.")
    _check_size(array.shape[1], array.shape[0], "the array")
    picture = _eight_bit(array)
    if picture.ndim == 2 or picture.shape[2] == 1:
        return np.repeat(picture.reshape(*picture.shape[:2], 1), 3, axis=2)
    if picture.shape[2] == 4:
        alpha = picture[..., 3:].astype(np.float32) / 255
        return np.rint(picture[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(picture)


def _eight_bit(array: NDArray[Any]) -> Picture:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return np.rint(array / SIXTEEN_TO_EIGHT_BITS).astype(np.uint8)
    if array.dtype.kind not in "iuf":
        raise InputError(f"a picture array holds integers or floats, not {array.dtype}.")
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= 255):  # also where something is NaN
        raise InputError(f"a picture array of {array.dtype} has values in 0..1 or 0..255, got {low} to {high}.")
    if array.dtype.kind == "f" and high <= 1:
        array = array * 255
    return np.rint(array).astype(np.uint8)


def _check_size(width: int, height: int, name: str) -> None:
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise InputError(
            f"{name} has {width} x {height} pixels; at most {MAX_PIXELS} pixels and {MAX_SIDE} a side are read."
        )
