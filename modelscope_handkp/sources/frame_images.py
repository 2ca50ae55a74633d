"""Decoded frames -> images, upright and of 8 bits."""

from typing import Any

import cv2
import numpy as np

from ..arrays import Image
from ..errors import InputError
from .pixels import check_size

UNIT = 1 << 16  # of a display matrix
# (a, b, c, d) in 1 / UNIT: a viewer shows a stored pixel (x, y) at (a x + c y, b x + d y); ISO/IEC 14496-12, 6.2.2
DisplayMatrix = tuple[int, int, int, int]


class Converter:
    """Decoded frames -> images."""

    def __init__(self, name: str) -> None:
        from av.video.reformatter import VideoReformatter

        self._name, self._reformatter = name, VideoReformatter()
        self._matrices: dict[int, DisplayMatrix] = {}  # by the rotation in them

    def image(self, frame: Any, index: int) -> Image:
        """A frame upright, (H, W, 3) uint8 BGR.

        Raises:
            InputError: too large, or of pixels that cannot be converted.
        """
        check_size(frame.width, frame.height, f"{self._name}, frame {index},")
        try:
            pixels = self._reformatter.reformat(frame, format="bgr24").to_ndarray()
        except Exception as error:  # swscale refuses kinds of pixels that its list has
            raise InputError(
                f"{self._name}, frame {index}, cannot be converted from {frame.format.name}: {error}."
            ) from None
        rotation = frame.rotation
        if rotation not in self._matrices:  # PyAV's side_data keeps its frame in memory until Python's gc finds it
            self._matrices[rotation] = display_matrix(frame)
        return upright(np.asarray(pixels), self._matrices[rotation])


def display_matrix(frame: Any) -> DisplayMatrix:
    """The display matrix of a decoded frame; without one, that of no rotation."""
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
        a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist() if data else (UNIT, 0, 0, 0, UNIT)
    except (KeyError, ValueError):  # side data of a kind that PyAV does not know
        return UNIT, 0, 0, UNIT
    return a, b, c, d


def upright(image: Image, matrix: DisplayMatrix) -> Image:
    """An image rotated by the multiple of 90 degrees that comes next to ``matrix``, and mirrored as that says."""
    a, b, c, d = matrix
    if _is_transposed(matrix):
        image, mirror_x, mirror_y = np.asarray(cv2.transpose(image)), c < 0, b < 0
    else:
        mirror_x, mirror_y = a < 0, d < 0
    if mirror_x or mirror_y:
        image = np.asarray(cv2.flip(image, -1 if mirror_x and mirror_y else int(mirror_x)))
    return np.ascontiguousarray(image)


def _is_transposed(matrix: DisplayMatrix) -> bool:
    a, b, c, d = map(abs, matrix)
    return b + c > a + d
