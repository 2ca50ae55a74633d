"""Pictures from anywhere -> (H, W, 3) uint8 BGR as a viewer would show them, bounded in size and time."""

import glob
import io
import os
import string
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent import futures
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import PIL.Image
from numpy.typing import NDArray
from PIL import ImageOps, UnidentifiedImageError

from ..arrays import Image
from ..errors import DownloadError, InputError, MissingFileError

MAX_PIXELS = 80_000_000
MAX_SIDE = 32_766  # OpenCV's warp addresses no more
MAX_DOWNLOAD_BYTES = 64 * 1024**2
URL_TIMEOUT_SECONDS = 10.0  # for the whole download
URL_SCHEMES = ("http://", "https://")
FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000")  # Pillow runs Ghostscript for some others
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")
SIXTEEN_TO_EIGHT_BITS = 257  # 65535 / 255
SHOWN = 200  # characters of a path in an error


def load_image(source: Any) -> Image:
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
    if isinstance(source, PIL.Image.Image):
        return _decode(source, "the PIL image")
    if isinstance(source, str) and is_url(source):
        return _decode(io.BytesIO(download(source)), source)
    if isinstance(source, (str, Path)):
        if os.path.isdir(source) and not _pictures_of(Path(source)):  # noqa: PTH112  raises, as is_file below
            raise MissingFileError(
                f"{str(source)[:SHOWN]} is a folder without a picture ({', '.join(IMAGE_SUFFIXES)})."
            )
        if not os.path.isfile(source):  # noqa: PTH113  Path.is_file raises on a name that is too long
            raise MissingFileError(f"{str(source)[:SHOWN]} does not exist or is not a file.")
        return _decode(source, str(source))
    raise InputError(f"a picture is a path, a URL, an array or a PIL image, not a {type(source).__name__}.")


def is_url(source: str) -> bool:
    return source[: len(URL_SCHEMES[-1])].lower().startswith(URL_SCHEMES)


def download(url: str) -> bytes:
    """The content of an http(s) URL.

    Raises:
        DownloadError: no whole answer in `URL_TIMEOUT_SECONDS`, or more than `MAX_DOWNLOAD_BYTES`.
    """
    answer: futures.Future[bytes] = futures.Future()
    # in a thread, since a server that sends its headers byte by byte keeps urlopen waiting past any timeout of its own
    threading.Thread(target=_fetch, args=(url, answer), daemon=True).start()
    try:
        return answer.result(URL_TIMEOUT_SECONDS)
    except futures.TimeoutError:
        raise DownloadError(f"{url} did not answer within {URL_TIMEOUT_SECONDS:g} seconds.") from None


def _fetch(url: str, answer: "futures.Future[bytes]") -> None:
    """Download ``url`` and put its content, or the `DownloadError`, into ``answer``."""
    deadline, content = time.monotonic() + URL_TIMEOUT_SECONDS, bytearray()
    try:
        with urllib.request.urlopen(quote(url, safe=string.punctuation), timeout=URL_TIMEOUT_SECONDS) as response:
            while (chunk := response.read1(1 << 16)) and time.monotonic() < deadline:
                content += chunk
                if len(content) > MAX_DOWNLOAD_BYTES:
                    answer.set_exception(DownloadError(f"{url} is larger than {MAX_DOWNLOAD_BYTES} bytes."))
                    return
        if not chunk:
            answer.set_result(bytes(content))
    except Exception as error:  # a hostile server makes urllib raise more than OSError
        answer.set_exception(DownloadError(f"{url} could not be read: {error}."))


def list_sources(sources: Iterable[str]) -> Iterator[str]:
    """Files, folders (their pictures, sorted, not deeper), glob patterns and URLs -> files and URLs.

    Something that matches nothing is passed on as it is, so that reading it names it.
    """
    for source in sources:
        if is_url(source):
            yield source
        elif os.path.isdir(source):  # noqa: PTH112  Path.is_dir raises on a name that is too long
            yield from _pictures_of(Path(source)) or [source]
        else:
            yield from [source] if os.path.exists(source) else sorted(glob.glob(source)) or [source]  # noqa: PTH110


def _pictures_of(folder: Path) -> list[str]:
    try:
        return sorted(str(file) for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    except OSError:  # a folder that may not be looked into
        return []


def _decode(source: Any, name: str) -> Image:
    """A PIL image, or a file that holds one."""
    try:
        if isinstance(source, PIL.Image.Image):
            return _from_pil(source, name)
        with PIL.Image.open(source, formats=FORMATS) as image:
            return _from_pil(image, name)
    except InputError:
        raise
    except (PIL.Image.DecompressionBombError, UnidentifiedImageError) as error:
        raise InputError(f"{name} is not a picture that can be read: {error}.") from None
    except Exception as error:  # a hostile file makes a decoder raise anything
        raise InputError(f"{name} is broken: {error}.") from None


def _from_pil(image: PIL.Image.Image, name: str) -> Image:
    _check_size(image.width, image.height, name)
    upright = _upright(image)
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
    """Turned as its EXIF says; as it is where the EXIF is broken, like viewers do."""
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
        raise InputError(f"a picture array has shape (H, W) or (H, W, 1, 3 or 4) and is not empty, got {array.shape}.")
    _check_size(array.shape[1], array.shape[0], "the array")
    picture = _eight_bit(array)
    if picture.ndim == 2 or picture.shape[2] == 1:
        return np.repeat(picture.reshape(*picture.shape[:2], 1), 3, axis=2)
    if picture.shape[2] == 4:
        alpha = picture[..., 3:].astype(np.float32) / 255
        return np.rint(picture[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(picture)


def _eight_bit(array: NDArray[Any]) -> Image:
    if array.dtype == np.uint8:
        return array
    if array.dtype.newbyteorder("=") == np.uint16:
        return np.asarray(np.rint(array / SIXTEEN_TO_EIGHT_BITS), np.uint8)
    if array.dtype.kind not in "iuf":
        raise InputError(f"a picture array holds integers or floats, not {array.dtype}.")
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= 255):  # also where something is NaN
        raise InputError(f"a picture array of {array.dtype} has values in 0..1 or 0..255, got {low} to {high}.")
    if array.dtype.kind == "f" and high <= 1:
        array = array * 255
    return np.asarray(np.rint(array), np.uint8)


def _check_size(width: int, height: int, name: str) -> None:
    if not 0 < width * height <= MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise InputError(
            f"{name} has {width} x {height} pixels; 1 to {MAX_PIXELS} pixels and at most {MAX_SIDE} a side are read."
        )
