"""Keypoints <-> heatmaps: `HeatmapCodec.encode` makes training targets, `HeatmapCodec.decode` reads outputs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike

from ..arrays import Array
from ..errors import ConfigError
from ..geometry.boxes import PIXEL_STD
from ..model_dir.settings import DEFAULT_KERNEL, DecodingSettings

GAUSSIAN_REACH = 3  # a target's blob reaches this many sigmas
VISIBLE = 0.5  # a keypoint gets a blob when its weight is above this
LOG_FLOOR = 1e-10  # keeps the logarithm of a heatmap finite
QUARTER = 0.25  # the shift of post_process "default", in heatmap pixels
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

    def decode(self, heatmaps: ArrayLike, center: ArrayLike, scale: ArrayLike) -> Array:
        """Heatmaps of crops -> keypoints in the image.

        Args:
            heatmaps: (N, K, H, W). center: (N, 2) image pixels. scale: (N, 2) units of `PIXEL_STD` pixels.
        Returns:
            (N, K, 3): x, y in image pixels and the heatmap's maximum as score.
        """
        heatmaps = np.asarray(heatmaps, np.float32)
        count, joints, height, width = heatmaps.shape
        points, scores = _argmax(heatmaps)
        if self.post_process is not None:
            dark = self._dark if self.temperature is None else self._dark_of_softmax
            refine = dark if self.post_process == "unbiased" else _quarter_shift
            for n in range(count):
                for k in range(joints):
                    points[n, k] = refine(heatmaps[n, k], points[n, k])
        side = np.asarray(scale, np.float32)[:, None] * np.float32(PIXEL_STD)
        points = points * (side / np.array([width, height], np.float32)) + np.asarray(center)[:, None] - side * 0.5
        return np.concatenate([points, scores[..., None]], axis=-1).astype(np.float32)

    def _dark(self, heatmap: Array, point: Array) -> Array:
        """A Newton step on the logarithm of the blurred heatmap, from its argmax."""
        if not _has_room(heatmap, point):
            return point
        blurred = self._blurred(heatmap)
        return _newton_step(blurred * (heatmap.max() / blurred.max()), point)

    def _dark_of_softmax(self, heatmap: Array, point: Array) -> Array:
        """The same step from the peak of the blurred softmax; a point at (-1, -1) stays there."""
        if point[0] < 0:
            return point
        blurred = self._blurred(np.exp(self.temperature * (heatmap - heatmap.max())))
        y, x = np.unravel_index(blurred.argmax(), blurred.shape)
        peak = np.array([x, y], np.float32)
        return _newton_step(blurred, peak) if _has_room(blurred, peak) else peak

    def _blurred(self, heatmap: Array) -> Array:
        kernel = (int(self.kernel), int(self.kernel))
        return np.asarray(cv2.GaussianBlur(heatmap, kernel, 0, borderType=cv2.BORDER_CONSTANT))


def _has_room(heatmap: Array, point: Array) -> bool:
    """Whether two pixels lie on each side of the point."""
    height, width = heatmap.shape
    return bool(1 < point[0] < width - 2 and 1 < point[1] < height - 2)


def _newton_step(blurred: Array, point: Array) -> Array:
    """From a pixel of a blurred heatmap toward the maximum of its logarithm."""
    x, y = int(point[0]), int(point[1])
    log = np.log(np.maximum(blurred[y - 2 : y + 3, x - 2 : x + 3], LOG_FLOOR))
    gradient = 0.5 * np.array([log[2, 3] - log[2, 1], log[3, 2] - log[1, 2]])
    dxx = 0.25 * (log[2, 4] - 2 * log[2, 2] + log[2, 0])
    dyy = 0.25 * (log[4, 2] - 2 * log[2, 2] + log[0, 2])
    dxy = 0.25 * (log[3, 3] - log[1, 3] - log[3, 1] + log[1, 1])
    determinant = dxx * dyy - dxy * dxy
    if determinant == 0:
        return point
    step = np.array([dyy * gradient[0] - dxy * gradient[1], dxx * gradient[1] - dxy * gradient[0]]) / determinant
    return np.asarray(point - step, np.float32)


def _argmax(heatmaps: Array) -> tuple[Array, Array]:
    """(N, K, H, W) -> points (N, K, 2) in heatmap pixels, (-1, -1) where nothing is positive; scores (N, K)."""
    count, joints, height, width = heatmaps.shape
    flat = heatmaps.reshape(count, joints, height * width)
    index = flat.argmax(axis=2)
    scores = np.take_along_axis(flat, index[..., None], axis=2)[..., 0]
    points = np.stack([index % width, index // width], axis=-1).astype(np.float32)
    points[scores <= 0] = -1
    return points, scores


def _quarter_shift(heatmap: Array, point: Array) -> Array:
    height, width = heatmap.shape
    x, y = int(point[0]), int(point[1])
    if not (1 < x < width - 1 and 1 < y < height - 1):
        return point
    slope = [heatmap[y, x + 1] - heatmap[y, x - 1], heatmap[y + 1, x] - heatmap[y - 1, x]]
    return np.asarray(point + np.sign(slope) * QUARTER, np.float32)
