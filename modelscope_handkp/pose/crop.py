"""Boxes of an image -> crops as the network takes them."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from torch import Tensor

from ..arrays import Array, Image
from ..geometry.boxes import box_to_center_scale, xyxy_to_xywh
from .transforms import build_transforms


class Crop(NamedTuple):
    """A network input and where it lies.

    input: (3, H, W) float32, RGB, normalised. center: (2,) image pixels. scale: (2,) units of 200 pixels.
    """

    input: Tensor
    center: Array
    scale: Array


class Cropper:
    """Cuts boxes out of images, through the transforms that a configuration names.

    Args:
        image_size: width, height of the crop in pixels.
        test_pipeline: the transforms, ``[{"type": "TopDownAffine"}, ...]``; their output ``img`` is the network input.
    Raises:
        ConfigError: an unknown transform or argument, named.
    """

    def __init__(self, image_size: Any, test_pipeline: Any) -> None:
        self._transform = build_transforms(test_pipeline)
        self._info = {"image_size": image_size, "flip_pairs": []}
        self._aspect_ratio = image_size[0] / image_size[1]

    def prepare(self, image: Image) -> Image:
        """(H, W, 3) uint8 BGR -> RGB, new memory, from which crops are cut."""
        return to_rgb(image)

    def __call__(self, rgb: Image, box: Array) -> Crop:
        """The crop around ``box`` (4,) xyxy, image pixels, of an image (H, W, 3) uint8 **RGB**."""
        center, scale = box_to_center_scale(xyxy_to_xywh(box), self._aspect_ratio)
        sample = {"img": rgb, "center": center, "scale": scale, "rotation": 0, "ann_info": self._info,
                  "image_file": "", "image_id": 0, "bbox_id": 0}  # fmt: skip
        return Crop(self._transform(sample)["img"], center, scale)


def to_rgb(image: Image) -> Image:
    """(H, W, 3) uint8 BGR -> RGB, new memory."""
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
