"""Crops that are cut and normalised on the device where the network runs: the image goes there once."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ..arrays import Array, Image
from ..geometry.affine import crop_matrix, invert, warp_points
from ..geometry.boxes import box_to_center_scale, xyxy_to_xywh
from ..model_dir.settings import ModelSettings
from .crop import Crop, Cropper

CHAIN = ["TopDownAffine", "MMToTensor", "NormalizeTensor", "PoseCollect"]
BORDER = 2  # pixels around what a crop shows, for the interpolation


class DeviceCropper:
    """`Cropper` for the chain of the hosted model: an affine crop, then a normalisation.

    Equal to OpenCV's crop but for rounding: it interpolates at 32 places between two pixels, this exactly.

    Args:
        image_size: width, height of the crop in pixels.
        mean, std: of the channels R, G, B in 0..1.
        device: where images and crops lie.
    """

    def __init__(
        self, image_size: Sequence[int], mean: Sequence[float], std: Sequence[float], device: torch.device
    ) -> None:
        self.device = device
        self._width, self._height = (int(side) for side in image_size)
        self._mean, self._std = (torch.tensor(values, device=device)[:, None, None] for values in (mean, std))
        x, y = np.meshgrid(np.arange(self._width), np.arange(self._height))
        self._pixels = np.stack([x, y], -1)  # (H, W, 2) x, y, crop pixels

    def prepare(self, image: Image) -> Tensor:
        """(H, W, 3) uint8 BGR -> (3, H, W) uint8 RGB on the device, from which crops are cut."""
        return torch.from_numpy(np.ascontiguousarray(image)).to(self.device).permute(2, 0, 1).flip(0)

    def __call__(self, rgb: Tensor, box: Array) -> Crop:
        """The crop around ``box`` (4,) xyxy, image pixels, of an image that `prepare` gave."""
        center, scale = box_to_center_scale(xyxy_to_xywh(box), self._width / self._height)
        inverse = invert(crop_matrix(center, scale, 0, (self._width, self._height)))
        shown = self._shown(inverse, rgb)
        if shown is None:
            warped = torch.zeros(3, self._height, self._width, device=self.device)
        else:
            left, top, right, bottom = shown
            # of the part that the crop shows: an image may be far larger than what fits on the device as floats
            part = rgb[None, :, top:bottom, left:right].float()
            rows = torch.tensor(inverse - [[0, 0, left], [0, 0, top]], dtype=torch.float32, device=self.device)
            warped = F.grid_sample(part, self._grid(rows, right - left, bottom - top), align_corners=False)[0]
        return Crop((warped.round() / 255 - self._mean) / self._std, center, scale)

    def _shown(self, inverse: NDArray[np.float64], rgb: Tensor) -> tuple[int, int, int, int] | None:
        """Left, top, right and bottom of what the crop shows of the image, pixels; None if it shows nothing of it."""
        corners = warp_points(self._pixels[[0, 0, -1, -1], [0, -1, 0, -1]], inverse)
        low, high = np.floor(corners.min(0)) - BORDER, np.ceil(corners.max(0)) + BORDER + 1
        (left, top), (right, bottom) = low.clip(0, None), np.minimum(high, [rgb.shape[2], rgb.shape[1]])
        return (int(left), int(top), int(right), int(bottom)) if right > left and bottom > top else None

    def _grid(self, rows: Tensor, width: int, height: int) -> Tensor:
        """(1, H, W, 2): where each pixel of the crop comes from, as `F.grid_sample` takes it.

        Args:
            rows: (2, 3), crop pixels -> pixels of a part of the image of ``width`` x ``height``.
        """
        pixels = torch.from_numpy(self._pixels).to(rows)
        places = pixels @ rows[:, :2].T + rows[:, 2]
        return ((2 * places + 1) / torch.tensor([width, height], device=self.device) - 1)[None]


def build_cropper(settings: ModelSettings, device: torch.device | None) -> Cropper | DeviceCropper:
    """What cuts the crops of a model: on the GPU where its network runs on one and its chain is the hosted model's.

    Args:
        device: of the network; None if it does not say.
    Raises:
        ConfigError: an unknown transform or argument, named.
    """
    cropper = Cropper(settings.image_size, settings.test_pipeline)  # it also checks the chain
    steps = settings.test_pipeline
    if device is None or device.type == "cpu" or [step["type"] for step in steps] != CHAIN or len(steps[0]) > 1:
        return cropper
    return DeviceCropper(settings.image_size, steps[2]["mean"], steps[2]["std"], device)
