"""The keypoint network through Model.from_pretrained, and as a trainer calls it."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_dirs import seeded_pose_state_dict
from modelscope.models import Model
from modelscope.models.builder import build_model
from modelscope.utils.config import Config, ConfigDict

import modelscope_handkp  # noqa: F401
from modelscope_handkp.errors import CheckpointError, MissingFileError
from modelscope_handkp.model_dir.settings import ViewSettings
from modelscope_handkp.plugin import names
from modelscope_handkp.pose.views import MultiView

RELATIVE = 1e-4  # network.npz: of the largest value
LOSS_RELATIVE = 1e-5
PRED_PIXELS = 1e-2


@pytest.fixture(scope="module")
def hosted(hosted_dir: Callable[..., Path]) -> Any:
    return Model.from_pretrained(str(hosted_dir(tuples=True)))


@pytest.fixture
def tiny(tiny_dir: Callable[..., Path]) -> Any:
    return Model.from_pretrained(str(tiny_dir()))


def batch(count: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "img": torch.randn(count, 3, 64, 64, generator=generator),
        "target": torch.rand(count, 21, 16, 16, generator=generator),
        "target_weight": torch.ones(count, 21, 1),
    }


def test_weights_and_keys_are_the_checkpoints(hosted: Any, golden: Any) -> None:
    state = hosted.state_dict()
    assert {key: list(value.shape) for key, value in state.items()} == golden("state_dict_shapes.json")
    expected = seeded_pose_state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in state.items())
    assert not hosted.training


def test_golden_heatmaps_and_keypoints(hosted: Any, golden: Any) -> None:
    arrays = golden("network.npz")
    with torch.no_grad():
        answer = hosted(torch.from_numpy(arrays["input"]), img_metas={key: arrays[key] for key in ("center", "scale")})
    difference = np.abs(answer["heatmaps"].numpy() - arrays["heatmaps_flip_averaged"]).max()
    assert difference < RELATIVE * np.abs(arrays["heatmaps_flip_averaged"]).max()
    np.testing.assert_allclose(answer["keypoints"][..., :2], arrays["preds"][..., :2], atol=PRED_PIXELS)


def test_golden_loss_in_training_mode(hosted: Any, golden: Any) -> None:
    arrays = golden("network.npz")
    inputs = {key: torch.from_numpy(arrays[key]) for key in ("target", "target_weight")}
    network = copy.deepcopy(hosted)
    network.training = True  # the parts stay in evaluation mode, as EasyCV's answer was made
    with torch.no_grad():
        loss = network(img=torch.from_numpy(arrays["input"]), **inputs)["loss"]
    assert float(loss) == pytest.approx(float(arrays["loss"]), rel=LOSS_RELATIVE)


@pytest.mark.parametrize("as_list", [True, False], ids=["list", "collated"])
def test_keypoints_come_in_picture_pixels(tiny: Any, as_list: bool) -> None:
    metas: Any = {"center": torch.tensor([[50.0, 60.0], [10.0, 20.0]]), "scale": torch.tensor([[0.5, 0.5], [1.0, 1.0]])}
    if as_list:
        metas = [{key: value[i].numpy() for key, value in metas.items()} for i in range(2)]
    with torch.no_grad():
        answer = tiny(**batch(), img_metas=metas)
    expected = tiny.codec.decode(answer["heatmaps"].numpy(), [[50, 60], [10, 20]], [[0.5, 0.5], [1, 1]])
    assert answer["keypoints"].shape == (2, 21, 3)
    np.testing.assert_allclose(answer["keypoints"].numpy(), expected, atol=1e-4)


def test_a_step_of_training_moves_what_inference_uses(tiny: Any) -> None:
    tiny.train()
    optimizer = torch.optim.SGD(tiny.parameters(), lr=0.1)
    first = tiny.forward(**batch())["loss"]
    first.backward()
    assert all(parameter.grad is not None for parameter in tiny.backbone.parameters())
    optimizer.step()
    assert float(tiny.forward(**batch())["loss"].detach()) < float(first.detach())
    copied = copy.deepcopy(tiny)
    assert copied.network.backbone is copied.backbone
    assert copied.network.backbone is not tiny.backbone


@pytest.mark.parametrize(
    "test_cfg", [{"flip_test": False}, {"flip_test": True, "shift_heatmap": "exact"}, {"rotation_test": 15}]
)
def test_the_views_are_the_configurations(tiny_dir: Callable[..., Path], test_cfg: dict[str, Any]) -> None:
    model = Model.from_pretrained(str(tiny_dir(edit=lambda config: config["model"].update(test_cfg=test_cfg))))
    img = batch()["img"]
    with torch.no_grad():
        expected = MultiView(lambda crops: (model.network(crops),), ViewSettings.parse(test_cfg))(img)[0]
        torch.testing.assert_close(model(img)["heatmaps"], expected)
        model.train()
        torch.testing.assert_close(model(img)["heatmaps"], copy.deepcopy(model).network(img))  # no views in training


def test_the_network_inside_is_in_the_models_mode(tiny: Any) -> None:
    assert not tiny.network.training
    assert tiny.train() is tiny
    assert all(module.training for module in (tiny.network, *tiny.network.modules()))
    tiny.eval()
    assert not any(module.training for module in (tiny.network, *tiny.network.modules()))


def test_what_modelscope_passes_along_is_taken(tiny_dir: Callable[..., Path]) -> None:
    directory = str(tiny_dir(plugins=["pai-easycv"]))
    network = Model.from_pretrained(directory, device="cuda", device_map=None, trust_remote_code=True, anything=1)
    assert (network.model_dir, next(network.parameters()).device.type) == (directory, "cpu")
    network = Model.from_pretrained(directory, cfg_dict=Config.from_file(f"{directory}/configuration.json"))
    assert network.pipeline.type == names.PIPELINE


def test_without_a_directory_the_network_is_untrained(tiny_dir: Callable[..., Path]) -> None:
    config = json.loads((tiny_dir() / "configuration.json").read_text())
    network = build_model(ConfigDict(config["model"]), task_name=names.TASK)
    assert network.training
    assert float(network.backbone.conv1.weight.detach().std()) < 0.01  # EasyCV's initialisation


def test_saved_weights_load_again(tiny: Any, tmp_path: Path, tiny_dir: Callable[..., Path]) -> None:
    directory = tiny_dir()
    with torch.no_grad():
        tiny.backbone.conv1.weight += 1
    torch.save(tiny.state_dict(), directory / "pytorch_model.pt")
    again = Model.from_pretrained(str(directory))
    assert torch.equal(again.backbone.conv1.weight, tiny.backbone.conv1.weight)


def test_missing_weights_are_named(tiny_dir: Callable[..., Path]) -> None:
    directory = tiny_dir()
    (directory / "pytorch_model.pt").unlink()
    with pytest.raises(MissingFileError, match=r"pytorch_model\.pt"):
        Model.from_pretrained(str(directory))


def test_missing_tensors_are_named(tiny_dir: Callable[..., Path]) -> None:
    directory = tiny_dir()
    state = torch.load(directory / "pytorch_model.pt")["state_dict"]
    state.popitem()
    torch.save({"state_dict": state}, directory / "pytorch_model.pt")
    with pytest.raises(CheckpointError, match="keypoint_head"):
        Model.from_pretrained(str(directory))
