"""Decoding for all joints at once."""

import cv2
import numpy as np
import pytest
import torch

from modelscope_handkp.pose.decoding import around, blurred, blurred_around, peaks


def maps(count: int = 2, joints: int = 3, height: int = 20, width: int = 14) -> torch.Tensor:
    return torch.rand(count, joints, height, width, generator=torch.Generator().manual_seed(0))


def test_peaks_are_the_first_of_the_highest() -> None:
    values = torch.zeros(1, 3, 4, 5)
    values[0, 0, 2, 3] = 7
    values[0, 1, 1, 4] = values[0, 1, 3, 0] = 2
    points, scores = peaks(values)
    assert points.tolist() == [[[3, 2], [4, 1], [0, 0]]]
    assert scores.tolist() == [[7, 2, 0]]


@pytest.mark.parametrize("kernel", [1, 3, 11, 17, 61])
def test_the_blur_is_opencvs_with_nothing_beyond_the_border(kernel: int) -> None:
    values = maps()
    padded = np.pad(values.numpy(), ((0, 0), (0, 0), (kernel, kernel), (kernel, kernel)))
    expected = [[cv2.GaussianBlur(joint, (kernel, kernel), 0) for joint in hand] for hand in padded]
    inner = np.array(expected)[:, :, kernel:-kernel, kernel:-kernel]
    np.testing.assert_allclose(blurred(values, kernel), inner, atol=1e-5)


@pytest.mark.parametrize("kernel", [1, 11, 61])
def test_the_blur_around_points_is_that_of_the_whole(kernel: int) -> None:
    values = maps()
    points = torch.tensor([[[2, 2], [11, 17], [7, 9]], [[5, 2], [2, 17], [11, 3]]])
    torch.testing.assert_close(blurred_around(values, points, kernel), around(blurred(values, kernel), points))


def test_values_around_points_come_row_by_row() -> None:
    values = torch.arange(70.0).reshape(1, 1, 7, 10)
    found = around(values, torch.tensor([[[4, 3]]]))[0, 0].tolist()
    assert found == [10 * y + x for y in range(1, 6) for x in range(2, 7)]
