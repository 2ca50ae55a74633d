"""Detected hands, borne out by their keypoints or not."""

import numpy as np
import pytest

from modelscope_handkp import Hands
from modelscope_handkp.confirm import confirm

SIDE = 100.0
RNG = np.random.default_rng(0)
SPREAD = RNG.uniform(0, SIDE, (21, 2)).astype(np.float32)


def hand(x: float, mean: float, shape: np.ndarray = SPREAD, side: float = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (21, 3) and box (4,) of a hand with its corner at (x, 0)."""
    keypoints = np.column_stack([shape + np.array([x, 0]), np.full(21, mean)])
    return keypoints.astype(np.float32), np.array([x, 0, x + side, side], np.float32)


def hands(*rows: tuple[np.ndarray, np.ndarray], scores: list[float]) -> Hands:
    return Hands(np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows]), np.array(scores, np.float32))


def test_fourth_root_of_the_score_times_mean_keypoint_score_decides() -> None:
    found = hands(hand(0, 0.5), hand(500, 0.2), hand(1000, 0.9), scores=[0.2401, 0.6561, 0.0001])  # 0.35, 0.18, 0.09
    np.testing.assert_array_equal(confirm(found, 0.2).scores, np.float32([0.2401]))
    assert [len(confirm(found, threshold)) for threshold in (0.0, 0.17, 0.34, 0.36)] == [3, 2, 1, 0]


def test_scores_of_a_detector_that_gives_logits_do_not_fail() -> None:
    assert len(confirm(hands(hand(0, 0.5), hand(500, 0.5), scores=[-3.0, 7.0]), 0.2)) == 1


def test_of_two_boxes_about_one_hand_the_one_with_better_keypoints_stays() -> None:
    found = hands(hand(0, 0.4, side=160), hand(3, 0.6), hand(400, 0.3), scores=[0.9, 0.5, 0.8])
    kept = confirm(found, 0.1)
    np.testing.assert_array_equal(kept.boxes, found.boxes[1:])
    np.testing.assert_array_equal(kept.keypoints, found.keypoints[1:])


def test_two_hands_in_much_the_same_box_stay() -> None:
    mirrored = SPREAD[:, ::-1]
    found = hands(hand(0, 0.5), hand(5, 0.5, shape=mirrored), scores=[0.9, 0.9])
    assert len(confirm(found, 0.1)) == 2


@pytest.mark.parametrize("apart", [0.19, 0.21])
def test_near_is_measured_by_the_smaller_box(apart: float) -> None:
    found = hands(hand(0, 0.6), hand(apart * SIDE, 0.5, side=5 * SIDE), scores=[0.9, 0.9])
    assert len(confirm(found, 0.1)) == (1 if apart < 0.2 else 2)


def test_none_stays_none() -> None:
    assert len(confirm(Hands.empty(), 0.5)) == 0
