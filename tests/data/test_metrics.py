"""Keypoint metrics against tests/golden/metrics.npz (EasyCV 0.11.7's KeyPointEvaluator), 1e-6."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from modelscope_handkp.data import metrics
from modelscope_handkp.errors import InputError

BOX = [[0, 0, 10, 100]]


def test_golden(golden: Callable[[str], Any]) -> None:
    data = golden("metrics.npz")
    before = {key: value.copy() for key, value in data.items()}
    result = metrics.evaluate(data["predictions"], data["joints"], data["visible"], data["box_xywh"])
    for name in ("PCK", "AUC", "EPE", "NME"):
        assert result[name] == pytest.approx(float(data[name]), abs=1e-6), name
    assert all(np.array_equal(data[key], before[key]) for key in data)


def test_by_joint_and_by_size(golden: Callable[[str], Any]) -> None:
    data = golden("metrics.npz")
    result = metrics.evaluate(data["predictions"], data["joints"], data["visible"], data["box_xywh"])
    assert result["PCK_joints"].shape == (21,)
    assert np.nanmean(result["PCK_joints"]) == pytest.approx(result["PCK"])
    assert result["hands"] == 40
    sides = data["box_xywh"][:, 2:].max(axis=1)
    small = sides < metrics.SIZE_LIMITS["small"]
    alone = metrics.evaluate(*(data[key][small] for key in ("predictions", "joints", "visible", "box_xywh")))
    assert result["PCK_small"] == alone["PCK"]
    assert np.isnan(result["PCK_large"]) == (not (sides >= metrics.SIZE_LIMITS["medium"]).any())


def test_pck_is_strict_and_takes_the_larger_side() -> None:
    far = np.array([[19.9, 20.0, np.nan]])
    np.testing.assert_array_equal(metrics.pck_per_joint(far, BOX), [1.0, 0.0, np.nan])
    assert metrics.pck(far, BOX) == 0.5


def test_pck_averages_keypoints_not_samples() -> None:
    far = np.array([[0.0, 0.0], [np.nan, 99.0], [np.nan, 99.0]])
    assert metrics.pck(far, np.repeat(BOX, 3, axis=0)) == pytest.approx((1 + 1 / 3) / 2)
    assert metrics.epe(far) == pytest.approx(198 / 4)


def test_auc_of_perfect_and_of_hopeless() -> None:
    assert metrics.auc(np.zeros((2, 21))) == pytest.approx(0.95)  # threshold 0 is strict
    assert metrics.auc(np.full((2, 21), 31.0)) == 0


def test_nme_with_a_normaliser() -> None:
    far = np.array([[2.0, 4.0], [6.0, np.nan]])
    assert metrics.nme(far) == metrics.epe(far) == 4
    assert metrics.nme(far, [2.0, 3.0]) == pytest.approx((1 + 2 + 2) / 3)


def test_nothing_annotated_is_zero_not_nan() -> None:
    result = metrics.evaluate(np.ones((2, 21, 3)), np.ones((2, 21, 3)), np.zeros((2, 21)), np.ones((2, 4)))
    assert (result["PCK"], result["AUC"], result["EPE"]) == (0, 0, 0)


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(InputError, match=r"\(2, 21, 2\)"):
        metrics.distances(np.zeros((2, 21, 2)), np.zeros((3, 21, 2)), np.zeros((3, 21)))
