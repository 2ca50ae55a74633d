"""Gestures by example: the nearest names a hand, what is far from all has no name, files are read with care."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelscope_handkp import Hands
from modelscope_handkp.errors import HandkpError, InputError, MissingFileError
from modelscope_handkp.gestures import GestureExamples, confidences, recognize


@pytest.fixture(scope="module")
def gun(keypoints_of):
    """Keypoints of thumb and forefinger in an L, which the rules call pointing."""
    return keypoints_of("pointing", 120, 5, poses={"gun"})


@pytest.fixture(scope="module")
def examples(gun):
    return GestureExamples(["gun"] * 8, gun[:8])


def test_hands_like_the_examples_have_their_name_before_the_rules(examples, gun, as_hands):
    assert {one.name for one in recognize(as_hands(gun[:8]))} <= {"pointing", "none"}
    found = recognize(as_hands(gun[8:]), examples)
    assert np.mean([one.name == "gun" for one in found]) > 0.85
    assert {one.name for one in recognize(as_hands(gun[:8]), examples)} == {"gun"}
    assert recognize(as_hands(gun[:1]), examples)[0].confidence == pytest.approx(1)
    assert len(found[0].fingers) == 5


@pytest.mark.parametrize("gesture", ["fist", "open_palm", "victory", "ok", "call", "four"])
def test_what_is_far_from_all_examples_keeps_the_name_of_the_rules(gesture, examples, hands_of):
    hands = hands_of(gesture, 40, seed=6)
    assert [one.name for one in recognize(hands, examples)] == [one.name for one in recognize(hands)]


def test_what_is_far_from_everything_is_none(examples, hands_of):
    found = recognize(hands_of("none", 60, seed=8, poses={"phone"}), examples)
    assert np.mean([one.name == "none" for one in found]) > 0.9


@settings(max_examples=40, deadline=None)
@given(st.integers(8, 50), st.floats(0, 6.28), st.floats(0.05, 100), st.floats(-1e3, 1e3), st.booleans())
def test_place_size_rotation_and_mirror_do_not_matter(examples, gun, as_hands, row, angle, scale, shift, mirrored):
    hand = gun[row : row + 1].astype(np.float64)
    z = hand[..., 0] + 1j * hand[..., 1]
    z = (z.conj() if mirrored else z) * np.exp(1j * angle) * scale
    moved = np.stack([z.real + shift * scale, z.imag - shift * scale, hand[..., 2]], -1)
    before, after = (examples.distances(as_hands(each)) for each in (hand, moved))
    np.testing.assert_allclose(after, before, atol=5e-3)


def test_distances_are_those_of_shapes(gun, keypoints_of, as_hands):
    shapes = GestureExamples(["a", "b"], np.concatenate([gun[:1], keypoints_of("fist")]))
    distances = shapes.distances(as_hands(np.concatenate([gun[:1], keypoints_of("fist")])))
    np.testing.assert_allclose(np.diag(distances), 0, atol=1e-3)
    assert 0.2 < distances[0, 1] <= 1 and distances[0, 1] == pytest.approx(distances[1, 0], abs=1e-6)


def test_confidence_falls_with_the_distance(examples, gun, as_hands, keypoints_of):
    hands = as_hands(np.concatenate([gun, keypoints_of("pointing", 200, 7, facing=False)]))
    nearest, sure = examples.distances(hands).min(axis=1), examples.confidences(hands)[:, 0]
    for distance, confidence in ((0.11, 0.94), (0.22, 0.5), (0.33, 0.165)):
        at = np.abs(nearest - distance).argmin()
        assert nearest[at] == pytest.approx(distance, abs=0.02)
        assert sure[at] == pytest.approx(confidence, abs=0.09)


def test_the_nearest_of_two_gestures_counts_and_hardly_seen_hands_do_not(gun, keypoints_of, as_hands):
    hooks = keypoints_of("none", 200, 9, poses={"hook"})
    both = GestureExamples(["gun", "hook", "gun", "hook"], np.stack([gun[0], hooks[0], gun[1], hooks[1]]))
    assert both.gestures == ("gun", "hook") and len(both) == 4
    assert [one.name for one in recognize(as_hands(np.stack([gun[1], hooks[1]])), both)] == ["gun", "hook"]
    hidden = gun[:1].copy()
    hidden[0, 8, 2] = 0
    assert recognize(as_hands(hidden), both)[0].name == "none"
    hidden[0, 8, 2] = 0.15
    assert recognize(as_hands(hidden), both)[0].confidence == pytest.approx(0.5, abs=1e-3)


def test_examples_named_none_keep_a_hand_from_a_name_and_a_known_name_is_added_to(gun, as_hands, hands_of):
    counter = GestureExamples(["none"], gun[:1])
    assert recognize(as_hands(gun[:1]))[0].name == "pointing"
    assert recognize(as_hands(gun[:1]), counter)[0].name == "none"
    names, table = confidences(as_hands(gun[:1]), GestureExamples(["fist"], gun[:1]))
    assert names.count("fist") == 1 and "none" not in names
    assert table[0][names.index("fist")] == pytest.approx(1)
    assert recognize(hands_of("fist"), GestureExamples(["fist"], gun[:1]))[0].name == "fist"


def test_hands_by_name_give_examples(hands_of):
    examples = GestureExamples.from_hands({"fist": [hands_of("fist", 2)], "mine": [hands_of("ok"), hands_of("ok", 2)]})
    assert examples.names == ("fist", "fist", "mine", "mine", "mine")
    assert repr(examples) == "GestureExamples(fist: 2, mine: 3)"


def test_a_file_gives_the_same_examples(examples, gun, as_hands, tmp_path):
    examples.save(tmp_path / "mine.json")
    loaded = GestureExamples.load(tmp_path / "mine.json")
    assert loaded.names == examples.names
    np.testing.assert_array_equal(loaded.keypoints, examples.keypoints)
    assert recognize(as_hands(gun), loaded) == recognize(as_hands(gun), examples)
    named = GestureExamples(["手势 ✌"], gun[:1])
    named.save(str(tmp_path / "named.json"))
    assert GestureExamples.load(str(tmp_path / "named.json")).names == named.names


def test_no_hands_and_hands_without_shape(examples, as_hands):
    assert recognize(Hands.empty(), examples) == []
    assert examples.distances(Hands.empty()).shape == (0, 8)
    point = as_hands(np.full((1, 21, 3), 700.0))
    assert examples.distances(point).min() == 1 and recognize(point, examples)[0].name == "none"


@pytest.mark.parametrize("name", ["", " ", "a" * 65, "a\nb", "\x00", 3, None])
def test_names_that_cannot_be_shown_are_refused(name, gun):
    with pytest.raises(InputError, match="gesture's name"):
        GestureExamples([name], gun[:1])


@pytest.mark.parametrize("keypoints", [np.zeros((2, 21, 2)), np.zeros((1, 20, 2)), np.zeros((1, 21)), [["a"]], None,
                                       np.full((1, 21, 2), np.nan), np.full((1, 21, 2), 1e30), np.zeros((1, 21, 2)),
                                       1e5 + 1e-7 * np.random.default_rng(0).random((1, 21, 2))])  # fmt: skip
def test_keypoints_that_make_no_hand_are_refused(keypoints):
    with pytest.raises(InputError, match=r"keypoints of|an example"):
        GestureExamples(["a"], keypoints)


def test_no_examples_and_too_many_are_refused(gun):
    with pytest.raises(InputError, match="examples are needed, got 0"):
        GestureExamples([], np.zeros((0, 21, 2)))
    with pytest.raises(InputError, match="got 10001"):
        GestureExamples(["a"] * 10_001, np.repeat(gun[:1], 10_001, axis=0))
    with pytest.raises(InputError, match="at most 200 gestures"):
        GestureExamples([str(i) for i in range(201)], np.repeat(gun[:1], 201, axis=0))
    with pytest.raises(InputError, match="examples must be GestureExamples"):
        recognize(Hands.empty(), "mine.json")


ROW = [float(i * i % 7 + i) for i in range(42)]
FORMAT = "modelscope-handkp gesture examples"


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"null", b"\xff\xfe", b"\x80\x04K\x01.", b"[" * 100_000, b'{"format": 3}',
    {"format": "other", "gestures": {"a": [ROW]}}, {"format": FORMAT}, {"format": FORMAT, "gestures": [ROW]},
    {"format": FORMAT, "gestures": {"a": [ROW[:41]]}}, {"format": FORMAT, "gestures": {"a": [[*ROW[:41], "1"]]}},
    {"format": FORMAT, "gestures": {"a": [[*ROW[:41], True]]}}, {"format": FORMAT, "gestures": {"a": 3}},
    {"format": FORMAT, "gestures": {"a": [[*ROW[:41], 10**400]]}},
    {"format": FORMAT, "gestures": {"a": [[*ROW[:41], float("nan")]]}}, {"format": FORMAT, "gestures": {"a": ROW}},
    {"format": FORMAT, "gestures": {"": [ROW]}}, {"format": FORMAT, "gestures": {}},
])  # fmt: skip
def test_files_of_another_kind_are_refused_by_name(content, tmp_path):
    path = tmp_path / "strange.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(InputError, match=r"strange\.json"):
        GestureExamples.load(path)


def test_files_that_are_missing_or_too_large_are_refused(tmp_path):
    with pytest.raises(MissingFileError, match="no such file"):
        GestureExamples.load(tmp_path / "none.json")
    with pytest.raises(HandkpError):
        GestureExamples.load(tmp_path)
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(16_000_001)
    with pytest.raises(InputError, match="more than 16000000 bytes"):
        GestureExamples.load(tmp_path / "large.json")


def test_the_arguments_are_left_alone(gun):
    mine = gun[:2].copy()
    kept = GestureExamples(["a", "b"], mine)
    mine[:] = 0
    np.testing.assert_array_equal(kept.keypoints, gun[:2, :, :2])
    with pytest.raises(ValueError):
        kept.keypoints[0] = 0
