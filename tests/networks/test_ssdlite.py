"""SSDLite."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from conftest import GOLDEN
from model_dirs import seeded_detector_state_dict

from modelscope_handkp.errors import ConfigError
from modelscope_handkp.model_dir.config import read_python_config
from modelscope_handkp.model_dir.ssdlite_settings import SSDLiteSettings
from modelscope_handkp.networks.ssdlite import SSDLite, build_ssdlite

RELATIVE = 1e-4


@pytest.fixture(scope="module")
def config() -> dict[str, Any]:
    return read_python_config(GOLDEN / "hosted" / "detection" / "config.py")


@pytest.fixture(scope="module")
def network(config: dict[str, Any]) -> SSDLite:
    network = build_ssdlite(SSDLiteSettings.parse(config))
    network.load_state_dict(seeded_detector_state_dict())
    return network.eval()


def test_the_keys_are_mmdets(network: SSDLite, golden: Any) -> None:
    shapes = {key: list(value.shape) for key, value in network.state_dict().items()}
    assert shapes == golden("detector_state_dict_shapes.json")


def test_logits_and_deltas_are_mmdets(network: SSDLite, golden: Any) -> None:
    """golden/detector.npz, 1e-4 of the largest value of a level."""
    arrays = golden("detector.npz")
    with torch.no_grad():
        logits, deltas = network(torch.from_numpy(np.stack([arrays[f"input_{i}"] for i in range(3)])))
    for i in range(3):
        for level in range(6):
            for ours, theirs in ((logits, arrays[f"cls_{i}_{level}"]), (deltas, arrays[f"reg_{i}_{level}"])):
                assert np.abs(ours[level][i].numpy() - theirs).max() < RELATIVE * np.abs(theirs).max()


def test_anchors(network: SSDLite) -> None:
    """FACTS: 3234 of them; 48 and sqrt(48 * 100) squares, then 1/2, 2, 1/3, 3 (height / width), around stride / 2."""
    anchors = network.anchors(320)
    assert anchors.shape == (3234, 4)
    assert [len(level) for level in network.level_anchors(320)] == [6 * side**2 for side in (20, 10, 5, 3, 2, 1)]
    center, size = (anchors[:, :2] + anchors[:, 2:]) / 2, anchors[:, 2:] - anchors[:, :2]
    np.testing.assert_allclose(center[:12:6], [[8, 8], [24, 8]], atol=1e-4)
    np.testing.assert_allclose(size[:6, 1] / size[:6, 0], [1, 1, 1 / 2, 2, 1 / 3, 3], rtol=1e-5)
    np.testing.assert_allclose(size[:2, 0], [48, 4800**0.5], rtol=1e-5)
    np.testing.assert_allclose(center[-1], [160, 160], atol=1e-4)
    anchors[:] = 0
    assert network.anchors(320).any()  # the caller's copy


def test_a_fresh_network_is_in_training_mode_with_its_norms_untouched(config: dict[str, Any]) -> None:
    fresh = build_ssdlite(SSDLiteSettings.parse(config))
    assert fresh.training
    assert not fresh.backbone.conv1.bn.running_mean.any()


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("model.type", "FasterRCNN", r"model\.type 'FasterRCNN' is not supported.*detector="),
        ("model.backbone.type", "ResNet", "ResNet"),
        ("model.bbox_head.num_classes", 80, "80"),
        ("model.backbone.out_indices", [99], "built"),
        ("model.backbone.out_indices", 4, "built"),
        ("model.neck.out_channels", [96, 1280, 10**9, 256, 256, 128], "do not fit"),
        ("model.neck.level_paddings", [1, 1, 10**9, 1], "level_paddings"),
        ("model.neck.level_strides", "2222", "built"),
        ("model.neck.level_strides", [2, 2, 2, 0], "built"),
        ("model.bbox_head.in_channels", [96, 1280], "do not fit"),
        ("model.bbox_head.anchor_generator.strides", [16], "differ in length"),
        ("model.bbox_head.anchor_generator.min_sizes", [-1, 1, 1, 1, 1, 1], "built"),
        ("model.bbox_head.anchor_generator.min_sizes", ["a"] * 6, "built"),
        ("model.bbox_head.anchor_generator.ratios", [[0]] * 6, "built"),
        ("model.bbox_head.anchor_generator.ratios", [[2] * 10**5] * 6, "would have"),
        ("model.bbox_head.anchor_generator", None, "strides"),
        ("test_pipeline", [], "built"),
        ("test_pipeline", [{"img_scale": (10**9, 10**9)}], "1000000000"),
        ("test_pipeline", [{"img_scale": (320, 240)}], "320 x 240"),
        ("test_pipeline", [{"img_scale": [(320, 320), (320, 240)]}], "320 x 240"),
        ("test_pipeline", [{"img_scale": [(320, 320)] * 1000}], "1000 sizes, at most 4"),
        ("test_pipeline", [{"img_scale": []}], "built"),
        ("test_pipeline", [{"img_scale": 320}], "built"),
    ],
)
def test_bad_configurations_are_named(config: dict[str, Any], key: str, value: Any, named: str) -> None:
    changed = copy.deepcopy(config)
    node = changed
    *parents, last = key.split(".")
    for part in parents:
        node = node[part]
    node[last] = value
    with pytest.raises(ConfigError, match=named):
        build_ssdlite(SSDLiteSettings.parse(changed))


def test_wide_levels_are_bounded(config: dict[str, Any]) -> None:
    changed = copy.deepcopy(config)
    for part in ("neck", "bbox_head"):
        changed["model"][part]["out_channels" if part == "neck" else "in_channels"] = [96, 1280, 10**9, 256, 256, 128]
    with pytest.raises(ConfigError, match="would have"):
        build_ssdlite(SSDLiteSettings.parse(changed))
