"""Heatmaps -> keypoints in heatmap pixels, for all hands and joints at once, on the device where the heatmaps are.

Plain tensor operations, so that an exported network can have them in its graph.
"""

import functools

import cv2
import numpy as np
import torch
from torch import Tensor

from ..arrays import Array

LOG_FLOOR = 1e-10  # keeps the logarithm of a heatmap finite
QUARTER = 0.25  # the shift of post_process "default", in heatmap pixels
REACH = 2  # pixels around a peak that its differences take in


def peaks(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Maps (N, K, H, W) -> where each is highest, (N, K, 2) x, y as whole pixels, and how high, (N, K)."""
    index = maps.flatten(2).argmax(2)
    scores = maps.flatten(2).gather(2, index[..., None])[..., 0]
    width = maps.shape[3]
    return torch.stack([index % width, torch.div(index, width, rounding_mode="floor")], -1), scores


def quarter_shifted(maps: Tensor, points: Tensor) -> Tensor:
    """Peaks (N, K, 2) of maps (N, K, H, W), whole pixels -> a quarter of a pixel toward the higher neighbour."""
    slope = around(maps, points) @ torch.from_numpy(_differences()[:, :2]).to(maps)
    return torch.where(_has_room(maps, points, 1), points + slope.sign() * QUARTER, points.to(maps))


def dark(maps: Tensor, points: Tensor, highest: Tensor, kernel: int) -> Tensor:
    """DARK (Zhang et al. 2020, arXiv:1910.06278): one Newton step on the logarithm of blurred maps.

    Args:
        maps: (N, K, H, W). points: (N, K, 2), their peaks, whole pixels. highest: (N, K), their maxima, to which the
            blurred peaks are scaled. kernel: odd side of the blur, pixels.
    """
    values = blurred_around(maps, points, kernel)
    return newton_step(maps, points, values * (highest[..., None] / values.amax(-1, keepdim=True)))


def newton_step(maps: Tensor, points: Tensor, values: Tensor) -> Tensor:
    """Peaks (N, K, 2) of maps (N, K, H, W), whole pixels -> one Newton step on the logarithm from there (DARK's
    equation 10).

    A peak with fewer than two pixels on a side, or whose second differences have the determinant 0, stays.

    Args:
        values: (N, K, 25) around the peaks, as `around` gives them.
    """
    log = values.clamp_min(LOG_FLOOR).log()
    dx, dy, dxx, dyy, dxy = (log @ torch.from_numpy(_differences()).to(log)).unbind(-1)
    determinant = dxx * dyy - dxy * dxy
    step = torch.stack([dyy * dx - dxy * dy, dxx * dy - dxy * dx], -1) / determinant[..., None]
    solvable = _has_room(maps, points, REACH) & (determinant != 0)[..., None]
    return torch.where(solvable, points - step, points.to(maps))


@functools.cache
def _differences() -> Array:
    """(25, 5): the central differences dx, dy, dxx, dyy, dxy of the values around a point, row by row."""
    one, two, here = np.array([[0, -0.5, 0, 0.5, 0], [0.25, 0, -0.5, 0, 0.25], [0, 0, 1, 0, 0]], np.float32)
    pairs = ((here, one), (one, here), (here, two), (two, here), (one, one))  # of y and x
    return np.stack([np.outer(*pair).ravel() for pair in pairs], 1)


def blurred(maps: Tensor, kernel: int) -> Tensor:
    """Maps (N, K, H, W) through a Gaussian blur of side ``kernel``, odd, pixels; 0 beyond the border.

    As OpenCV's GaussianBlur with its own sigma for that side; as two products of matrices, which every engine has.
    """
    rows, columns = (torch.from_numpy(_blur_matrix(int(side), kernel)).to(maps) for side in maps.shape[2:])
    return rows @ maps @ columns.T


def blurred_around(maps: Tensor, points: Tensor, kernel: int) -> Tensor:
    """`around` of `blurred` maps, without the rest of them, which takes most of the time."""
    rows, columns = (torch.from_numpy(_blur_matrix(int(side), kernel)).to(maps) for side in maps.shape[2:])
    shift = torch.arange(-REACH, REACH + 1, device=maps.device)
    x, y = (
        (points[..., axis, None] + shift).clamp(0, maps.shape[3 - axis] - 1)  # a peak at the border stays
        for axis in (0, 1)
    )
    return (rows[y] @ maps @ columns[x].transpose(2, 3)).flatten(2)


@functools.lru_cache(maxsize=8)
def _blur_matrix(side: int, kernel: int) -> Array:
    """(side, side), symmetric: a signal times it is the signal blurred."""
    weights = cv2.getGaussianKernel(kernel, 0, cv2.CV_32F)[:, 0]
    offset = np.arange(side) - np.arange(side)[:, None] + kernel // 2
    inside = (offset >= 0) & (offset < kernel)
    return np.where(inside, weights[offset.clip(0, kernel - 1)], np.float32(0))


def around(maps: Tensor, points: Tensor) -> Tensor:
    """Maps (N, K, H, W) -> (N, K, 25): values around points (N, K, 2), row by row; something else beyond the border."""
    height, width = maps.shape[2:]
    shift = torch.arange(-REACH, REACH + 1, device=maps.device)
    index = points[..., :1] + points[..., 1:] * width + (shift[:, None] * width + shift).flatten()
    return maps.flatten(2).gather(2, index.clamp(0, height * width - 1))


def _has_room(maps: Tensor, points: Tensor, room: int) -> Tensor:
    """(N, K, 1): whether two pixels lie before each point and ``room`` behind it, in both directions."""
    x, y = points[..., :1], points[..., 1:]
    return (x > 1) & (x < maps.shape[3] - room) & (y > 1) & (y < maps.shape[2] - room)
