"""Drawing."""

import numpy as np
import pytest

from modelscope_handkp import Hands
from modelscope_handkp.results.draw import BOX_COLOR, draw_hands
from modelscope_handkp.skeleton import FINGER_COLORS


def one_hand(keypoints: np.ndarray, box: list[float]) -> Hands:
    return Hands(keypoints[None], np.array([box], np.float32), np.array([0.9], np.float32))


def spread(score: float = 1.0) -> np.ndarray:
    """A finger a row, its joints side by side; the wrist at the left."""
    fingers = [[40 + 40 * joint, 20 + 40 * finger, score] for finger in range(5) for joint in range(4)]
    return np.array([[10, 100, score], *fingers], np.float32)


def has(picture: np.ndarray, color: tuple[int, int, int]) -> bool:
    return bool((picture == color).all(axis=-1).any())


def test_every_finger_its_colour_a_box_and_a_score() -> None:
    picture = np.zeros((220, 220, 3), np.uint8)
    picture.flags.writeable = False
    drawn = draw_hands(picture, one_hand(spread(), [5, 5, 210, 210]))
    assert not picture.any()
    assert drawn.flags.writeable
    assert (drawn.shape, drawn.dtype) == (picture.shape, np.uint8)
    assert all(has(drawn[15 + 40 * i : 25 + 40 * i, 35:170], color) for i, color in enumerate(FINGER_COLORS))
    assert has(drawn[:8], BOX_COLOR)
    for (x, y, _), color in zip(spread()[1:], [color for color in FINGER_COLORS for _ in range(4)]):
        assert tuple(drawn[int(y), int(x)]) == color


def test_keypoints_without_response_are_left_out() -> None:
    keypoints = spread()
    keypoints[1:5, 2] = [0, -1, 0, 0]  # no thumb
    drawn = draw_hands(np.zeros((220, 220, 3), np.uint8), one_hand(keypoints, [5, 5, 210, 210]))
    assert not has(drawn, FINGER_COLORS[0])
    assert has(drawn, FINGER_COLORS[1])
    nothing = draw_hands(np.zeros((220, 220, 3), np.uint8), one_hand(spread(0), [5, 5, 210, 210]))
    assert not any(has(nothing, color) for color in FINGER_COLORS)


def test_no_hands_gives_a_copy() -> None:
    picture = np.full((4, 5, 3), 7, np.uint8)
    drawn = draw_hands(picture, Hands.empty())
    assert drawn is not picture
    np.testing.assert_array_equal(drawn, picture)


@pytest.mark.parametrize("shift", [-1e9, -5000.0, 3e4, 1e9])
def test_far_outside_the_picture(shift: float) -> None:
    keypoints = spread()
    keypoints[:10, :2] += shift
    drawn = draw_hands(np.zeros((100, 100, 3), np.uint8), one_hand(keypoints, [0, 0, 100, 100]))
    assert drawn.shape == (100, 100, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1)])
def test_odd_pictures_and_boxes_without_area(size: tuple[int, int]) -> None:
    picture = np.zeros((*size, 3), np.uint8)
    for box in ([0, 0, *size[::-1]], [0, 0, 0, 0], [size[1], size[0], size[1], size[0]]):
        assert draw_hands(picture, one_hand(spread(), box)).shape == picture.shape
