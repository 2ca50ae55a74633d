"""The result."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from modelscope_handkp import Hands
from modelscope_handkp.errors import InputError


def some(count: int = 2) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"keypoints": rng.random((count, 21, 3)), "boxes": rng.random((count, 4)), "scores": rng.random(count)}


def test_shapes_types_and_length() -> None:
    hands = Hands(**some(3))
    assert len(hands) == 3
    assert (hands.keypoints.shape, hands.boxes.shape, hands.scores.shape) == ((3, 21, 3), (3, 4), (3,))
    assert {array.dtype for array in (hands.keypoints, hands.boxes, hands.scores)} == {np.dtype(np.float32)}


def test_empty() -> None:
    hands = Hands.empty()
    assert len(hands) == 0
    assert not hands
    assert (hands.keypoints.shape, hands.boxes.shape, hands.scores.shape) == ((0, 21, 3), (0, 4), (0,))
    assert hands.to_list() == []


def test_frozen_and_apart_from_what_it_was_made_of() -> None:
    given = {key: value.astype(np.float32) for key, value in some().items()}
    hands = Hands(**given)
    given["boxes"][0] = 9
    assert hands.boxes.max() < 1
    with pytest.raises(ValueError, match="read-only"):
        hands.keypoints[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        hands.boxes = given["boxes"]  # type: ignore[misc]


def test_comparing_does_not_fail() -> None:
    hands = Hands(**some())
    assert hands == hands  # noqa: PLR0124
    assert hands != Hands(**some())
    assert len({hands, hands}) == 1


@pytest.mark.parametrize("name", ["keypoints", "boxes", "scores"])
@pytest.mark.parametrize("wrong", [np.zeros((2, 5)), np.zeros((3, 4)), np.zeros((2, 21, 2)), 5.0])
def test_shapes_that_disagree_are_named(name: str, wrong: Any) -> None:
    with pytest.raises(InputError, match=r"Hands\.\w+ must have shape"):
        Hands(**{**some(), name: wrong})


def test_plain_numbers_for_json() -> None:
    hands = Hands(**some())
    again = json.loads(json.dumps(hands.to_list()))
    assert [set(entry) for entry in again] == [{"box", "score", "keypoints"}] * 2
    np.testing.assert_allclose([entry["keypoints"] for entry in again], hands.keypoints)
    np.testing.assert_allclose([entry["score"] for entry in again], hands.scores)
