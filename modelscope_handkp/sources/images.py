"""Images from anywhere -> (H, W, 3) uint8 BGR as a viewer shows them, bounded in size and time."""

import io
import math
import os
from pathlib import Path
from typing import IO, Any

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray
from PIL import ImageOps, UnidentifiedImageError
from PIL.Image import Transpose

from ..arrays import Image
from ..errors import HandkpError, InputError, MissingFileError, MissingPackageError
from ..file_kind import BASE64, HEAD_BYTES, file_kind
from .content import ADVICE, is_avif, is_encoded_image, is_heif, is_read_whole
from .download import download, is_url
from .encoded import MAX_ENCODED_BYTES, decode_data_url, is_data_url, is_file_object, read_file_object
from .listing import folders_left_out, images_in, left_out, name_some
from .names import source_name
from .pixels import MAX_PIXELS, MAX_SIDE, check_size, from_array, from_tensor
from .values import WHITE_16, white_of_16_bits
from .wide import ORIENTATION, with_lower_bits

__all__ = ["MAX_PIXELS", "MAX_SIDE", "load_image"]

FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000")  # Pillow runs Ghostscript for some others
SHOWN = 200  # characters of a path in an error
SUBFILE_TYPE, SUB_IFDS, DNG_VERSION = 254, 330, 50706  # tags of TIFF
UNROTATE = {  # EXIF orientation of an image whose sides are exchanged -> what turns it back
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}


def load_image(source: Any, size: tuple[int, int] | None = None) -> Image:
    """Read one image.

    Args:
        source: one of
            - a path, an http(s) URL or a data URL;
            - the content of an image file: bytes, or a binary file object, read from where it stands;
            - a PIL image;
            - an array (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA, as OpenCV has it;
            - a tensor (3, H, W) RGB, (4, H, W) RGBA, (1, H, W) or (H, W), as torchvision has it, or with the channels
              last. On any device.

            Black is 0. White is 255 for integers; 65535 for uint16; 1 for floats up to 1.5, else 255. Half a range
            beyond, and the 0.5 % brightest values up to 16 times white, are clipped. Refused are: NaN, infinity, bool;
            floats that fit both ranges, or of which much is below black (normalised images); uint16 that hardly
            exceeds 4095. An array (N, ...) of images has one range, decided over all; each image of a list has its own,
            so pass the frames of a float video as uint8 if one may be nearly black. In a file of 16 bits white is the
            least of 255, 1023, 4095 and 65535 that its values hardly exceed.
        size: (width, height) in pixels that an annotation states. An image of this size before its EXIF rotation, and
            not after it, is read unrotated, since its stored pixels were annotated. None: any size.
    Returns:
        (H, W, 3) uint8 BGR, new memory unless ``source`` already is such an array. EXIF rotation is applied,
        transparency is laid on white, an animation gives its first frame.
    Raises:
        MissingFileError, DownloadError: nothing to read.
        MissingPackageError: HEIC without pillow-heif.
        InputError: not an image, more than `MAX_PIXELS` pixels or `MAX_SIDE` a side, or another size than ``size``.
    """
    if isinstance(source, (np.ndarray, torch.Tensor)) and not _is_encoded(source):
        image = from_array(source) if isinstance(source, np.ndarray) else from_tensor(source)
        if size is not None and image.shape[1::-1] != tuple(size):
            raise _other_size(source_name(source), size, image.shape[1::-1])
        return image
    name = source_name(source)
    try:
        if isinstance(source, PIL.Image.Image):
            return _from_pil(source, name, size)
        with _open(source, name) as file:
            return _decode(file, name, size)
    except HandkpError:
        raise
    except PIL.Image.DecompressionBombError as error:
        raise InputError(f"{name} is not an image that can be read: {str(error).rstrip('.')}.") from None
    except Exception as error:  # a hostile file makes a decoder raise anything
        raise InputError(f"{name} is broken: {str(error).rstrip('.')}.") from None


def _is_encoded(source: NDArray[Any] | torch.Tensor) -> bool:
    """Whether it is the content of a file, as cv2.imencode and torchvision.io.read_file give it.

    OpenCV before 4.5.3 gives it as a column (N, 1), which may be a gray image as well: its first bytes tell.
    """
    if source.dtype not in (np.uint8, torch.uint8) or source.ndim == 0 or source.ndim > 3:
        return False
    count = math.prod(source.shape)
    if source.ndim == 1 or max(source.shape) != count:
        return source.ndim == 1
    try:
        return is_encoded_image(_bytes_of(source.reshape(-1)[:HEAD_BYTES]), count)
    except (RuntimeError, TypeError):  # a tensor without storage
        return False


def _bytes_of(values: NDArray[Any] | torch.Tensor) -> bytes:
    return np.asarray(values.cpu() if isinstance(values, torch.Tensor) else values).tobytes()


def _open(source: Any, name: str) -> IO[bytes]:
    """The encoded image, from its beginning."""
    if isinstance(source, str) and is_url(source):
        return io.BytesIO(download(source))
    if isinstance(source, str) and is_data_url(source):
        return io.BytesIO(decode_data_url(source, name))
    if isinstance(source, (str, os.PathLike)):
        path = os.fsdecode(source)
        _check_file(path)
        try:
            return Path(path).open("rb")
        except OSError as error:
            raise InputError(f"{name} cannot be opened: {error.strerror}.") from None
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    if isinstance(source, (np.ndarray, torch.Tensor)):
        return io.BytesIO(_bytes_of(source))
    if is_file_object(source):
        return io.BytesIO(read_file_object(source, name))
    more = "several are a list, a tuple, a batch or the sources of stream()"
    if source is None:
        more = "cv2.imread gives None for a file that it cannot read"
    raise InputError(
        "an image is a path, a URL, the bytes of a file, a file object, an array, a tensor or a PIL image, not a "
        f"{type(source).__name__}; {more}."
    )


def _check_file(path: str) -> None:
    shown = path[:SHOWN]
    if os.path.isdir(path):  # noqa: PTH112  Path.is_dir raises on a name that is too long, and so does is_file below
        images = images_in(path)
        if images:
            raise InputError(
                f"{shown} is a folder with {len(images)} images, not an image: pass a list, such as "
                f"list(modelscope_handkp.sources.listing.list_sources([{shown!r}]))."
            )
        others = [name_some(left_out(path), "file"), name_some(folders_left_out(path), "folder of images")]
        but = " and ".join(filter(None, others))
        raise MissingFileError(f"{shown} is a folder without an image{but and f', but with {but}'}.")
    if not os.path.isfile(path):  # noqa: PTH113
        is_base64 = file_kind(path[:HEAD_BYTES].encode(errors="replace")) == BASE64
        hint = " Base64 is read as a data URL, data:image/jpeg;base64,..." if is_base64 else ""
        raise MissingFileError(f"{shown} does not exist or is not a file.{hint}")


def _decode(file: IO[bytes], name: str, size: tuple[int, int] | None) -> Image:
    head = file.read(HEAD_BYTES)
    if is_read_whole(head) and file.seek(0, os.SEEK_END) > MAX_ENCODED_BYTES:
        raise InputError(f"{name} is larger than {MAX_ENCODED_BYTES} bytes.")
    file.seek(0)
    try:
        with _opened(file, head, name) as image:
            check_size(image.width, image.height, name)
            return _from_pil(with_lower_bits(image, file), name, size)
    except UnidentifiedImageError:
        what = file_kind(head, ADVICE) or f"not an image that can be read, as {', '.join(FORMATS)}, AVIF and HEIC are"
        raise InputError(f"{name} is {what}.") from None


def _opened(file: IO[bytes], head: bytes, name: str) -> PIL.Image.Image:
    if is_heif(head):
        try:
            from pillow_heif import HeifImageFile
        except ImportError:
            raise MissingPackageError(
                f"{name} is HEIC, which needs pillow-heif: pip install 'modelscope-handkp[heif]'."
            ) from None
        image: PIL.Image.Image = HeifImageFile(file)  # type: ignore[no-untyped-call]
        return image
    if is_avif(head):
        PIL.Image.init()
        if ".avif" not in PIL.Image.EXTENSION:
            raise InputError(f"{name} is AVIF, which Pillow reads from 11.3 on: pip install --upgrade Pillow.")
        return PIL.Image.open(file, formats=("AVIF",))
    image = PIL.Image.open(file, formats=FORMATS)
    if image.format == "TIFF":
        _refuse_raw(image.tag_v2, name)  # type: ignore[attr-defined]
    return image


def _refuse_raw(tags: Any, name: str) -> None:
    """A RAW file's first image is a thumbnail, which would be taken for the image."""
    if tags.get(SUBFILE_TYPE) == 1 and (SUB_IFDS in tags or DNG_VERSION in tags):
        raise InputError(f"{name} is a camera's RAW file with a thumbnail: export it as JPEG or PNG.")


def _from_pil(image: PIL.Image.Image, name: str, size: tuple[int, int] | None) -> Image:
    check_size(image.width, image.height, name)
    image = _oriented(image, name, size)
    if image.mode == "F":
        try:
            return from_array(np.asarray(image))
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
    if image.mode.startswith("I"):  # 16 bit and wider, one channel
        values = _sixteen_bit(np.asarray(image), name)
        white = white_of_16_bits(values)
        if isinstance(clear := image.info.get("transparency"), int):  # the value that a PNG leaves transparent
            values = np.where(values == clear, white, values)
        return from_array(values, white)
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        paper = PIL.Image.new("RGBA", image.size, "white")
        image = PIL.Image.alpha_composite(paper, image.convert("RGBA"))
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))[..., ::-1])


def _oriented(image: PIL.Image.Image, name: str, size: tuple[int, int] | None) -> PIL.Image.Image:
    """Rotated as its EXIF says, or as stored where only that has the stated size; as it is where the EXIF is broken."""
    tag = _orientation(image) if image.format == "TIFF" else None  # loading a TIFF rotates it and drops the tag
    image.load()
    tag = tag or _orientation(image)
    try:
        upright = ImageOps.exif_transpose(image) or image
    except Exception:  # Pillow raises anything on hostile EXIF
        upright = image
    if size is None or upright.size == tuple(size):
        return upright
    if tag in UNROTATE and upright.size[::-1] == tuple(size):
        return upright.transpose(UNROTATE[tag])
    raise _other_size(name, size, upright.size)


def _orientation(image: PIL.Image.Image) -> Any:
    try:
        return image.getexif().get(ORIENTATION)
    except Exception:  # as above
        return None


def _sixteen_bit(values: NDArray[Any], name: str) -> NDArray[Any]:
    if values.size and (values.min() < 0 or values.max() > WHITE_16):
        raise InputError(f"{name} has values from {values.min()} to {values.max()}, beyond 16 bits.")
    return values.astype(np.uint16)


def _other_size(name: str, stated: tuple[int, int], size: tuple[int, int]) -> InputError:
    return InputError(f"{name} has {size[0]} x {size[1]} pixels, but {stated[0]} x {stated[1]} are stated for it.")
