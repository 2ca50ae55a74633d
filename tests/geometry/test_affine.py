"""The matrix between image and crop."""

from typing import Any

import numpy as np
import pytest

from modelscope_handkp.geometry.affine import crop_matrix, invert, warp_points


def test_joints_are_warped_as_easycv_does(golden: Any) -> None:
    """golden/preprocess.npz, 1e-3 px; only visible joints move."""
    arrays = golden("preprocess.npz")
    for i in range(6):
        matrix = crop_matrix(arrays["center"][i], arrays["scale"][i], arrays["rotation"][i], (256, 256))
        seen = arrays["visible"][i][:, 0] > 0
        warped = warp_points(arrays["joints"][i][seen, :2], matrix)
        np.testing.assert_allclose(warped, arrays["warped_joints"][i][seen, :2], atol=1e-3)


@pytest.mark.parametrize("rotation", [0, 30, -90, 180])
def test_the_centre_is_the_crops_centre_whatever_the_rotation(rotation: float) -> None:
    matrix = crop_matrix((100, 50), (0.5, 0.5), rotation, (64, 64))
    np.testing.assert_allclose(warp_points([100, 50], matrix), [32, 32], atol=1e-4)


def test_the_scales_width_fills_the_crops_width() -> None:
    matrix = crop_matrix((100, 50), (0.5, 0.9), 0, (64, 48))
    np.testing.assert_allclose(warp_points([[50, 50], [150, 50]], matrix), [[0, 24], [64, 24]], atol=1e-3)


def test_there_and_back() -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(-100, 500, (3, 21, 2))
    matrix = crop_matrix(rng.uniform(0, 300, 2), rng.uniform(0.2, 2, 2), 33.0, (256, 256))
    np.testing.assert_allclose(warp_points(warp_points(points, matrix), invert(matrix)), points, atol=1e-6)
