"""The keypoint network: EasyCV's outputs, the loss, configurations."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import GOLDEN
from model_dirs import seeded_pose_state_dict

from modelscope_handkp.errors import ConfigError
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.model_dir.settings import NetworkSettings
from modelscope_handkp.networks.topdown import TopDown, build_topdown, heatmap_loss

RELATIVE = 1e-4  # of the largest value
LOSS_RELATIVE = 1e-5


@pytest.fixture(scope="module")
def hosted() -> TopDown:
    network = build_topdown(NetworkSettings.parse(read_configuration(GOLDEN / "hosted")["model"]))
    network.load_state_dict(seeded_pose_state_dict())
    return network.eval()


@pytest.fixture(scope="module")
def tiny_model(tiny_dir: Callable[..., Path]) -> dict[str, Any]:
    return read_configuration(tiny_dir())["model"]


def test_the_keys_are_easycvs(hosted: TopDown, golden: Any) -> None:
    assert {key: list(value.shape) for key, value in hosted.state_dict().items()} == golden("state_dict_shapes.json")


def test_heatmaps_and_loss_are_easycvs(hosted: TopDown, golden: Any) -> None:
    """golden/network.npz: heatmaps 1e-4 of the largest value, loss 1e-5 relative."""
    arrays = golden("network.npz")
    with torch.no_grad():
        heatmaps = hosted(torch.from_numpy(arrays["input"]))
    assert np.abs(heatmaps.numpy() - arrays["heatmaps"]).max() < RELATIVE * np.abs(arrays["heatmaps"]).max()
    loss = heatmap_loss(heatmaps, *(torch.from_numpy(arrays[key]) for key in ("target", "target_weight")))
    assert float(loss) == pytest.approx(float(arrays["loss"]), rel=LOSS_RELATIVE)


def test_the_loss_ignores_unweighted_joints() -> None:
    heatmaps, target = torch.zeros(2, 21, 4, 4), torch.ones(2, 21, 4, 4)
    weight = torch.zeros(2, 21, 1)
    assert heatmap_loss(heatmaps, target, weight) == 0
    weight[:, :7] = 1
    assert float(heatmap_loss(heatmaps, target, weight)) == pytest.approx(7 / 21)


def test_an_untrained_network_starts_as_easycvs(tiny_model: dict[str, Any]) -> None:
    torch.manual_seed(0)
    pose = build_topdown(NetworkSettings.parse(tiny_model))
    assert 0.0005 < float(pose.backbone.conv2.weight.detach().std()) < 0.002
    assert not pose.keypoint_head.final_layer[0].bias.detach().any()


def test_a_head_without_extra_layers_and_on_one_map(tiny_model: dict[str, Any]) -> None:
    model = copy.deepcopy(tiny_model)
    model["keypoint_head"] |= {"extra": None, "input_transform": None, "in_index": 1, "in_channels": 8}
    pose = build_topdown(NetworkSettings.parse(model)).eval()
    assert "keypoint_head.final_layer.weight" in pose.state_dict()
    with torch.no_grad():
        assert pose(torch.zeros(1, 3, 64, 64)).shape == (1, 21, 8, 8)


HEAD, BACKBONE = "keypoint_head", "backbone"


@pytest.mark.parametrize(
    ("block", "key", "value", "named"),
    [
        (BACKBONE, "type", "LiteHRNet", r"model\.backbone\.type 'LiteHRNet'"),
        (BACKBONE, "in_channels", 10**9, "in_channels 1000000000"),
        (BACKBONE, "extra", [1], "extra|list"),
        (BACKBONE, "extra", None, "stage1|NoneType"),
        (HEAD, "type", "DeepposeRegressionHead", "DeepposeRegressionHead"),
        (HEAD, "out_channels", 17, "out_channels 17"),
        (HEAD, "num_deconv_layers", 3, "num_deconv_layers 3"),
        (HEAD, "input_transform", "multiple_select", "multiple_select"),
        (HEAD, "in_channels", [10**9] * 4, "keypoint_head would have"),
        (HEAD, "in_channels", 4, "int"),
        (HEAD, "in_channels", [4, 8, 12, 20], r"in_channels \[4, 8, 12, 20\].*\[4, 8, 12, 16\]"),
        (HEAD, "in_index", [0, 1, 2, 9], "index"),
        (HEAD, "extra", {"num_conv_layers": 10**9}, "num_conv_layers"),
        (HEAD, "extra", {"num_conv_layers": "1"}, "num_conv_layers"),
        (HEAD, "extra", {"num_conv_layers": 1, "num_conv_kernels": [10**5]}, "keypoint_head would have"),
        (HEAD, "extra", {"final_conv_kernel": 10**6 + 1}, "keypoint_head would have"),
        (HEAD, "extra", "text", "extra"),
        (None, BACKBONE, "HRNet", r"model\.backbone\.type"),
        (None, HEAD, [1], r"model\.keypoint_head\.type"),
    ],
)
def test_bad_models_are_named(tiny_model: dict[str, Any], block: str | None, key: str, value: Any, named: str) -> None:
    model = copy.deepcopy(tiny_model)
    (model[block] if block else model)[key] = value
    with pytest.raises(ConfigError, match=named):
        build_topdown(NetworkSettings.parse(model))
