"""Detected hands, borne out by their keypoints or not."""

import numpy as np
import pytest

from modelscope_handkp import Hands
from modelscope_handkp.geometry.boxes import iou
from modelscope_handkp.pose.refine import FLESH, LOOSE_IOU, PLAUSIBLE_MEAN, confirm, loose_boxes, replace_worse

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
    np.testing.assert_array_equal(confirm(found, 0.2).scores, np.array([0.2401], np.float32))
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


def test_loose_are_boxes_that_overlap_their_keypoints_too_little() -> None:
    keypoints, box = hand(100, 0.5)
    far, empty = box + np.array([60, 0, 60, 0], np.float32), box + np.array([500, 0, 500, 0], np.float32)
    unclear, _ = hand(100, PLAUSIBLE_MEAN - 0.01)
    found = hands((keypoints, box), (keypoints, far), (unclear, far), (keypoints, empty), scores=[0.5] * 4)
    indices, around = loose_boxes(found, 1000, 1000)
    assert indices.tolist() == [1]
    assert iou(around, far[None])[0, 0] < LOOSE_IOU < iou(around, box[None])[0, 0]


def test_the_box_around_keypoints_leaves_room_for_flesh_and_ends_with_the_picture() -> None:
    keypoints, box = hand(100, 0.5)
    wide = hands((keypoints, box * np.array([1, 1, 3, 3], np.float32)), scores=[0.5])
    _, around = loose_boxes(wide, 1000, 1000)
    low, high = keypoints[:, :2].min(axis=0), keypoints[:, :2].max(axis=0)
    flesh = FLESH * (high - low).max()
    np.testing.assert_allclose(around[0], np.clip([*low - flesh, *high + flesh], 0, 1000), rtol=1e-5)
    _, cut = loose_boxes(wide, 150, 80)
    np.testing.assert_allclose(cut[0], np.minimum(around[0], [150, 80, 150, 80]), rtol=1e-5)


def test_only_better_keypoints_replace_and_their_boxes_with_them() -> None:
    found = hands(hand(0, 0.3), hand(200, 0.5), hand(400, 0.4), scores=[0.7, 0.8, 0.9])
    others = hands(hand(10, 0.6), hand(410, 0.4), scores=[1.0, 1.0])
    merged = replace_worse(found, np.array([0, 2]), others)
    np.testing.assert_array_equal(merged.scores, found.scores)
    np.testing.assert_array_equal(merged.boxes, np.stack([others.boxes[0], *found.boxes[1:]]))
    np.testing.assert_array_equal(merged.keypoints, np.stack([others.keypoints[0], *found.keypoints[1:]]))


def test_no_hand_has_no_loose_box() -> None:
    indices, around = loose_boxes(Hands.empty(), 100, 100)
    assert len(replace_worse(Hands.empty(), indices, Hands.empty())) == len(around) == 0
