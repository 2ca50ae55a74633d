"""Keypoint metrics against tests/golden/metrics.npz (EasyCV 0.11.7's KeyPointEvaluator), 1e-6."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from modelscope_handkp.data import metrics
from modelscope_handkp.errors import InputError

BOX = [[0, 0, 10, 100]]
ARRAYS = ("predictions", "joints", "visible", "box_xywh")


def test_golden(golden: Callable[[str], Any]) -> None:
    data = golden("metrics.npz")
    before = {key: value.copy() for key, value in data.items()}
    result = metrics.evaluate_keypoints(*(data[key] for key in ARRAYS))
    for name in ("PCK", "AUC", "EPE", "NME"):
        assert result[name] == pytest.approx(float(data[name]), abs=1e-6), name
    assert all(np.array_equal(data[key], before[key]) for key in data)


def test_by_joint(golden: Callable[[str], Any]) -> None:
    data = golden("metrics.npz")
    result = metrics.evaluate_keypoints(*(data[key] for key in ARRAYS))
    assert result["PCK_joints"].shape == (21,)
    assert np.nanmean(result["PCK_joints"]) == pytest.approx(result["PCK"])
    assert result["hands"] == 40


def test_hands_are_small_below_48_pixels_and_large_from_128() -> None:
    sides = [10, 47, 48, 127, 128, 500]
    boxes = [[0, 0, side, side / 2] if side % 2 else [0, 0, side / 2, side] for side in sides]
    joints = np.zeros((6, 1, 2))
    hit = np.array([1, 0, 0, 1, 1, 0])
    predictions = np.where(hit, 0.0, 1000.0)[:, None, None] * np.ones((6, 1, 2))
    result = metrics.evaluate_keypoints(predictions, joints, np.ones((6, 1)), boxes)
    assert (result["PCK_small"], result["PCK_medium"], result["PCK_large"]) == (0.5, 0.5, 0.5)
    alone = metrics.evaluate_keypoints(predictions[:1], joints[:1], np.ones((1, 1)), boxes[:1])
    assert alone["PCK_small"] == 1 and np.isnan(alone["PCK_medium"]) and np.isnan(alone["PCK_large"])


def test_thresholds_are_given() -> None:
    given = np.array([[[3.0, 4.0]]]), np.zeros((1, 1, 2)), np.ones((1, 1)), [[0, 0, 20, 20]]
    assert metrics.evaluate_keypoints(*given)["PCK"] == 0
    assert metrics.evaluate_keypoints(*given, pck_threshold=0.3)["PCK"] == 1
    assert metrics.evaluate_keypoints(*given, auc_range=5.0)["AUC"] == 0
    assert metrics.evaluate_keypoints(*given, auc_range=10.0)["AUC"] == pytest.approx(9 / 20)


def test_distances_are_in_the_plane_and_of_annotated_keypoints() -> None:
    predictions = np.array([[[3.0, 4.0, 9.0], [1.0, 1.0, 9.0]]])
    joints, visible = np.zeros((1, 2, 3)), np.array([[[0.1, 0, 0], [0, 1, 1]]])
    np.testing.assert_array_equal(metrics.distances(predictions, joints, visible), [[5.0, np.nan]])
    np.testing.assert_array_equal(metrics.distances(predictions, joints, [[0, 2]]), [[np.nan, np.sqrt(2)]])


def test_pck_is_strict_and_takes_the_larger_side() -> None:
    far = np.array([[19.9, 20.0, np.nan]])
    np.testing.assert_array_equal(metrics.pck_per_joint(far, BOX), [1.0, 0.0, np.nan])
    assert metrics.pck(far, BOX) == 0.5
    assert metrics.pck(far, [[0, 0, 100, 10]]) == 0.5
    assert metrics.pck(far, [[500, 500, 100, 10]], threshold=0.25) == 1


def test_pck_of_a_box_without_extent_has_no_sample() -> None:
    assert np.isnan(metrics.pck_per_joint(np.zeros((1, 2)), [[0, 0, 0, 0]])).all()


def test_pck_averages_keypoints_not_samples() -> None:
    far = np.array([[0.0, 0.0], [np.nan, 99.0], [np.nan, 99.0]])
    assert metrics.pck(far, np.repeat(BOX, 3, axis=0)) == pytest.approx((1 + 1 / 3) / 2)
    assert metrics.epe(far) == pytest.approx(198 / 4)


def test_accuracy_with_a_threshold_for_each_hand() -> None:
    far = np.array([[1.0, 3.0], [3.0, 3.0]])
    assert metrics.accuracy_per_joint(far, [2.0, 4.0]).tolist() == [1.0, 0.5]


def test_auc_of_perfect_and_of_hopeless() -> None:
    assert metrics.auc(np.zeros((2, 21))) == pytest.approx(0.95)  # threshold 0 is strict
    assert metrics.auc(np.full((2, 21), 31.0)) == 0
    assert metrics.auc(np.full((2, 21), 14.0)) == pytest.approx(0.5)  # nearer than 15, 16.5 ... 28.5
    assert metrics.auc(np.full((2, 21), 4.0), pixels=10, steps=5) == pytest.approx(2 / 5)  # nearer than 6 and 8


def test_nme_with_a_normaliser() -> None:
    far = np.array([[2.0, 4.0], [6.0, np.nan]])
    assert metrics.nme(far) == metrics.epe(far) == 4
    assert metrics.nme(far, [2.0, 3.0]) == pytest.approx((1 + 2 + 2) / 3)


def test_nothing_annotated_is_zero_not_nan() -> None:
    result = metrics.evaluate_keypoints(np.ones((2, 21, 3)), np.ones((2, 21, 3)), np.zeros((2, 21)), np.ones((2, 4)))
    assert (result["PCK"], result["AUC"], result["EPE"]) == (0, 0, 0)


@pytest.mark.parametrize("hands", [(2, 3, 3), (3, 3, 2)])
def test_shapes_that_do_not_fit(hands: tuple[int, int, int]) -> None:
    predictions, joints, visible = (np.zeros((count, 21, 2)) for count in hands)
    with pytest.raises(InputError, match=r"\(2, 21, 2\)"):
        metrics.distances(predictions, joints, visible)


def heatmaps(*peaks: tuple[int, int], width: int = 40, height: int = 20) -> torch.Tensor:
    """(1, K, height, width) with a peak at (x, y) each."""
    made = torch.zeros(1, len(peaks), height, width)
    for index, (x, y) in enumerate(peaks):
        made[0, index, y, x] = 1
    return made


def test_heatmap_peaks_are_near_within_a_twentieth_of_the_sides() -> None:
    target = heatmaps((10, 10), (10, 10), (10, 10), (10, 10), (39, 0))
    found = heatmaps((11, 10), (12, 10), (10, 11), (9, 10), (0, 1))
    # off by 1/40 of the width: near; by 2/40: not; by 1/20 of the height: not; the last is far away
    assert metrics.heatmap_accuracy(found, target, torch.ones(1, 5, 1)) == pytest.approx(2 / 5)
    assert metrics.heatmap_accuracy(found, target, torch.ones(1, 5, 1), near=0.051) == pytest.approx(4 / 5)
    quarter = heatmaps((20, 10), (10, 15), (19, 10), (10, 14))
    assert metrics.heatmap_accuracy(quarter, target[:, :4], torch.ones(1, 4, 1), near=0.25) == 0.5  # strict


def test_heatmap_accuracy_counts_annotated_keypoints_alike() -> None:
    target = torch.cat([heatmaps((5, 5), (5, 5), (5, 5))] * 2)
    found = torch.cat([heatmaps((5, 5), (20, 5), (20, 5)), heatmaps((5, 5), (5, 5), (20, 5))])
    weight = torch.tensor([[[0.3], [1.0], [0.0]], [[0.0], [1.0], [0.0]]])
    assert metrics.heatmap_accuracy(found, target, weight) == pytest.approx((1 + 1 / 2) / 2)
    assert metrics.heatmap_accuracy(found, target, torch.zeros(2, 3, 1)) == 0
