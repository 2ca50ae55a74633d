"""``export.json`` of strangers."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from modelscope_handkp.errors import ConfigError
from modelscope_handkp.model_dir.exported import ExportedDetector, ExportedModel

DETECTOR = {
    "file": "detector.onnx",
    "input": {
        "name": "images",
        "size": 320,
        "resize": "letterbox",
        "step": 32,
        "colours": "RGB",
        "mean": [1, 2, 3.5],
        "std": [4, 5, 6],
    },
    "score_threshold": 0.25,
    "iou_threshold": 0.5,
    "at_most": 100,
}
CONTENT = {
    "format": "onnx",
    "keypoints": {"file": "keypoints.onnx", "output": {"name": "heatmaps"}},
    "detector": DETECTOR,
}


def find(folder: Path, content: Any) -> ExportedModel | None:
    (folder / "export.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return ExportedModel.find(folder)


def edited(key: str, value: Any) -> dict[str, Any]:
    """`CONTENT` with another value under a dotted key; without the key if the value is ``...``."""
    content: Any = copy.deepcopy(CONTENT)
    *parents, last = key.split(".")
    node = content
    for part in parents:
        node = node[part]
    if value is ...:
        node.pop(last)
    else:
        node[last] = value
    return content


def test_what_it_says(tmp_path: Path) -> None:
    found = find(tmp_path, CONTENT)
    assert found is not None
    detector = ExportedDetector(
        "detector.onnx", 320, "letterbox", 32, True, (1.0, 2.0, 3.5), (4.0, 5.0, 6.0), 0.25, 0.5, 100
    )
    assert found == ExportedModel(tmp_path, "onnx", "keypoints.onnx", False, detector)
    assert found.path(found.keypoints) == tmp_path / "keypoints.onnx"


def test_decoded_models_and_such_without_detector(tmp_path: Path) -> None:
    found = find(tmp_path, edited("keypoints.output.name", "keypoints"))
    assert found is not None and found.decoded
    found = find(tmp_path, edited("detector", ...))
    assert found is not None and found.detector is None
    found = find(tmp_path, edited("detector.input.colours", "BGR"))
    assert found is not None and found.detector is not None and not found.detector.rgb


def test_a_directory_that_was_not_exported(tmp_path: Path) -> None:
    assert ExportedModel.find(tmp_path) is None
    (tmp_path / "export.json").mkdir()
    assert ExportedModel.find(tmp_path) is None


INFINITE, HUGE = "1e400", "9" * 400
NUMBERS = ["NaN", INFINITE, f"-{INFINITE}", '"1"', "true", "null", "[1]", "{}", HUGE, "-1"]


@pytest.mark.parametrize("value", NUMBERS)
@pytest.mark.parametrize("key", ["score_threshold", "iou_threshold", "at_most", "input.size", "input.step"])
def test_numbers_that_are_none_are_named(key: str, value: str, tmp_path: Path) -> None:
    text = json.dumps(edited(f"detector.{key}", "HERE")).replace('"HERE"', value)
    with pytest.raises(ConfigError, match=key):
        find(tmp_path, text)


@pytest.mark.parametrize("value", ["0", "1.5", "10001"])
@pytest.mark.parametrize("key", ["at_most", "input.size", "input.step"])
def test_counts_are_whole_and_limited(key: str, value: str, tmp_path: Path) -> None:
    text = json.dumps(edited(f"detector.{key}", "HERE")).replace('"HERE"', value)
    with pytest.raises(ConfigError, match=key):
        find(tmp_path, text)


@pytest.mark.parametrize("value", [*NUMBERS[:-1], "[1, 2]", "[1, 2, NaN]", "[1, 2, 1e400]", "[1, 2, true]"])
@pytest.mark.parametrize("key", ["mean", "std"])
def test_colours_are_three_numbers(key: str, value: str, tmp_path: Path) -> None:
    text = json.dumps(edited(f"detector.input.{key}", "HERE")).replace('"HERE"', value)
    with pytest.raises(ConfigError, match=rf"input\.{key} must be three numbers"):
        find(tmp_path, text)


@pytest.mark.parametrize("value", [[1, 0, 1], [1, 1, 1e-300], [-1, 1, 1]])
def test_a_channel_has_a_deviation(value: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"input\.std must be at least 0\.0001"):
        find(tmp_path, edited("detector.input.std", value))


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("format", "tflite", "'tflite' is not known; known are onnx, openvino, torch-export"),
        ("format", ["onnx"], "is not known"),
        ("format", {}, "is not known"),
        ("format", None, "is not known"),
        ("format", ..., "'format'"),
        ("keypoints", ..., "keypoints"),
        ("keypoints", 5, "keypoints"),
        ("keypoints.file", ..., r"keypoints\.file"),
        ("keypoints.output", [], "output"),
        ("keypoints.output.name", "boxes", "'boxes' is not known"),
        ("keypoints.output.name", ["heatmaps"], "is not known"),
        ("detector", 5, "file|input"),
        ("detector.file", ..., "'file'"),
        ("detector.input.resize", "crop", "'crop'"),
        ("detector.input.resize", ["letterbox"], "letterbox"),
        ("detector.input.colours", "rgb", "'rgb'"),
        ("detector.input.colours", {}, "not known"),
    ],
)
def test_wrong_values_are_named(key: str, value: Any, named: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=named):
        find(tmp_path, edited(key, value))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "5", "null", '"text"', "[" * 10**5, "\ud800".encode("utf-8", "replace")]
)
def test_what_is_no_object_is_named(text: Any, tmp_path: Path) -> None:
    (tmp_path / "export.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError):
        ExportedModel.find(tmp_path)
    (tmp_path / "export.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"export\.json is not valid JSON"):
        ExportedModel.find(tmp_path)


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "export.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ConfigError, match=r"export\.json has 1099511627776 bytes"):
        ExportedModel.find(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["../keypoints.onnx", "/etc/keypoints.onnx", "a/b.onnx", "a\\b.onnx", "a\0.onnx", "a\n.onnx", ".onnx", "", "..",
     "keypoints.xml", "keypoints", "-k.onnx", "é/ö.onnx", None, 5, ["keypoints.onnx"], {"file": 1}],
)  # fmt: skip
def test_files_lie_beside_it(name: Any, tmp_path: Path) -> None:
    found = find(tmp_path, CONTENT)
    assert found is not None
    with pytest.raises(ConfigError, match=r"which is no \.onnx file beside it"):
        found.path(name)
