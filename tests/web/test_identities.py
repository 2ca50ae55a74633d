"""Hands keep their identities from one frame to the next, and point where the game takes them."""

from typing import Any

import numpy as np
from node import in_node, needs_node

pytestmark = needs_node

SHAPE = np.random.default_rng(0).uniform(-50, 50, (21, 2))


def hand_at(x: float, y: float, scale: float = 1.0) -> list[Any]:
    return [[x + scale * u, y + scale * v, 1.0] for u, v in SHAPE.tolist()]


def ids_of(frames: list[tuple[float, list[Any]]]) -> list[list[int]]:
    found: list[list[int]] = in_node(
        'import { Identities } from "./src/identities.js";',
        """const identities = new Identities();
        return given.frames.map(([time, hands]) =>
          identities.update(hands.map((keypoints) => ({ keypoints })), time).map(({ id }) => id));""",
        frames=frames,
    )
    return found


def test_hands_keep_their_ids_in_any_order() -> None:
    frames = [(i / 10, [hand_at(100 + 10 * i, 100), hand_at(500 - 10 * i, 300)][:: 1 - 2 * (i % 2)]) for i in range(10)]
    assert ids_of(frames) == [[1, 2] if i % 2 == 0 else [2, 1] for i in range(10)]


def test_hands_that_cross_swiftly_go_on_their_ways() -> None:
    frames = [(i / 10, [hand_at(100 + 40 * i, 200), hand_at(500 - 40 * i, 230)]) for i in range(11)]
    assert ids_of(frames) == [[1, 2]] * 11


def test_a_hand_comes_back_as_itself_for_two_seconds() -> None:
    here = [hand_at(200, 200)]
    assert ids_of([(0, here), (0.5, []), (1.5, here), (4, here)]) == [[1], [], [1], [2]]


def test_another_hand_far_away_or_of_another_size_is_new() -> None:
    assert ids_of([(0, [hand_at(100, 100)]), (0.1, [hand_at(400, 100)])]) == [[1], [2]]
    assert ids_of([(0, [hand_at(100, 100)]), (0.1, [hand_at(100, 100, 3)])]) == [[1], [2]]


def test_hands_that_cross_are_told() -> None:
    crossing = in_node(
        'import { doHandsCross } from "./src/identities.js";',
        "return given.pairs.map((pair) => doHandsCross(pair.map((keypoints) => ({ keypoints }))));",
        pairs=[[hand_at(100, 100), hand_at(130, 110)], [hand_at(100, 100), hand_at(300, 100)], [hand_at(100, 100)]],
    )
    assert crossing == [True, False, False]


def test_a_hand_points_from_its_palm_and_a_pinch_from_between_the_tips_mirrored() -> None:
    keypoints = [[0, 0, 1]] * 21
    for index, place in {4: [100, 40, 1], 8: [120, 60, 1], 0: [200, 100, 1], 5: [200, 100, 1], 9: [200, 100, 1],
                         13: [200, 100, 1], 17: [300, 200, 1]}.items():  # fmt: skip
        keypoints[index] = place
    pointers = in_node(
        'import { pointersOf } from "./src/pointers.js";',
        "return pointersOf(given.hands, 400, 200);",
        hands=[
            {"id": 3, "keypoints": keypoints, "gesture": {"name": name, "confidence": 0.7}}
            for name in ("pinch", "fist")
        ],
    )
    common = {"id": 3, "confidence": 0.7, "source": "hand"}
    np.testing.assert_allclose([pointer.pop("x") for pointer in pointers], [1 - 110 / 400, 1 - 220 / 400])
    np.testing.assert_allclose([pointer.pop("y") for pointer in pointers], [0.25, 0.6])
    assert pointers == [{"gesture": "pinch", **common}, {"gesture": "fist", **common}]
