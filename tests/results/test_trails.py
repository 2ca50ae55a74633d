"""Fading trails."""

import tracemalloc

import numpy as np
import pytest

from modelscope_handkp import Hands
from modelscope_handkp.errors import InputError, KeypointNameError
from modelscope_handkp.results import Trails
from modelscope_handkp.results.style import hand_color

WRIST, TIP = 0, 8


def at(places: dict[int, tuple[float, float]], score: float = 1.0) -> Hands:
    """Hands whose keypoints all lie at one place each, by id."""
    keypoints = np.zeros((len(places), 21, 3), np.float32)
    keypoints[..., :2] = np.array(list(places.values()), np.float32).reshape(-1, 1, 2)
    keypoints[..., 2] = score
    return Hands(keypoints, np.zeros((len(places), 4)), np.ones(len(places)), ids=list(places))


def white() -> np.ndarray:
    return np.full((100, 400, 3), 255, np.uint8)


def painted(image: np.ndarray) -> np.ndarray:
    """The columns with paint."""
    return np.nonzero((image != 255).any(axis=(0, 2)))[0]


def test_a_trail_follows_the_hand_and_fades() -> None:
    trails = Trails(length=5)
    for step in range(4):
        image = white()
        drawn = trails.draw(image, at({3: (20 + 40 * step, 50)}))
        assert (image == 255).all()
    assert painted(drawn).min() in range(15, 21) and painted(drawn).max() in range(140, 146)
    color = np.array(hand_color(3), float)
    away = [np.abs(drawn[50, x] - color).sum() for x in (40, 80, 120)]  # from the hand's colour, the oldest first
    assert away[0] > away[1] > away[2]
    np.testing.assert_array_equal(drawn[50, 200], 255)


def test_only_the_last_frames_are_drawn() -> None:
    trails = Trails(length=3)
    for step in range(8):
        drawn = trails.draw(white(), at({1: (20 + 40 * step, 50)}))
    assert painted(drawn).min() > 20 + 40 * 5 - 6


def test_each_hand_has_its_own() -> None:
    trails = Trails(length=4)
    for step in range(3):
        drawn = trails.draw(white(), at({1: (20 + 40 * step, 20), 2: (20 + 40 * step, 80)}))
    assert (drawn[20, 80] != drawn[80, 80]).any()
    assert (drawn[50] == 255).all()


def test_a_hand_that_was_not_seen_leaves_a_gap_and_is_forgotten() -> None:
    trails = Trails(length=4)
    for place in ((20, 50), (60, 50), None, (260, 50), (300, 50)):
        hands = Hands.empty() if place is None else at({1: place})
        drawn = trails.draw(white(), hands)
    assert (drawn[:, 100:250] == 255).all()
    assert not (drawn[:, 262:298] == 255).all()
    for _ in range(4):
        drawn = trails.draw(white(), Hands.empty())
    assert (drawn == 255).all()


def test_a_keypoint_that_is_not_visible_or_no_number_leaves_a_gap() -> None:
    trails = Trails(length=9)
    for hands in (at({1: (20, 50)}), at({1: (60, 50)}, score=0), at({1: (np.nan, 50)}), at({1: (99, 50)})):
        drawn = trails.draw(white(), hands)
    assert (drawn == 255).all()


def test_a_trail_of_a_fingertip() -> None:
    trails = Trails(length=9, keypoint="forefinger4", width=9)
    for step in range(2):
        hands = at({1: (50, 20)})
        keypoints = np.array(hands.keypoints)
        keypoints[0, TIP, :2] = (20 + 100 * step, 70)
        drawn = trails.draw(white(), Hands(keypoints, hands.boxes, hands.scores, ids=[1]))
    rows = np.nonzero((drawn != 255).any(axis=(1, 2)))[0]
    assert abs(rows.mean() - 70) < 1 and 8 <= len(rows) <= 14


def test_outside_the_image_and_on_the_smallest_one() -> None:
    trails = Trails(length=9)
    for place in ((-1e9, 50), (200, 50), (1e9, 50), (3e38, -3e38)):
        drawn = trails.draw(white(), at({1: place}))
    assert not (drawn[50, 100:300] == 255).all()
    for shape in ((1, 1, 3), (0, 4, 3)):
        assert trails.draw(np.zeros(shape, np.uint8), at({1: (0, 0)})).shape == shape


def test_memory_does_not_grow_with_the_number_of_hands() -> None:
    trails, image = Trails(length=3), np.zeros((1, 1, 3), np.uint8)
    keypoints, box, score = np.ones((1, 21, 3), np.float32), [[0, 0, 1, 1]], [1]
    tracemalloc.start()
    for identity in range(1500):
        trails.draw(image, Hands(keypoints, box, score, ids=[identity]))
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert size < 100_000


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(KeypointNameError, match="no keypoint is called 'nose'"):
        Trails(keypoint="nose")
    for options in ({"length": 0}, {"width": 0}, {"width": 5000}, {"length": 2.5}):
        with pytest.raises(InputError, match=next(iter(options))):
            Trails(**options)
    without_ids = Hands(np.zeros((1, 21, 3)), np.zeros((1, 4)), np.ones(1))
    with pytest.raises(InputError, match="hands with ids"):
        Trails().draw(white(), without_ids)
    with pytest.raises(InputError, match="not a str"):
        Trails().draw("a.jpg", Hands.empty())
