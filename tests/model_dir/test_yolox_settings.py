"""The detection/config.py of a YOLOX detector, parsed once into typed settings."""

import ast
from pathlib import Path
from typing import Any

import pytest
from yolox_weights import NANO

import modelscope_handkp.model_dir.yolox_settings as module
from modelscope_handkp.errors import ConfigError
from modelscope_handkp.model_dir.config import read_python_config
from modelscope_handkp.model_dir.yolox_settings import YOLOXSettings


def test_every_key_is_taken() -> None:
    config = {**NANO, "hand_class": 79, "normalised": True, "input_size": 416.0}
    settings = YOLOXSettings.parse(config)
    assert (settings.depth, settings.width, settings.depthwise) == (0.33, 0.25, True)
    assert (settings.num_classes, settings.hand_class) == (80, 79)
    assert (settings.input_size, settings.normalised, settings.iou_threshold) == (416, True, 0.45)
    assert isinstance(settings.input_size, int)


def test_the_example_of_the_docstring_is_a_configuration(tmp_path: Path) -> None:
    lines = [
        line.strip() for line in (ast.get_docstring(ast.parse(Path(module.__file__).read_text())) or "").split("\n")
    ]
    (tmp_path / "config.py").write_text("\n".join(line for line in lines if " = " in line))
    settings = YOLOXSettings.parse(read_python_config(tmp_path / "config.py"))
    assert (settings.num_classes, settings.hand_class, settings.normalised) == (1, 0, False)


@pytest.mark.parametrize("key", sorted(NANO))
def test_a_missing_key_is_named(key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        YOLOXSettings.parse({name: value for name, value in NANO.items() if name != key})


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("depth", 0.19, "depth.*0.2 to 1.5, got 0.19"),
        ("depth", 1.51, "depth"),
        ("depth", "0.33", "depth"),
        ("width", 0.06, "width"),
        ("width", 10**9, "width.*1000000000"),
        ("width", float("nan"), "width"),
        ("depthwise", 1, "'depthwise' must be True or False, got 1"),
        ("depthwise", "yes", "depthwise"),
        ("normalised", None, "'normalised' must be True or False, got None"),
        ("num_classes", 0, "num_classes"),
        ("num_classes", 1001, "num_classes.*1 to 1000"),
        ("num_classes", 1.5, "'num_classes' must be a whole number, got 1.5"),
        ("num_classes", True, "num_classes"),
        ("hand_class", 80, "hand_class.*0 to 79, got 80"),
        ("hand_class", -1, "hand_class"),
        ("hand_class", "hand", "hand_class"),
        ("input_size", 0, "input_size"),
        ("input_size", 1568, "input_size.*32 to 1536"),
        ("input_size", 400, "'input_size' must be a multiple of 32, got 400"),
        ("input_size", (640, 640), "input_size"),
        ("iou_threshold", 1.1, "iou_threshold.*0 to 1"),
        ("iou_threshold", -0.1, "iou_threshold"),
    ],
)
def test_what_is_out_of_range_is_named(key: str, value: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        YOLOXSettings.parse({**NANO, key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [("depth", 0.2), ("depth", 1.5), ("width", 1 / 16), ("width", 1.5), ("num_classes", 1), ("num_classes", 1000),
     ("input_size", 32), ("input_size", 1536), ("iou_threshold", 0), ("iou_threshold", 1)],
)  # fmt: skip
def test_numbers_at_their_limits_are_taken(key: str, value: Any) -> None:
    YOLOXSettings.parse({**NANO, key: value})
