"""Image <-> crop: one 2x3 matrix, how it is made, inverted and applied."""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from .boxes import PIXEL_STD


def crop_matrix(center: ArrayLike, scale: ArrayLike, rotation: float, size: ArrayLike) -> NDArray[np.float64]:
    """The affine map that takes image pixels to crop pixels.

    Three points fix it, as in the network's training (Xiao et al. 2018, "Simple Baselines"): the centre, a point half
    the crop's width above it, and the one that makes a right angle. The width alone sets the zoom; the height follows
    from the crop's aspect ratio.

    Args:
        center: (2,) image pixels. scale: (2,) units of `PIXEL_STD` pixels.
        rotation: degrees. size: (2,) width, height of the crop in pixels.
    Returns:
        (2, 3) float64.
    """
    center, size = np.asarray(center, np.float32), np.asarray(size, np.float32)
    side = float(np.asarray(scale).reshape(-1)[0]) * PIXEL_STD
    radians = np.deg2rad(rotation)
    up = np.array([np.sin(radians), -np.cos(radians)], np.float64) * (side * 0.5)
    source = _right_angle(center.astype(np.float64), up)
    target = _right_angle(size.astype(np.float64) * 0.5, np.array([0.0, -0.5 * size[0]]))
    return np.asarray(cv2.getAffineTransform(source, target), np.float64)


def _right_angle(corner: NDArray[np.float64], arm: NDArray[np.float64]) -> NDArray[np.float32]:
    """(3, 2): the corner, the end of its arm, and that end's neighbour at a right angle."""
    end, quarter = corner + arm, np.array([arm[1], -arm[0]])
    return np.array([corner, end, end + quarter], np.float32)


def invert(matrix: ArrayLike) -> NDArray[np.float64]:
    """The (2, 3) matrix of the way back."""
    return np.asarray(cv2.invertAffineTransform(np.asarray(matrix, np.float64)), np.float64)


def warp_points(points: ArrayLike, matrix: ArrayLike) -> NDArray[np.float64]:
    """(..., 2) points through a (2, 3) matrix."""
    points, matrix = np.asarray(points, np.float64), np.asarray(matrix, np.float64)
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float64)
