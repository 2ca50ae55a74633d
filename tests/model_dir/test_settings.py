"""A configuration.json, parsed once into typed settings."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
from conftest import GOLDEN

from modelscope_handkp.errors import ConfigError
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.model_dir.settings import (
    DecodingSettings,
    DetectionSettings,
    HeadSettings,
    ModelSettings,
    NetworkSettings,
    StageSettings,
    ViewSettings,
)


@pytest.fixture
def hosted() -> dict[str, Any]:
    return read_configuration(GOLDEN / "hosted")


def edited(config: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy with another value under a dotted key; without the key if the value is ``...``."""
    config = copy.deepcopy(config)
    *parents, last = key.split(".")
    node = config
    for part in parents:
        node = node[part]
    if value is ...:
        node.pop(last, None)
    else:
        node[last] = value
    return config


def test_the_hosted_configuration(hosted: dict[str, Any]) -> None:
    settings = ModelSettings.parse(hosted)
    stages = settings.network.backbone.stages
    assert [stage.num_channels for stage in stages] == [(64,), (18, 36), (18, 36, 72), (18, 36, 72, 144)]
    assert [stage.out_channels for stage in stages] == [(256,), (18, 36), (18, 36, 72), (18, 36, 72, 144)]
    assert [stage.num_blocks for stage in stages] == [(4,), (4, 4), (4, 4, 4), (4, 4, 4, 4)]
    assert [stage.num_modules for stage in stages] == [1, 1, 4, 3]
    backbone = settings.network.backbone
    assert (backbone.multiscale_output, backbone.upsample_mode, backbone.align_corners) == (True, "bilinear", False)
    assert settings.network.head == HeadSettings((18, 36, 72, 144), (0, 1, 2, 3), (1,), 1, 21)
    assert settings.views == ViewSettings(flip=True, shift=True, rotation=0)
    assert settings.decoding == DecodingSettings("unbiased", 11, None)
    assert (settings.image_size, settings.heatmap_size) == ([256, 256], [64, 64])
    assert [step["type"] for step in settings.test_pipeline][:2] == ["TopDownAffine", "MMToTensor"]
    assert settings.hand_threshold is None
    files = "detection/config.py", "detection/detection_model.pth"
    assert settings.detection == DetectionSettings("DetectionPredictor", *files, 0.5)


@pytest.mark.parametrize("key", ["DETECTION", "model.test_cfg"])
@pytest.mark.parametrize("value", [..., None, {}])
def test_blocks_that_may_be_left_out(hosted: dict[str, Any], key: str, value: Any) -> None:
    """EasyCV's answers where a configuration says nothing: the flip test without a shift, a quarter of a pixel."""
    settings = ModelSettings.parse(edited(hosted, key, value))
    if key == "DETECTION":
        assert settings.detection is None
    else:
        assert settings.views == ViewSettings() == ViewSettings(True, False, 0.0)
        assert settings.decoding == DecodingSettings("default", 11, None)
        assert settings.hand_threshold is None


def test_what_is_ours_alone(hosted: dict[str, Any]) -> None:
    test_cfg = {"flip_test": 0, "shift_heatmap": "exact", "rotation_test": 15, "hand_threshold": 0.25,
                "post_process": None, "modulate_kernel": 31, "softmax_temperature": 10}  # fmt: skip
    settings = ModelSettings.parse(edited(hosted, "model.test_cfg", test_cfg))
    assert settings.views == ViewSettings(False, "exact", 15.0)
    assert settings.decoding == DecodingSettings(None, 31, 10)
    assert settings.hand_threshold == 0.25


@pytest.mark.parametrize("number", [0, 1])
def test_the_ends_of_a_threshold_belong_to_it(hosted: dict[str, Any], number: int) -> None:
    config = edited(edited(hosted, "model.test_cfg.hand_threshold", number), "DETECTION.score_threshold", number)
    settings = ModelSettings.parse(config)
    assert settings.hand_threshold == number
    assert settings.detection is not None and settings.detection.score_threshold == number


def test_a_detection_block_names_two_files_at_least() -> None:
    files = {"config_file": "a.py", "model_path": "b.pth"}
    assert DetectionSettings.parse(files) == DetectionSettings("DetectionPredictor", "a.py", "b.pth", 0.5)
    assert DetectionSettings.parse({**files, "type": "Own"}).kind == "Own"
    for key in files:
        with pytest.raises(ConfigError, match=key):
            DetectionSettings.parse({name: value for name, value in files.items() if name != key})


@pytest.mark.parametrize("degrees", [0, 0.5, 90])
def test_a_rotation_test_of_up_to_a_quarter(degrees: float) -> None:
    assert ViewSettings.parse({"rotation_test": degrees}).rotation == degrees


STAGE = {"block": "BASIC", "num_modules": 2, "num_branches": 2, "num_blocks": [1, 3], "num_channels": [8, 16]}


def test_a_stage() -> None:
    assert StageSettings.parse({"stage2": STAGE}, "stage2") == StageSettings("BASIC", 2, (1, 3), (8, 16))
    wide = StageSettings.parse({"s": {**STAGE, "block": "BOTTLENECK", "num_modules": 1}}, "s")
    assert wide.out_channels == (32, 64)
    alone = {key: value for key, value in STAGE.items() if key != "num_modules"}
    assert StageSettings.parse({"s": alone}, "s").num_modules == 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"block": "SWIN"}, r"stage2\.block 'SWIN' is not one of \['BASIC', 'BOTTLENECK'\]"),
        ({"num_branches": 3}, "num_branches 3"),
        ({"num_blocks": [1]}, r"num_blocks \[1\]"),
        ({"num_channels": [8, 16, 32]}, r"num_channels \[8, 16, 32\]"),
        ({"num_modules": 0}, "below 1"),
        ({"num_blocks": [1, 0]}, "below 1"),
        ({"num_channels": [0, 16]}, "below 1"),
        ({"num_branches": 0, "num_blocks": [], "num_channels": []}, "below 1"),
        ({"num_modules": 10**6}, "stage2 would have about"),
        ({"num_channels": [8, 10**5]}, "stage2 would have about"),
        ({"num_blocks": [1, 10**5]}, "stage2 would have about"),
    ],
)
def test_stages_that_cannot_be_built_are_named(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        StageSettings.parse({"stage2": {**STAGE, **change}}, "stage2")


@pytest.mark.parametrize("key", ["block", "num_branches", "num_blocks", "num_channels"])
def test_what_a_stage_lacks_is_named(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"stage2\.{key}"):
        StageSettings.parse({"stage2": {name: value for name, value in STAGE.items() if name != key}}, "stage2")


@pytest.mark.parametrize(("channels", "fits"), [(3700, True), (3800, False)])
def test_networks_of_up_to_a_quarter_of_a_billion_weights_are_built(channels: int, fits: bool) -> None:
    """A stage of one unit has two 3 x 3 layers between all its channels: 18 x 3727 x 3727 are 250 million."""
    stage = {"block": "BASIC", "num_branches": 1, "num_blocks": [1], "num_channels": [channels]}
    if fits:
        StageSettings.parse({"s": stage}, "s")
    else:
        with pytest.raises(ConfigError, match="would have about"):
            StageSettings.parse({"s": stage}, "s")


HEAD = {"in_channels": [8, 16], "in_index": [0, 1], "input_transform": "resize_concat"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, HeadSettings((8, 16), (0, 1), (), 1, 21)),
        ({"in_index": [1, 0]}, HeadSettings((8, 16), (1, 0), (), 1, 21)),
        ({"extra": {"num_conv_layers": 2}}, HeadSettings((8, 16), (0, 1), (1, 1), 1, 21)),
        ({"extra": {"num_conv_layers": 1, "num_conv_kernels": [3, 5], "final_conv_kernel": 3}},
         HeadSettings((8, 16), (0, 1), (3,), 3, 21)),
        ({"input_transform": None, "in_channels": 8, "in_index": 1}, HeadSettings((8,), (1,), (), 1, 21)),
    ],
)  # fmt: skip
def test_a_head(change: dict[str, Any], expected: HeadSettings) -> None:
    assert HeadSettings.parse({**HEAD, **change}) == expected


def test_a_head_of_fifteen_thousand_channels_is_not_too_large() -> None:
    """225 million weights in each layer of 1 x 1."""
    assert HeadSettings.parse({**HEAD, "in_channels": [8, 15_000]}).in_channels == (8, 15_000)


def test_a_head_without_an_index_takes_the_first_map() -> None:
    assert HeadSettings.parse({"in_channels": 8}) == HeadSettings((8,), (0,), (), 1, 21)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"in_channels": [8, 20_000]}, "keypoint_head would have about"),
        ({"extra": {"num_conv_layers": 1, "num_conv_kernels": [999]}}, "keypoint_head would have about"),
        ({"extra": {"final_conv_kernel": 999}}, "keypoint_head would have about"),
        ({"extra": {"num_conv_layers": 17}}, "num_conv_layers.*0 to 16.*17"),
        ({"extra": {"num_conv_layers": -1}}, "num_conv_layers"),
        ({"extra": 5}, "extra"),
        ({"in_channels": ...}, "in_channels"),
    ],
)
def test_heads_that_cannot_be_built_are_named(change: dict[str, Any], named: str) -> None:
    head = {key: value for key, value in {**HEAD, **change}.items() if value is not ...}
    with pytest.raises(ConfigError, match=named):
        HeadSettings.parse(head)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("backbone.type", "ResNet"),
        ("backbone.in_channels", 1),
        ("keypoint_head.type", "SimCCHead"),
        ("keypoint_head.out_channels", 17),
        ("keypoint_head.num_deconv_layers", 3),
        ("keypoint_head.input_transform", "multiple_select"),
    ],
)
def test_networks_that_are_not_known_are_named(hosted: dict[str, Any], key: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"^model\.{key} {value!r} is not"):
        NetworkSettings.parse(edited(hosted["model"], key, value))


@pytest.mark.parametrize("key", ["backbone.in_channels", "keypoint_head.num_deconv_layers"])
def test_what_is_as_usual_need_not_be_said(hosted: dict[str, Any], key: str) -> None:
    expected = NetworkSettings.parse(hosted["model"])
    assert NetworkSettings.parse(edited(hosted["model"], key, ...)) == expected


def test_a_backbone_without_upsampling_and_scales(hosted: dict[str, Any]) -> None:
    """EasyCV's defaults: nearest neighbours, the largest map alone."""
    model = edited(
        edited(hosted["model"], "backbone.extra.upsample", ...), "backbone.extra.stage4.multiscale_output", ...
    )
    backbone = NetworkSettings.parse(model).backbone
    assert (backbone.multiscale_output, backbone.upsample_mode, backbone.align_corners) == (False, "nearest", None)


@pytest.mark.parametrize(
    ("parse", "content", "named"),
    [
        (ViewSettings.parse, {"rotation_test": 90.5}, "rotation_test.*0 to 90.*90.5"),
        (ViewSettings.parse, {"rotation_test": -1}, "rotation_test"),
        (DecodingSettings.parse, {"use_udp": True}, "use_udp"),
        (DetectionSettings.parse, {"config_file": "a", "model_path": "b", "score_threshold": 1.5}, "score_threshold"),
        (DetectionSettings.parse, [1], "config_file"),
    ],
)
def test_other_values_are_named(parse: Callable[[Any], Any], content: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        parse(content)


@pytest.mark.parametrize("key", ["model", "data_cfg.image_size", "data_cfg.heatmap_size", "test_pipeline"])
def test_what_a_configuration_lacks_is_named(hosted: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError, match=key):
        ModelSettings.parse(edited(hosted, key, ...))


@pytest.mark.parametrize("value", [-0.1, 1.1, "0.3", None, True])
def test_a_hand_threshold_that_is_none_is_named(hosted: dict[str, Any], value: Any) -> None:
    with pytest.raises(ConfigError, match="hand_threshold"):
        ModelSettings.parse(edited(hosted, "model.test_cfg.hand_threshold", value))
