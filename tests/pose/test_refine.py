"""Which detected boxes hold a hand, of its own and well localised."""

import numpy as np
import pytest

from modelscope_handkp import Hands
from modelscope_handkp.pose.refine import confidence, kept_hands, localised, mean_scores, poorly_localised

SIDE = 100.0
RNG = np.random.default_rng(0)
SPREAD = RNG.uniform(0, SIDE, (21, 2)).astype(np.float32)


def hand(x: float, mean: float, shape: np.ndarray = SPREAD, side: float = SIDE) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (21, 3) and box (4,) of a hand with its corner at (x, 0)."""
    keypoints = np.column_stack([shape + np.array([x, 0]), np.full(21, mean)])
    return keypoints.astype(np.float32), np.array([x, 0, x + side, side], np.float32)


def hands(*rows: tuple[np.ndarray, np.ndarray], scores: list[float]) -> Hands:
    keypoints, boxes = (np.stack([row[i] for row in rows]) for i in range(2))
    return Hands(keypoints, boxes, scores, confidence(keypoints, np.array(scores)))


def filter_hands(found: Hands, threshold: float) -> Hands:
    return found[kept_hands(found.keypoints, found.boxes, found.confidence, threshold)]


def test_confidence_is_the_fourth_root_of_the_score_times_the_mean_keypoint_score() -> None:
    found = hands(hand(0, 0.5), hand(500, 0.2), hand(1000, 0.9), scores=[0.2401, 0.6561, 0.0001])
    np.testing.assert_allclose(found.confidence, [0.35, 0.18, 0.09], rtol=1e-5)
    np.testing.assert_array_equal(filter_hands(found, 0.2).scores, np.array([0.2401], np.float32))
    assert [len(filter_hands(found, threshold)) for threshold in (0.0, 0.17, 0.34, 0.36)] == [3, 2, 1, 0]


def test_the_mean_score_of_many_hands_or_of_one() -> None:
    keypoints = np.stack([hand(0, 0.5)[0], hand(0, 0.25)[0]])
    keypoints[0, :, 2] += np.linspace(-0.1, 0.1, 21)
    np.testing.assert_allclose(mean_scores(keypoints), [0.5, 0.25], rtol=1e-6)
    np.testing.assert_allclose(mean_scores(keypoints[0]), 0.5, rtol=1e-6)


def test_a_confidence_at_the_threshold_is_kept() -> None:
    assert len(filter_hands(hands(hand(0, 0.5), scores=[1.0]), 0.5)) == 1


def test_scores_of_a_detector_that_gives_logits_do_not_fail() -> None:
    assert len(filter_hands(hands(hand(0, 0.5), hand(500, 0.5), scores=[-3.0, 7.0]), 0.2)) == 1


def test_of_two_boxes_about_one_hand_the_one_with_better_keypoints_stays() -> None:
    found = hands(hand(0, 0.4, side=160), hand(3, 0.6), hand(400, 0.3), scores=[0.9, 0.5, 0.8])
    kept = filter_hands(found, 0.1)
    np.testing.assert_array_equal(kept.boxes, found.boxes[1:])
    np.testing.assert_array_equal(kept.keypoints, found.keypoints[1:])


def test_two_hands_in_much_the_same_box_stay() -> None:
    mirrored = SPREAD[:, ::-1]
    found = hands(hand(0, 0.5), hand(5, 0.5, shape=mirrored), scores=[0.9, 0.9])
    assert len(filter_hands(found, 0.1)) == 2


@pytest.mark.parametrize("apart", [0.19, 0.21])
def test_coinciding_is_measured_by_the_smaller_box(apart: float) -> None:
    found = hands(hand(0, 0.6), hand(apart * SIDE, 0.5, side=5 * SIDE), scores=[0.9, 0.9])
    assert len(filter_hands(found, 0.1)) == (1 if apart < 0.2 else 2)


@pytest.mark.parametrize(("coinciding", "kept"), [(6, 2), (7, 1)])
def test_two_hands_are_one_where_three_in_ten_keypoints_coincide(coinciding: int, kept: int) -> None:
    """6 of 21 keypoints are less than 0.3, 7 are more."""
    other = SPREAD + 50
    other[:coinciding] = SPREAD[:coinciding]
    assert len(filter_hands(hands(hand(0, 0.6), hand(0, 0.5, shape=other), scores=[0.9, 0.9]), 0.1)) == kept


def test_the_smaller_boxs_longer_side_measures_wherever_it_lies() -> None:
    """Keypoints 30 px apart are less than 0.2 of 200 px, but more than 0.2 of 100."""
    for side, kept in ((200, 1), (100, 2)):
        for width, height in ((side, 20), (20, side)):
            one = hand(1000, 0.6)[0], np.array([1000, 500, 1000 + width, 500 + height], np.float32)
            other = hand(1030, 0.5)[0], one[1]
            assert len(filter_hands(hands(one, other, scores=[0.9, 0.9]), 0.1)) == kept


def test_none_stays_none() -> None:
    assert len(filter_hands(Hands.empty(), 0.5)) == 0


def moved(box: list[float], mean: float = 0.5, width: int = 1000, height: int = 1000) -> np.ndarray:
    """The box around a hand's keypoints, which span 100..200 both ways, if ``box`` is poorly localised; else (0, 4)."""
    keypoints = np.column_stack([np.linspace(100, 200, 21), np.linspace(200, 100, 21), np.full(21, mean)])
    indices, around = poorly_localised(keypoints[None].astype(np.float32), np.array([box], np.float32), width, height)
    assert len(indices) == len(around)
    return around


def test_a_poorly_localised_box_moves_to_its_keypoints_with_a_margin() -> None:
    np.testing.assert_allclose(moved([130, 130, 260, 260]), [[94, 94, 206, 206]], rtol=1e-5)  # 0.06 of 100 px wider


def test_the_margin_is_a_share_of_the_longer_side() -> None:
    across, down = np.linspace(100, 200, 21), np.linspace(120, 130, 21)
    for x, y in ((across, down), (down, across)):
        keypoints = np.column_stack([x, y, np.full(21, 0.5)])[None].astype(np.float32)
        low, high = keypoints[0, :, :2].min(axis=0), keypoints[0, :, :2].max(axis=0)
        _, around = poorly_localised(keypoints, np.array([[90, 90, 300, 300]], np.float32), 1000, 1000)
        np.testing.assert_allclose(around, [[*(low - 6), *(high + 6)]], rtol=1e-5)


def test_the_moved_box_ends_with_the_image() -> None:
    np.testing.assert_allclose(moved([130, 130, 260, 260], width=150, height=180), [[94, 94, 150, 180]], rtol=1e-5)


@pytest.mark.parametrize(
    ("shift", "poor"), [(0, False), (24, False), (26, False), (32, True), (60, True), (112, False)]
)
def test_poorly_localised_is_less_than_six_tenths_of_overlap_but_some(shift: float, poor: bool) -> None:
    """A box of 112 px shifted sideways: (112 - s) / (112 + s) is 0.6 at s = 28 px; at 112 px nothing overlaps."""
    assert len(moved([94 + shift, 94, 206 + shift, 206])) == poor


@pytest.mark.parametrize(("mean", "moves"), [(0.19, False), (0.21, True)])
def test_keypoints_without_a_response_move_nothing(mean: float, moves: bool) -> None:
    assert len(moved([130, 130, 260, 260], mean)) == moves


def test_each_hand_is_judged_by_its_own_box() -> None:
    keypoints, box = hand(100, 0.5)
    far = box + np.array([60, 0, 60, 0], np.float32)
    found = hands((keypoints, box), (keypoints, far), (keypoints, box), scores=[0.5] * 3)
    assert poorly_localised(found.keypoints, found.boxes, 1000, 1000)[0].tolist() == [1]


def test_no_hand_is_poorly_localised() -> None:
    indices, around = poorly_localised(np.zeros((0, 21, 3), np.float32), np.zeros((0, 4), np.float32), 100, 100)
    assert (len(indices), around.shape) == (0, (0, 4))


def test_a_hands_box_is_around_its_keypoints_where_they_say_where_it_is() -> None:
    sure, unsure = hand(20, 0.21), hand(20, 0.19)
    keypoints, boxes = (np.stack([row[i] for row in (sure, unsure)]) for i in range(2))
    placed = localised(keypoints, boxes + 50, 400, 300)
    low, high = keypoints[0, :, :2].min(0), keypoints[0, :, :2].max(0)
    margin = 0.06 * (high - low).max()
    np.testing.assert_allclose(placed[0], [*np.maximum(low - margin, 0), *(high + margin)], rtol=1e-5)
    np.testing.assert_array_equal(placed[1], boxes[1] + 50)
    assert localised(keypoints[:0], boxes[:0], 400, 300).shape == (0, 4)


@pytest.mark.parametrize("shape", [SPREAD + np.array([-300, 0]), SPREAD * [0, 1] + [420, 0], np.full((21, 2), 40)])
def test_a_box_without_an_area_is_none(shape: np.ndarray) -> None:
    """Keypoints left of the image, right of it or all at one place: the detector's box stays."""
    keypoints, box = hand(0, 0.5, shape=shape)
    np.testing.assert_array_equal(localised(keypoints[None], box[None], 400, 300), box[None])
