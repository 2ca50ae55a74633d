"""Colour files of 16 bits, of which Pillow keeps the upper 8: nothing is left where they hold 8, 10 or 12."""

from typing import IO, Any

import cv2
import numpy as np
import PIL.Image

from .values import WHITE_16, to_eight_bit, white_of_16_bits

ORIENTATION = 274  # tag of EXIF and TIFF


def with_lower_bits(image: PIL.Image.Image, file: IO[bytes]) -> PIL.Image.Image:
    """A colour image of 16 bits that is black in them, scaled by its own white; any other as it is.

    Args:
        image: as opened from ``file``, of a size that is read.
    """
    if image.mode.startswith("I") or not any(";16" in str(tile) for tile in image.tile[:1]):  # type: ignore[attr-defined]
        return image
    orientation = image.getexif().get(ORIENTATION)  # loading a TIFF drops it
    position = file.tell()
    file.seek(0)
    values: Any = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    file.seek(position)
    if values is None or values.dtype != np.uint16 or values.ndim != 3 or values.shape[2] not in (3, 4):
        return image
    white = white_of_16_bits(values[..., :3])
    if white == WHITE_16 or values.shape[1::-1] != image.size:
        return image
    order = [2, 1, 0, 3][: values.shape[2]]
    alpha = values[..., 3:] if values[..., 3:].max(initial=0) <= white else values[..., 3:] / (WHITE_16 / white)
    scaled = to_eight_bit(np.concatenate([values[..., :3], alpha], axis=2)[..., order], white)
    narrow = PIL.Image.fromarray(np.ascontiguousarray(scaled))
    if orientation is not None:
        narrow.getexif()[ORIENTATION] = orientation
    return narrow
