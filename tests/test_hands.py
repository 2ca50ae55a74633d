"""The result: Hands and Hand."""

import copy
import dataclasses
import json
import pickle
from typing import Any

import numpy as np
import pytest

from modelscope_handkp import KEYPOINT_NAMES, Hands
from modelscope_handkp.errors import HandkpError, InputError


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
    assert (hands.image_size, hands.keypoint_threshold) == (None, 0)
    known = Hands.empty((4, 5), 0.5)
    assert (known.image_size, known.keypoint_threshold) == ((4, 5), 0.5)


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


def full(count: int = 3) -> Hands:
    """Hands with everything known."""
    rng = np.random.default_rng(1)
    return Hands(
        **some(count), confidence=rng.random(count), image_size=(640, 480), ids=np.arange(count) + 5,
        is_left=np.array([True, None, False] * count, object)[:count], keypoint_threshold=0.25,
    )  # fmt: skip


def assert_same(one: Hands, other: Hands) -> None:
    for name in ("keypoints", "boxes", "scores", "confidence", "ids", "is_left"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert (one.image_size, one.keypoint_threshold) == (other.image_size, other.keypoint_threshold)


def test_a_hand_by_its_number() -> None:
    hands = full()
    for index, hand in enumerate(hands):
        np.testing.assert_array_equal(hand.keypoints, hands.keypoints[index])
        np.testing.assert_array_equal(hand.box, hands.boxes[index])
        assert (hand.score, hand.confidence) == (hands.scores[index], hands.confidence[index])
    assert [hand.id for hand in hands] == [5, 6, 7]
    assert [hand.is_left for hand in hands] == [True, None, False]
    assert hands[-1].id == 7
    with pytest.raises(IndexError):
        hands[3]
    unknown = Hands(**some())[0]
    assert (unknown.id, unknown.is_left) == (None, None)


def test_a_keypoint_by_its_name() -> None:
    hand = full()[0]
    for index, name in enumerate(KEYPOINT_NAMES):
        np.testing.assert_array_equal(hand[name], hand.keypoints[index])
    with pytest.raises(KeyError, match="no keypoint is called 'nose'; they are wrist, thumb1") as caught:
        hand["nose"]
    assert isinstance(caught.value, HandkpError)


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (slice(1, None), [1, 2]),
        (slice(None, None, -1), [2, 1, 0]),
        (np.array([True, False, True]), [0, 2]),
        ([True, False, True], [0, 2]),
        ([2, 0], [2, 0]),
        ((2, 0), [2, 0]),
        (range(2), [0, 1]),
        (np.array([]), []),
        ([], []),
        (np.array([False] * 3), []),
    ],
)
def test_slices_masks_and_lists_give_hands_with_everything(index: Any, rows: list[int]) -> None:
    hands, part = full(), full()[index]
    assert isinstance(part, Hands)
    assert len(part) == len(rows)
    for name in ("keypoints", "boxes", "scores", "confidence", "ids", "is_left"):
        np.testing.assert_array_equal(getattr(part, name), getattr(hands, name)[np.array(rows, int)])
    assert (part.image_size, part.keypoint_threshold) == ((640, 480), 0.25)
    assert Hands(**some(3))[index].ids is None


@pytest.mark.parametrize("index", ["thumb4", 1.5, [0.5], None, ["a"], True, np.bool_(True), [[0, 1]]])
def test_other_indices_are_named(index: Any) -> None:
    with pytest.raises(InputError, match=r"indexed by numbers.*hands\[0\]"):
        full()[index]


def test_numpy_numbers_are_numbers_and_masks_must_fit() -> None:
    hands = full()
    for index in (np.int64(1), np.array(1), np.argmax([0, 1, 0])):
        assert hands[index].id == 6
    for count in (0, 2, 4):
        with pytest.raises(InputError, match=f"mask of 3 hands.*{count}"):
            hands[np.zeros(count, bool)]


def test_copies_are_read_only_too() -> None:
    for again in (copy.deepcopy(full()), pickle.loads(pickle.dumps(full()))):
        assert_same(again, full())
        assert not again.keypoints.flags.writeable


@pytest.mark.parametrize(
    "values",
    [
        {"is_left": ["left", "right"]}, {"is_left": True}, {"ids": [1, None]}, {"ids": [10**30, 1]},
        {"keypoints": "abc"}, {"keypoints": [[1], [2, 3]]}, {"image_size": 5}, {"image_size": "640x480"},
        {"image_size": (float("inf"), 2)}, {"keypoint_threshold": float("nan")}, {"scores": ["good", "bad"]},
    ],
)  # fmt: skip
def test_values_of_another_kind_are_named(values: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(values))):
        Hands(**{**some(2), **values})


def test_numbers_of_numpy_are_ready_for_json() -> None:
    hands = Hands(**some(1), image_size=(np.int64(3), np.int64(4)), keypoint_threshold=np.float32(0.5))
    assert json.loads(json.dumps(hands.to_dict()))["image_size"] == [3, 4]


def test_shown_in_one_line() -> None:
    assert repr(Hands.empty()) == "Hands(0 hands)"
    assert repr(Hands.empty((640, 480))) == "Hands(0 hands in 640x480)"
    one = Hands(np.zeros((1, 21, 3)), [[1.4, 2.6, 30, 40]], [0.5], [0.904], (640, 480), ids=[7], is_left=[True])
    assert repr(one) == "Hands(1 hand in 640x480, confidence 0.90)"
    assert repr(one[0]) == "Hand(id 7, left, box [1, 3, 30, 40], confidence 0.90)"
    assert repr(one[0]).count("\n") == repr(one).count("\n") == 0
    nameless = Hands(np.zeros((2, 21, 3)), np.zeros((2, 4)), [0.5, 0.25], is_left=[False, None])
    assert repr(nameless) == "Hands(2 hands, confidence 0.50, 0.25)"
    assert repr(nameless[0]) == "Hand(right, box [0, 0, 0, 0], confidence 0.50)"
    assert repr(nameless[1]) == "Hand(box [0, 0, 0, 0], confidence 0.25)"
    for count, cut in ((8, False), (9, True)):
        hands = Hands(np.zeros((count, 21, 3)), np.zeros((count, 4)), np.full(count, 0.5))
        shown = ", ".join(["0.50"] * 8) + (", ..." if cut else "")
        assert repr(hands) == f"Hands({count} hands, confidence {shown})"


def test_confidence_is_the_score_where_nothing_else_is_said() -> None:
    hands = Hands(**some())
    np.testing.assert_array_equal(hands.confidence, hands.scores)


@pytest.mark.parametrize("name", ["confidence", "ids", "is_left"])
def test_one_value_a_hand(name: str) -> None:
    with pytest.raises(InputError, match=f"Hands.{name} must have shape"):
        Hands(**some(2), **{name: [True]})


def test_known_sides_are_plain_booleans() -> None:
    assert Hands(**some(2), is_left=[True, False]).is_left.dtype == bool


def test_visible_are_keypoints_above_the_threshold() -> None:
    keypoints = np.zeros((1, 21, 3))
    keypoints[0, :4, 2] = [-1, 0, 0.5, 0.7]
    row = {"keypoints": keypoints, "boxes": np.zeros((1, 4)), "scores": [1]}
    assert Hands(**row).visible[0, :5].tolist() == [False, False, True, True, False]
    assert Hands(**row, keypoint_threshold=0.5).visible[0, :5].tolist() == [False, False, False, True, False]


@pytest.mark.parametrize("hands", [full(), full(1), Hands(**some()), Hands.empty(), Hands.empty((4, 5), 0.5)])
def test_to_dict_and_back(hands: Hands) -> None:
    assert_same(Hands.from_dict(json.loads(json.dumps(hands.to_dict()))), hands)


def test_what_a_dict_need_not_hold() -> None:
    content = Hands(**some()).to_dict()
    del content["image_size"], content["keypoint_threshold"]
    assert_same(Hands.from_dict(content), Hands(**some()))
    assert Hands.from_dict({"hands": []}).keypoint_threshold == 0


@pytest.mark.parametrize(
    "content",
    [
        {}, [], None, {"hands": 5}, {"hands": [{}]}, {"hands": [5]}, {"hands": [], "image_size": 5},
        {"hands": [{"box": [0, 0, 1, 1], "score": 1, "confidence": 1, "keypoints": [[0, 0, 0]] * 20}]},
        {"hands": [{"box": [0, 0, 1], "score": 1, "confidence": 1, "keypoints": [[0, 0, 0]] * 21}]},
        {"hands": [{"box": "box", "score": 1, "confidence": 1, "keypoints": [[0, 0, 0]] * 21}]},
        {"hands": [{"box": [0, 0, 1, 1], "score": "good", "confidence": 1, "keypoints": [[0, 0, 0]] * 21}]},
        {"hands": [], "keypoint_threshold": "x"}, {"hands": None}, {"hands": {}}, {"hands": [], "image_size":
        [float("inf"), 2]},
    ],
)  # fmt: skip
def test_a_dict_that_is_none_of_ours_is_refused(content: Any) -> None:
    with pytest.raises(InputError):
        Hands.from_dict(content)


def test_coco_results() -> None:
    hands = full()
    entries = hands.to_coco(image_id=42)
    assert [entry["image_id"] for entry in entries] == [42] * 3
    assert {entry["category_id"] for entry in entries} == {1}
    np.testing.assert_allclose([entry["score"] for entry in entries], hands.confidence)
    boxes = np.array([entry["bbox"] for entry in entries])
    np.testing.assert_allclose(boxes[:, 2:], hands.boxes[:, 2:] - hands.boxes[:, :2], atol=1e-6)
    keypoints = np.array([entry["keypoints"] for entry in entries]).reshape(3, 21, 3)
    np.testing.assert_allclose(keypoints[..., :2], hands.keypoints[..., :2], atol=1e-4)
    np.testing.assert_allclose(keypoints[..., 2], hands.keypoints[..., 2] * hands.visible, atol=1e-4)
    assert [entry["track_id"] for entry in entries] == [5, 6, 7]
    json.dumps(entries)


def test_plain_numbers_for_json() -> None:
    hands = Hands(**some())
    again = json.loads(json.dumps(hands.to_list()))
    assert [set(entry) for entry in again] == [{"box", "score", "confidence", "keypoints"}] * 2
    np.testing.assert_allclose([entry["keypoints"] for entry in again], hands.keypoints)
    np.testing.assert_allclose([entry["score"] for entry in again], hands.scores)
