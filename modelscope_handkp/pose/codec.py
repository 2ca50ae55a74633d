"""Keypoints <-> heatmaps: `HeatmapCodec.encode` makes training targets, `HeatmapCodec.decode` reads outputs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from ..arrays import Array
from ..errors import ConfigError
from ..geometry.boxes import PIXEL_STD
from ..model_dir.settings import DEFAULT_KERNEL, DecodingSettings, ModelSettings
from ..skeleton import NUM_KEYPOINTS
from .decoding import around, blurred, dark, newton_step, peaks, quarter_shifted

GAUSSIAN_REACH = 3  # a target's blob reaches this many sigmas
VISIBLE = 0.5  # a keypoint gets a blob when its weight is above this
POST_PROCESSES = (None, "default", "unbiased")
MAX_SIDE, MAX_KERNEL = 1024, 255  # pixels; crops and heatmaps of a hand are far smaller
MAX_TEMPERATURE = 1e6  # far below that a softmax is the argmax


@dataclass(frozen=True)
class HeatmapCodec:
    """Gaussian heatmaps with argmax, quarter-shift or DARK decoding (Zhang et al. 2020, arXiv:1910.06278).

    Args:
        image_size, heatmap_size: width, height in pixels of the crop and of its heatmaps.
        sigma: of the target's Gaussian, heatmap pixels.
        unbiased: centre the Gaussian on the exact keypoint; otherwise on the nearest pixel, as the hosted model.
        post_process: None (argmax), "default" (a quarter pixel toward the second highest), "unbiased" (DARK).
        kernel: odd side of DARK's Gaussian blur, heatmap pixels.
        temperature: DARK reads softmax(temperature x heatmap), for a network trained with the cross-entropy of that:
            from its blurred peak, the place with the most probability around it, not from the heatmap's argmax.
    """

    image_size: Sequence[int] = (256, 256)
    heatmap_size: Sequence[int] = (64, 64)
    sigma: float = 3.0
    unbiased: bool = False
    post_process: str | None = "unbiased"
    kernel: int = DEFAULT_KERNEL
    temperature: float | None = None

    def __post_init__(self) -> None:
        if self.post_process not in POST_PROCESSES:
            raise ConfigError(f"post_process {self.post_process!r} is not one of {POST_PROCESSES}.")
        if not isinstance(self.kernel, int) or self.kernel not in range(1, MAX_KERNEL + 1, 2):
            raise ConfigError(f"modulate_kernel must be odd and at most {MAX_KERNEL}, got {self.kernel!r}.")
        if self.temperature is not None and not (
            isinstance(self.temperature, (int, float)) and 0 < self.temperature <= MAX_TEMPERATURE
        ):
            raise ConfigError(f"softmax_temperature must be a positive number, got {self.temperature!r:.80}.")
        if not isinstance(self.sigma, (int, float)) or not self.sigma > 0:
            raise ConfigError(f"sigma must be a positive number, got {self.sigma!r}.")
        for name in ("image_size", "heatmap_size"):
            size = getattr(self, name)
            pair = isinstance(size, (list, tuple, np.ndarray)) and len(size) == 2
            if not pair or not all(isinstance(side, (int, np.integer)) and 0 < side <= MAX_SIDE for side in size):
                raise ConfigError(f"{name} must be two whole numbers up to {MAX_SIDE}, width and height, got {size!r}.")

    @classmethod
    def from_settings(cls, settings: DecodingSettings, **sizes: Any) -> "HeatmapCodec":
        """A codec that decodes as a configuration says; ``sizes`` are ``image_size`` and ``heatmap_size``."""
        return cls(**asdict(settings), **sizes)

    def encode(self, joints: ArrayLike, visible: ArrayLike) -> tuple[Array, Array]:
        """Keypoints in a crop -> training target.

        Args:
            joints: (K, 2 or 3), crop pixels.
            visible: (K, 1 or more), the first column is the weight, 0 for a keypoint without annotation.
        Returns:
            target (K, H, W) with a peak of 1, target_weight (K, 1); 0 where the blob is wholly outside. Equal to
            EasyCV's but for biased ones where 3 ``sigma`` is no whole number, which EasyCV draws a pixel off.
        """
        width, height = self.heatmap_size
        stride = np.asarray(self.image_size, np.float64) / np.asarray(self.heatmap_size)
        centers = np.asarray(joints)[:, :2] / stride
        weight = np.array(np.asarray(visible)[:, :1], np.float32)
        reach = self.sigma * GAUSSIAN_REACH
        if not self.unbiased:
            centers = np.trunc(centers + 0.5)
        low, high = centers - reach, centers + reach + 1
        if not self.unbiased:
            low, high = np.trunc(low), np.trunc(high)
        outside = (low >= (width, height)).any(axis=1) | (high < 0).any(axis=1)
        weight[outside] = 0
        target = np.zeros((len(centers), height, width), np.float32)
        for k in np.flatnonzero(weight[:, 0] > VISIBLE):
            x, y = np.arange(width) - centers[k, 0], np.arange(height) - centers[k, 1]
            blob = np.exp(-(x**2 + y[:, None] ** 2) / (2 * self.sigma**2))
            if not self.unbiased:  # a square blob, cut at its reach
                blob *= (np.abs(x) <= reach) & (np.abs(y) <= reach)[:, None]
            target[k] = blob
        return target, weight

    def decode(self, heatmaps: ArrayLike | Tensor, center: ArrayLike, scale: ArrayLike) -> Array:
        """Heatmaps of crops -> keypoints in the image.

        Args:
            heatmaps: (N, K, H, W), an array, or a tensor on any device. center: (N, 2) image pixels. scale: (N, 2)
                units of `PIXEL_STD` pixels.
        Returns:
            (N, K, 3): x, y in image pixels and the heatmap's maximum as score.
        """
        own = heatmaps if isinstance(heatmaps, Tensor) else torch.from_numpy(np.array(heatmaps, np.float32))
        maps = own.float()
        with torch.inference_mode():
            found = self.heatmap_keypoints(maps).cpu().numpy()
        return in_image(found, (maps.shape[3], maps.shape[2]), center, scale)

    def check(self, heatmaps: Tensor) -> None:
        """Refuse what a network gives for a crop if `decode` cannot read it.

        Raises:
            ConfigError: no heatmaps, or of another size.
        """
        size = [heatmaps.shape[3], heatmaps.shape[2]] if heatmaps.dim() == 4 else None
        if size is None or heatmaps.shape[1] != NUM_KEYPOINTS:
            raise ConfigError(f"the network gives {list(heatmaps.shape)} for a crop, not {NUM_KEYPOINTS} heatmaps.")
        if size != list(self.heatmap_size):
            raise ConfigError(f"data_cfg.heatmap_size is {list(self.heatmap_size)}, the network gives {size}.")

    def heatmap_keypoints(self, heatmaps: Tensor) -> Tensor:
        """Heatmaps (N, K, H, W) float32 -> (N, K, 3): x, y in heatmap pixels, (-1, -1) where nothing is positive, and
        the maximum as score."""
        points, scores = peaks(heatmaps)
        if self.post_process is None:
            refined = points.to(heatmaps)
        elif self.post_process == "default":
            refined = quarter_shifted(heatmaps, points)
        else:
            refined = self._dark(heatmaps, points, scores)
        found = (scores > 0)[..., None]
        return torch.cat([torch.where(found, refined, -torch.ones_like(refined)), scores[..., None]], -1)

    def _dark(self, heatmaps: Tensor, points: Tensor, highest: Tensor) -> Tensor:
        """DARK, for all joints; with a temperature from the peak of the blurred softmax."""
        if self.temperature is None:
            return dark(heatmaps, points, highest, int(self.kernel))
        maps = blurred((self.temperature * (heatmaps - highest[..., None, None])).exp(), int(self.kernel))
        points = peaks(maps)[0]
        return newton_step(maps, points, around(maps, points))


@dataclass(frozen=True)
class CropKeypoints:
    """The codec of a network that has its decoding in its graph: crops -> keypoints (N, 21, 3), crop pixels.

    Args:
        image_size: width, height of the crop in pixels.
    """

    image_size: Sequence[int]

    def decode(self, keypoints: Tensor, center: ArrayLike, scale: ArrayLike) -> Array:
        """Keypoints (N, 21, 3) in crop pixels -> in image pixels; ``center`` and ``scale`` as in `HeatmapCodec`."""
        return in_image(keypoints.cpu().numpy(), self.image_size, center, scale)

    def check(self, keypoints: Tensor) -> None:
        """Refuse what a network gives for a crop if it is not the keypoints of one hand.

        Raises:
            ConfigError: another shape.
        """
        if tuple(keypoints.shape) != (1, NUM_KEYPOINTS, 3):
            raise ConfigError(f"the network gives {list(keypoints.shape)} for a crop, not [1, {NUM_KEYPOINTS}, 3].")


def build_codec(settings: ModelSettings) -> HeatmapCodec | CropKeypoints:
    """What reads the output of the keypoint network of a model.

    Raises:
        ConfigError: sizes or a decoding that are not possible.
    """
    if settings.decoding is None:
        return CropKeypoints(settings.image_size)
    sizes = {"image_size": settings.image_size, "heatmap_size": settings.heatmap_size}
    return HeatmapCodec.from_settings(settings.decoding, **sizes)


def in_image(keypoints: Array, size: Sequence[int], center: ArrayLike, scale: ArrayLike) -> Array:
    """Keypoints (N, K, 3) in pixels of a crop or heatmap of ``size``, width and height -> in image pixels.

    Args:
        center: (N, 2) image pixels. scale: (N, 2) units of `PIXEL_STD` pixels.
    """
    side = np.asarray(scale, np.float32)[:, None] * np.float32(PIXEL_STD)
    points = keypoints[..., :2] * (side / np.asarray(size, np.float32)) + np.asarray(center)[:, None] - side * 0.5
    return np.concatenate([points, keypoints[..., 2:]], axis=-1).astype(np.float32)
