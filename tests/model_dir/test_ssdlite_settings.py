"""A detection/config.py, parsed once into typed settings."""

import copy
from typing import Any

import pytest
from conftest import GOLDEN

from modelscope_handkp.errors import ConfigError
from modelscope_handkp.model_dir.config import read_python_config
from modelscope_handkp.model_dir.ssdlite_settings import LevelSettings, SSDLiteSettings


@pytest.fixture(scope="module")
def hosted() -> dict[str, Any]:
    return read_python_config(GOLDEN / "hosted" / "detection" / "config.py")


def edited(config: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy with another value under a dotted key; without the key if the value is ``...``."""
    config = copy.deepcopy(config)
    *parents, last = [int(part) if part.isdigit() else part for part in key.split(".")]
    node: Any = config
    for part in parents:
        node = node[part]
    if value is ...:
        del node[last]
    else:
        node[last] = value
    return config


def test_the_hosted_detector(hosted: dict[str, Any]) -> None:
    settings = SSDLiteSettings.parse(hosted)
    assert (settings.out_indices, settings.neck_in) == ((4, 7), (96, 1280))
    assert settings.neck_out == (96, 1280, 512, 256, 256, 128)
    assert (settings.neck_strides, settings.neck_paddings) == ((2, 2, 2, 2), (1, 1, 1, 1))
    assert settings.levels[0] == LevelSettings(16, 48, 100, (2, 3))
    assert settings.levels[5] == LevelSettings(320, 304, 320, (2, 3))
    assert [level.anchors for level in settings.levels] == [6] * 6
    assert settings.input_sizes == (320,)
    assert (settings.mean, settings.std) == ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    assert (settings.candidate_score, settings.per_level) == (0.02, 1000)
    assert (settings.iou_threshold, settings.at_most) == (0.45, 200)


def test_a_place_has_two_anchors_and_two_of_each_ratio() -> None:
    assert [LevelSettings(16, 48, 100, ratios).anchors for ratios in ((), (2,), (2, 3))] == [2, 4, 6]


def test_the_colours_are_imagenets_where_nothing_is_said(hosted: dict[str, Any]) -> None:
    settings = SSDLiteSettings.parse(edited(hosted, "img_norm_cfg", ...))
    assert (settings.mean, settings.std) == ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    own = SSDLiteSettings.parse(edited(hosted, "img_norm_cfg", {"mean": [0, -1e4, 1e4], "std": [1e-4, 1, 1e4]}))
    assert (own.mean, own.std) == ((0, -1e4, 1e4), (1e-4, 1, 1e4))


@pytest.mark.parametrize(
    ("scale", "sizes"),
    [((320, 320), (320,)), ([[320, 320]], (320,)), ([(320, 320), (1024, 1024), (64, 64), (1, 1)], (320, 1024, 64, 1))],
)
def test_one_input_size_or_up_to_four(hosted: dict[str, Any], scale: Any, sizes: tuple[int, ...]) -> None:
    assert SSDLiteSettings.parse(edited(hosted, "test_pipeline.0.img_scale", scale)).input_sizes == sizes


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("model.type", "YOLOX", r"model\.type 'YOLOX' is not supported \(only 'SingleStageDetector' is\).*detector="),
        ("model.backbone.type", "ResNet", r"model\.backbone\.type 'ResNet'"),
        ("model.neck.type", "FPN", r"model\.neck\.type 'FPN'"),
        ("model.bbox_head.type", "YOLOXHead", r"model\.bbox_head\.type 'YOLOXHead'"),
        ("model.bbox_head.num_classes", 80, r"model\.bbox_head\.num_classes 80"),
        ("model.neck", ..., "model.neck"),
        ("model.test_cfg", ..., "model.test_cfg"),
        ("model.backbone.out_indices", ..., "out_indices"),
        ("model.bbox_head.anchor_generator.ratios", [[2]], "differ in length"),
        ("model.bbox_head.anchor_generator.strides", ..., "strides"),
        ("model.bbox_head.anchor_generator.min_sizes", 5, "cannot be built"),
        ("model.neck.out_channels", [96, 1280], r"widths \[96, 1280\]; its head and anchors do not fit"),
        ("model.bbox_head.in_channels", [96, 1280], "its head and anchors do not fit"),
        ("model.neck.level_strides", [2, 2, 2, 9], r"at most 8, got \[2, 2, 2, 9, 1"),
        ("model.neck.level_paddings", [1, 1, 1, -1], "level_strides and level_paddings"),
        ("model.bbox_head.in_channels", ..., "in_channels"),
        ("test_pipeline", ..., "test_pipeline"),
        ("test_pipeline", [], "cannot be built"),
        ("test_pipeline.0.img_scale", ..., "img_scale"),
        ("test_pipeline.0.img_scale", (320, 240), "img_scale 320 x 240 is not square"),
        ("test_pipeline.0.img_scale", (1025, 1025), "1025 x 1025.*above 1024"),
        ("test_pipeline.0.img_scale", (0, 0), "0 x 0"),
        ("test_pipeline.0.img_scale", [(320, 320)] * 5, "5 sizes, at most 4"),
        ("img_norm_cfg.mean", [0, 0], r"mean must be three numbers, got \[0, 0\]"),
        ("img_norm_cfg.mean", [0, 0, 10_001], "mean.*10001"),
        ("img_norm_cfg.std", [1, 1, 0.9e-4], "std"),
        ("img_norm_cfg.std", {"r": 1, "g": 1, "b": 1}, "std must be three numbers"),
        ("model.test_cfg.score_thr", 1.5, "score_thr.*0 to 1"),
        ("model.test_cfg.score_thr", -0.1, "score_thr"),
        ("model.test_cfg.nms_pre", 0, "nms_pre.*1 to 10000"),
        ("model.test_cfg.nms_pre", 10_001, "nms_pre"),
        ("model.test_cfg.nms", {"iou_threshold": 1.5}, r"nms\.iou_threshold.*0 to 1"),
        ("model.test_cfg.nms", {"iou_threshold": -0.5}, r"nms\.iou_threshold"),
        ("model.test_cfg.nms", {}, r"nms\.iou_threshold"),
        ("model.test_cfg.max_per_img", 0, "max_per_img.*1 to 10000"),
        ("model.test_cfg.max_per_img", 10_001, "max_per_img"),
    ],
)
def test_what_is_not_known_or_out_of_range_is_named(hosted: dict[str, Any], key: str, value: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        SSDLiteSettings.parse(edited(hosted, key, value))


@pytest.mark.parametrize(
    ("key", "value"),
    [("score_thr", 0), ("score_thr", 1), ("nms_pre", 1), ("nms_pre", 10_000), ("max_per_img", 1),
     ("max_per_img", 10_000), ("nms", {"iou_threshold": 0}), ("nms", {"iou_threshold": 1})],
)  # fmt: skip
def test_numbers_at_their_limits_are_taken(hosted: dict[str, Any], key: str, value: Any) -> None:
    SSDLiteSettings.parse(edited(hosted, f"model.test_cfg.{key}", value))
    SSDLiteSettings.parse(edited(hosted, "model.neck.level_strides", [8, 8, 8, 0]))


@pytest.mark.parametrize(("width", "fits"), [(15_500, True), (16_000, False), (10**9, False)])
def test_detectors_of_up_to_a_quarter_of_a_billion_weights_are_built(
    hosted: dict[str, Any], width: int, fits: bool
) -> None:
    """A level whose width is w has about w x w weights: 250 million are 15,800 x 15,800."""
    widths = [96, width, 512, 256, 256, 128]
    config = edited(edited(hosted, "model.neck.out_channels", widths), "model.bbox_head.in_channels", widths)
    if fits:
        SSDLiteSettings.parse(config)
    else:
        with pytest.raises(ConfigError, match="the hand detector would have about"):
            SSDLiteSettings.parse(config)
