"""The keypoint network: EasyCV's outputs, the loss, configurations."""

import copy
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import GOLDEN
from model_dirs import seeded_pose_state_dict
from safetensors.torch import save_file

from modelscope_handkp.errors import CheckpointError, ConfigError
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.model_dir.settings import NetworkSettings
from modelscope_handkp.networks.topdown import TopDown, build_topdown, heatmap_loss, load_topdown

RELATIVE = 1e-4  # of the largest value
LOSS_RELATIVE = 1e-5


@pytest.fixture(scope="module")
def hosted() -> TopDown:
    network = build_topdown(NetworkSettings.parse(read_configuration(GOLDEN / "hosted")["model"]))
    network.load_state_dict(seeded_pose_state_dict())
    return network.eval()


@pytest.fixture(scope="module")
def tiny_model_dir(tiny_dir: Callable[..., Path]) -> Path:
    """Shared: not to be written to."""
    return tiny_dir()


@pytest.fixture(scope="module")
def tiny_model(tiny_model_dir: Path) -> dict[str, Any]:
    return read_configuration(tiny_model_dir)["model"]


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


def mmpose_1(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The names that mmpose 1.x gives a hand model of HRNetV2-W18: one convolution of the head, then the last one."""
    names = {name: name.replace("keypoint_head.final_layer.3", "head.final_layer") for name in state}
    return {names[name].replace("keypoint_head.final_layer", "head.conv_layers"): state[name] for name in state}


@pytest.mark.slow  # the names alone are in test_state_dict.py
@pytest.mark.parametrize("file", ["pytorch_model.pt", "model.safetensors"])
def test_hand_models_of_mmpose_1_give_the_same_heatmaps(
    hosted: TopDown, tmp_path: Path, golden: Any, file: str
) -> None:
    """golden/network.npz, as above."""
    state = mmpose_1(hosted.state_dict())
    assert "head.conv_layers.0.weight" in state and "head.final_layer.bias" in state
    if file == "model.safetensors":
        save_file(state, tmp_path / file)
    else:
        content = {"meta": {"mmengine_version": "0.10.4"}, "state_dict": state, "message_hub": {}}
        torch.save(content, tmp_path / file)
    network = load_topdown(tmp_path, NetworkSettings.parse(read_configuration(GOLDEN / "hosted")["model"])).eval()
    arrays = golden("network.npz")
    with torch.no_grad():
        heatmaps = network(torch.from_numpy(arrays["input"][:1])).numpy()
    assert np.abs(heatmaps - arrays["heatmaps"][:1]).max() < RELATIVE * np.abs(arrays["heatmaps"]).max()


def test_safetensors_go_before_the_torch_file(tiny_dir: Callable[..., Path], tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_dir(), tmp_path / "model")
    settings = NetworkSettings.parse(read_configuration(folder)["model"])
    state = load_topdown(folder, settings).state_dict()
    save_file({name: value + 1 for name, value in state.items()}, folder / "model.safetensors")
    both = load_topdown(folder, settings).state_dict()
    assert all(torch.equal(both[name], value + 1) for name, value in state.items())


@pytest.mark.parametrize(("seconds", "lines"), [(0, 0), (2, 0), (-60, 0), (8, 1), (10**6, 1)])
@pytest.mark.parametrize("newer", ["pytorch_model.pt", "pytorch_model.bin"])
def test_weights_that_are_newer_than_those_read_are_named(
    tiny_model_dir: Path, tmp_path: Path, newer: str, seconds: int, lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    settings = NetworkSettings.parse(read_configuration(tiny_model_dir)["model"])
    read = tmp_path / "model.safetensors"
    save_file(build_topdown(settings).state_dict(), read)
    (tmp_path / newer).touch()
    for path, time in ((read, 10**9), (tmp_path / newer, 10**9 + seconds)):
        os.utime(path, (time, time))
    load_topdown(tmp_path, settings)
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == lines
    assert all(f"{read} is read, although {newer} beside it is newer" in warning for warning in warnings)


def test_a_file_that_is_no_checkpoint_is_called_what_it_is(tiny_dir: Callable[..., Path]) -> None:
    folder = tiny_dir()
    settings = NetworkSettings.parse(read_configuration(folder)["model"])
    (folder / "pytorch_model.pt").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 9\n")
    with pytest.raises(CheckpointError, match=r"pytorch_model\.pt is refused: it is a Git LFS pointer"):
        load_topdown(folder, settings)


def test_weights_of_another_network_are_named(tiny_dir: Callable[..., Path]) -> None:
    folder = tiny_dir()
    settings = NetworkSettings.parse(read_configuration(folder)["model"])
    wide = {"backbone.stage2.0.branches.0.0.conv1.weight": torch.ones(18, 18, 3, 3)}
    torch.save({**build_topdown(settings).state_dict(), **wide}, folder / "pytorch_model.pt")
    with pytest.raises(CheckpointError, match="of an HRNet of width 18, where 4 is configured"):
        load_topdown(folder, settings)
    backbone = build_topdown(settings).backbone.state_dict()
    for prefix, reason in (("backbone.", "without a keypoint_head"), ("", "the backbone alone")):
        torch.save({f"{prefix}{name}": value for name, value in backbone.items()}, folder / "pytorch_model.pt")
        with pytest.raises(CheckpointError, match=reason):
            load_topdown(folder, settings)


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
