"""Images -> inputs of one size that keep the ratio of the sides, with grey around them."""

from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from ..arrays import Array, Image

PADDING = 114  # grey level around an image, as in training


class Letterboxed(NamedTuple):
    """An image in an input.

    input: (H, W, 3) uint8 BGR. scale: input pixels of an image pixel in x and y. corner: x and y of the image's upper
    left corner, input pixels.
    """

    input: Image
    scale: tuple[float, float]
    corner: tuple[int, int]

    def in_image(self, boxes: Array) -> Array:
        """Boxes (N, 4) xyxy in input pixels -> in image pixels, float32; parts of them may lie outside the image."""
        corner, scale = (np.array([*pair, *pair], np.float32) for pair in (self.corner, self.scale))
        return np.asarray((boxes - corner) / scale, np.float32)


@dataclass(frozen=True)
class Letterbox:
    """How images are put into inputs.

    height, width: of the input, pixels. centred: the image lies in the middle and its sides are rounded, as
    ultralytics does it; else it lies in the upper left corner and fractions are cut off, as YOLOX and mmdet do it.
    step: pixels; the input ends at the next multiples of it from the image's sides. None: it is ``height`` x ``width``.
    """

    height: int
    width: int
    centred: bool
    step: int | None = None

    def __call__(self, image: Image) -> Letterboxed:
        """An image (H, W, 3) uint8 BGR of any size, scaled until it fits."""
        rows, columns = image.shape[:2]
        ratio = min(self.height / rows, self.width / columns)
        whole = round if self.centred else int
        width, height = max(whole(columns * ratio), 1), max(whole(rows * ratio), 1)
        margins = self.width - width, self.height - height
        if self.step is not None:
            margins = margins[0] % self.step, margins[1] % self.step
        left, top = (round(margin / 2 - 0.1) for margin in margins) if self.centred else (0, 0)  # odd: less goes first
        padded = np.full((height + margins[1], width + margins[0], 3), PADDING, np.uint8)
        padded[top : top + height, left : left + width] = cv2.resize(image, (width, height))
        scale = (width / columns, height / rows) if self.centred else (ratio, ratio)
        return Letterboxed(padded, scale, (left, top))
