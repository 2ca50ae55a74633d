"""What exporters write beside a detector."""

from typing import Any

import numpy as np
import pytest

from modelscope_handkp.detection.onnx_metadata import (
    class_names,
    from_ultralytics,
    hand_index,
    input_sides,
    keypoint_values,
    stride,
)
from modelscope_handkp.errors import CheckpointError, InputError

NAMES = ["person", "Hand", "3"]


def test_names_are_a_dict_or_a_list() -> None:
    assert class_names({"names": "{1: 'hand', 0: 'person'}"}) == ["person", "hand"]
    assert class_names({"names": "['person', 'hand']"}) == ["person", "hand"]
    assert class_names({"stride": "32"}) is None


@pytest.mark.parametrize(
    "names",
    ["{0: 'a', 2: 'b'}", "{}", "[]", "[1]", "'hand'", "5", "", "{'a': 'b'}", "{0: 5}", "__import__('os').getcwd()",
     "(" * 60_000, "-" * 60_000 + "1", "[" * 60_000, "['a'" + ", 'a'" * 20_000 + "]", "\x00"],
)  # fmt: skip
def test_other_names_are_refused(names: str) -> None:
    with pytest.raises(CheckpointError, match="the metadata 'names'"):
        class_names({"names": names})


def test_the_input() -> None:
    assert input_sides({"imgsz": "[320, 640]"}) == (320, 640)
    assert input_sides({"imgsz": "416"}) == (416, 416)
    assert input_sides({}) is None
    assert stride({"stride": "64"}) == 64
    assert keypoint_values({"kpt_shape": "[21, 3]"}) == 63
    assert keypoint_values({}) == 0


@pytest.mark.parametrize("value", ["[]", "[1, 2, 3]", "0", "-32", "32.0", "True", "99999999", "'32'", "[32, None]"])
def test_numbers_are_whole_and_bounded(value: str) -> None:
    for read, key in ((input_sides, "imgsz"), (stride, "stride"), (keypoint_values, "kpt_shape")):
        with pytest.raises(CheckpointError, match=f"the metadata '{key}' must be whole numbers"):
            read({key: value})


def test_who_wrote_it() -> None:
    assert from_ultralytics({"names": "", "stride": ""})
    assert not from_ultralytics({"names": ""})
    assert not from_ultralytics({})


@pytest.mark.parametrize(
    ("hand_class", "names", "classes", "index"),
    [
        (None, NAMES, 3, 1),
        (None, ["thing"], 1, 0),
        (None, None, 1, 0),
        (None, None, None, None),
        ("PERSON", NAMES, 3, 0),
        (2, NAMES, 3, 2),
        (np.int64(2), NAMES, 3, 2),
        ("0", NAMES, 3, 0),
        ("3", NAMES, 3, 2),  # a name first
        ("1", None, 2, 1),
        (7, None, None, 7),
    ],
)
def test_which_class_is_the_hand(hand_class: Any, names: list[str] | None, classes: int | None, index: Any) -> None:
    assert hand_index(hand_class, names, classes, "a.onnx") == index


@pytest.mark.parametrize(
    ("hand_class", "names", "classes", "message"),
    [
        (None, ["person", "car"], 2, r"a\.onnx has several classes.*0 'person', 1 'car'\.$"),
        (None, ["hand", "HAND"], 2, "several classes"),
        (None, None, 80, r"several classes.*0 to 79, without names"),
        ("foot", NAMES, 3, r"'foot' is no class of a\.onnx, which has 0 'person'"),
        ("hand", None, None, "'hand' is no class .* no names"),
        (3, NAMES, 3, "3 is no class"),
        (-1, NAMES, 3, "-1 is no class"),
        (1.0, NAMES, 3, r"1\.0 is no class"),
        (True, NAMES, 3, "True is no class"),
        ("9" * 5000, NAMES, 3, "is no class"),
    ],
)
def test_a_class_that_is_not_there(hand_class: Any, names: list[str] | None, classes: int | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        hand_index(hand_class, names, classes, "a.onnx")


def test_a_long_list_of_names_is_cut() -> None:
    with pytest.raises(InputError, match="19 'c19' and 480 more") as error:
        hand_index(None, [f"c{index}" for index in range(500)], 500, "a.onnx")
    assert len(str(error.value)) < 600
