"""The filter steadies points at rest, follows moving ones, and takes the true time between frames."""

import math
from typing import Any

import numpy as np
import pytest

from modelscope_handkp.errors import InputError
from modelscope_handkp.tracking.one_euro import OneEuro, PointFilter

RATE = 30.0


def filtered(points: np.ndarray, times: np.ndarray, length: float = 100.0, **settings: float) -> np.ndarray:
    smooth = PointFilter(OneEuro(**settings))
    return np.array([smooth(row, time, length) for row, time in zip(points, times)])


def test_the_formula_of_the_paper() -> None:
    """Casiez et al. (2012), section 3, done by hand for two steps of one point."""
    settings = {"min_cutoff": 2.0, "beta": 0.5, "speed_cutoff": 1.0}
    points = np.array([[[0.0, 0.0]], [[3.0, 4.0]], [[3.0, 4.0]]])
    times = np.array([0.0, 0.1, 0.3])

    def alpha(cutoff: float, step: float) -> float:
        return 1 / (1 + 1 / (2 * math.pi * cutoff * step))

    speed = alpha(1.0, 0.1) * np.array([3.0, 4.0]) / 0.1
    first = alpha(2.0 + 0.5 * np.hypot(*speed), 0.1) * np.array([3.0, 4.0])
    newer = (np.array([3.0, 4.0]) - first) / 0.2
    speed = speed + alpha(1.0, 0.2) * (newer - speed)
    second = first + alpha(2.0 + 0.5 * np.hypot(*speed), 0.2) * (np.array([3.0, 4.0]) - first)
    np.testing.assert_allclose(filtered(points, times, 1.0, **settings)[:, 0], [[0, 0], first, second])


def test_a_point_at_rest_is_steadier_and_in_its_place() -> None:
    noise = np.random.default_rng(1).normal(0, 1, (300, 21, 2))
    smooth = filtered(50 + noise, np.arange(300) / RATE)
    assert smooth[30:].std(axis=0).mean() < 0.6
    np.testing.assert_allclose(smooth[30:].mean(axis=(0, 1)), 50, atol=0.2)


def test_a_moving_point_lags_less_than_a_frame() -> None:
    times = np.arange(60) / RATE
    position = 100 * times  # one hand length a second
    smooth = filtered(position[:, None, None] * np.array([1.0, 0.0]), times)[:, 0, 0]
    assert (position - smooth)[30:].max() < 100 / RATE


def test_the_size_of_the_hand_does_not_matter() -> None:
    points = np.random.default_rng(2).normal(0, 3, (40, 21, 2)).cumsum(axis=0)
    times = np.arange(40) / RATE
    np.testing.assert_allclose(filtered(points * 7, times, 700.0), filtered(points, times, 100.0) * 7)


def test_a_frame_that_is_late_counts_for_more() -> None:
    points = np.array([[[0.0, 0.0]], [[1.0, 0.0]]])
    soon, late = (filtered(points, np.array([0.0, step]))[1, 0, 0] for step in (1 / 60, 1 / 5))
    assert 0 < soon < late < 1


@pytest.mark.parametrize("time", [0.0, -1.0])
def test_a_time_that_is_not_later_starts_anew(time: float) -> None:
    points = np.array([[[0.0, 0.0]], [[9.0, 0.0]]])
    assert filtered(points, np.array([0.0, time]))[1, 0, 0] == 9


@pytest.mark.parametrize(
    "wrong", [{"min_cutoff": 0}, {"min_cutoff": -1.0}, {"beta": -0.1}, {"speed_cutoff": math.nan}, {"beta": math.inf},
              {"min_cutoff": "1"}, {"beta": None}, {"beta": True}]
)  # fmt: skip
def test_settings_out_of_range_are_refused_by_name(wrong: dict[str, Any]) -> None:
    (name,) = wrong
    with pytest.raises(InputError, match=f"OneEuro.{name} must be a number"):
        OneEuro(**wrong)


def test_no_beta_is_a_low_pass() -> None:
    assert OneEuro(beta=0).beta == 0
