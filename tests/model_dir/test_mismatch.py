"""A state dict that does not fit: the error says of what it is, and shows both sides' names and a prefix."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import GOLDEN
from torch import Tensor, nn

from modelscope_handkp.errors import CheckpointError
from modelscope_handkp.model_dir.checkpoint import load_weights

State = dict[str, Tensor]


class Part(nn.Module):
    """Tensors of given shapes under given names."""

    def __init__(self, shapes: dict[str, list[int]]) -> None:
        super().__init__()
        for name, shape in shapes.items():
            node: nn.Module = self
            *path, last = name.split(".")
            for part in path:
                if part not in node._modules:
                    node.add_module(part, nn.Module())
                node = node._modules[part]  # type: ignore[assignment]
            node.register_buffer(last, torch.zeros(shape, dtype=torch.long if "num_batches" in name else torch.float))


@cache
def network(file: str = "state_dict_shapes.json") -> Part:
    """The names of EasyCV's network without its later stages, which is cut to at most 36 channels."""
    shapes = json.loads((GOLDEN / file).read_text())
    later = ("backbone.stage3.", "backbone.stage4.")
    return Part({
        name: [min(size, 36) for size in shape] for name, shape in shapes.items() if not name.startswith(later)
    })  # fmt: skip


def state_of(net: nn.Module) -> State:
    return {name: value + 1 for name, value in net.state_dict().items()}


def refusal(state: State, net: nn.Module | None = None) -> str:
    net = net or network()
    with pytest.raises(CheckpointError) as caught:
        load_weights(net, state, "file.pt")
    assert not any(value.any() for value in net.state_dict().values())  # nothing was loaded
    message = str(caught.value)
    assert message.startswith("file.pt does not fit the configured network: ") and message.endswith(".")
    assert "\n" not in message and len(message) < 2000
    return message


def test_missing_names_and_unknown_ones_are_both_shown() -> None:
    state = {f"layer{number}.weight": torch.ones(1) for number in range(9)}
    message = refusal(state)
    assert "it lacks backbone.conv1.weight, backbone.bn1.weight" in message
    assert re.search(r"has the unknown layer0\.weight, layer1\.weight, .*layer4\.weight and 4 more", message)


def test_unknown_names_alone_are_no_mistake() -> None:
    state = {**state_of(network()), "extra.weight": torch.ones(1)}
    state["backbone.conv1.weight"] = torch.ones(36, 3, 7, 7)
    message = refusal(state)
    assert "has backbone.conv1.weight (36, 3, 7, 7) instead of (36, 3, 3, 3)" in message and "extra" not in message


SMALL = {"backbone.a.weight": [3, 2], "backbone.bn.num_batches_tracked": [], "keypoint_head.b": [4]}
MMPOSE_1 = {"backbone.a.weight": [3, 2], **{f"keypoint_head.final_layer.{number}.bias": [4] for number in (0, 1, 3)}}


def prefixed(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": value for name, value in state.items()}


@pytest.mark.parametrize(
    "prefix",
    ["net.", "network.", "_forward_module.", "model.", "pose_model.", "student.module.", "_forward_module.net."],
)
def test_a_prefix_is_taken_off_where_the_network_then_fits(prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    state = state_of(Part(SMALL))
    del state["backbone.bn.num_batches_tracked"]
    for beside in ({}, {"loss.sigma": torch.ones(1)}):
        net = Part(SMALL)
        load_weights(net, {**beside, **prefixed(prefix, state)}, "file.pt")
        assert all(torch.equal(net.state_dict()[name], value) for name, value in state.items())
    assert [record.getMessage() for record in caplog.records] == [
        "file.pt has tensors that the network does not use: loss.sigma"
    ]


def test_a_prefix_of_mmpose_1s_names() -> None:
    net = Part(MMPOSE_1)
    names = ("backbone.a.weight", "head.conv_layers.0.bias", "head.conv_layers.1.bias", "head.final_layer.bias")
    load_weights(net, dict(zip((f"net.{name}" for name in names), state_of(net).values())), "file.pt")
    assert all(value.all() for value in net.state_dict().values())


def test_what_does_not_fit_under_its_prefix_is_told_without_it() -> None:
    state = {**state_of(Part(SMALL)), "keypoint_head.b": torch.ones(5)}
    assert "it has keypoint_head.b (5,) instead of (4,)" in refusal(prefixed("net.", state), Part(SMALL))
    del state["keypoint_head.b"]
    message = refusal(prefixed("net.", state), Part(SMALL))
    assert "some keys would be the network's without the prefix 'net.'" in message


def test_of_two_networks_the_one_that_fits_is_loaded() -> None:
    state = state_of(Part(SMALL))
    wide = prefixed("teacher.", {name: torch.ones(*value.shape, 2) for name, value in state.items()})
    net = Part(SMALL)
    load_weights(net, {**wide, **prefixed("student.", state)}, "file.pt")
    assert all(torch.equal(net.state_dict()[name], value) for name, value in state.items())


def test_of_two_networks_that_fit_none_is_guessed() -> None:
    state = state_of(Part(SMALL))
    message = refusal({**prefixed("student.", state), **prefixed("teacher.", state)}, Part(SMALL))
    assert "every key would fit without one of the prefixes student., teacher., so save the network of one" in message


def test_a_network_under_its_own_names_goes_before_one_under_a_prefix() -> None:
    net, state = Part(SMALL), state_of(Part(SMALL))
    load_weights(net, {**prefixed("ema.", {name: value + 1 for name, value in state.items()}), **state}, "file.pt")
    assert all(torch.equal(net.state_dict()[name], value) for name, value in state.items())


def test_a_pretrained_backbone_has_no_head() -> None:
    backbone = {name: value for name, value in state_of(network()).items() if name.startswith("backbone.")}
    message = refusal(backbone)
    assert "it is a part of a network, without a keypoint_head" in message
    assert "lacks keypoint_head.final_layer.0.weight" in message
    without = {name.removeprefix("backbone."): value for name, value in backbone.items()}
    imagenet = {**without, "incre_modules.0.weight": torch.ones(1), "classifier.weight": torch.ones(1000, 2048)}
    for state in (without, imagenet):
        assert "it is the backbone alone under names without the prefix 'backbone.'" in refusal(state)


def test_a_head_has_no_backbone() -> None:
    head = {name: value for name, value in state_of(network()).items() if name.startswith("keypoint_head.")}
    assert "without a backbone" in refusal(head)


def test_a_detectors_backbone() -> None:
    net = network("detector_state_dict_shapes.json")
    backbone = {name: value for name, value in state_of(net).items() if name.startswith("backbone.")}
    assert "without a neck and bbox_head" in refusal(backbone, net)


@pytest.mark.parametrize(
    ("count", "whose"),
    [
        (17, "those of COCO's body"),
        (133, "those of COCO-WholeBody's whole body"),
        (42, "those of two hands"),
        (20, ""),
        (16, "those of MPII's body"),
        (26, "those of Halpe's body"),
        (68, "those of a face"),
        (98, "those of WFLW's face"),
        (106, "those of LaPa's face"),
    ],
)
def test_another_number_of_keypoints(count: int, whose: str) -> None:
    state = state_of(network())
    for kind in ("weight", "bias"):
        name = f"keypoint_head.final_layer.3.{kind}"
        state[name] = torch.ones(count, *state[name].shape[1:])
    message = refusal(state)
    assert f"it is of a model with {count} keypoints{whose and ', ' + whose}, where 21 are configured" in message
    assert "width" not in message


def test_a_body_model_whose_head_has_one_layer() -> None:
    state = {name: value for name, value in state_of(network()).items() if name.startswith("backbone.")}
    state |= {"keypoint_head.final_layer.weight": torch.ones(17, 32, 1, 1)}
    assert "a model with 17 keypoints, those of COCO's body" in refusal(state)


def test_another_width() -> None:
    def widened(name: str, value: Tensor) -> Tensor:
        stages = name.startswith(("backbone.stage", "backbone.transition", "keypoint_head"))
        return torch.ones([round(n * 32 / 18) if stages and n % 18 == 0 else n for n in value.shape])

    message = refusal({name: widened(name, value) for name, value in state_of(network()).items()})
    assert "it is of an HRNet of width 32, where 18 is configured" in message
    assert "keypoints" not in message


def test_a_detector_of_other_things() -> None:
    net = network("detector_state_dict_shapes.json")
    state = state_of(net)
    for name in list(state):
        if re.fullmatch(r"bbox_head\.cls_convs\.\d\.1\.(weight|bias)", name):
            state[name] = torch.ones(6 * 81, *state[name].shape[1:])
    message = refusal(state, net)
    assert "it is of a detector of 80 classes, where one, the hand, is configured" in message


def test_a_detector_in_place_of_a_pose_model() -> None:
    message = refusal(state_of(network("detector_state_dict_shapes.json")))
    assert re.search(r"lacks backbone\.conv1\.weight.* and has the unknown backbone\.conv1\.conv\.weight", message)


def test_a_pose_model_in_place_of_a_detector() -> None:
    message = refusal(state_of(network()), network("detector_state_dict_shapes.json"))
    assert re.search(r"lacks backbone\.conv1\.conv\.weight.* and has the unknown backbone\.conv1\.weight", message)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.bool])
def test_quantised_weights_are_not_taken_for_real_ones(dtype: Any) -> None:
    state = {**state_of(network()), "backbone.conv1.weight": torch.ones(36, 3, 3, 3, dtype=dtype)}
    assert f"has backbone.conv1.weight as {str(dtype)[6:]}" in refusal(state)


def test_long_and_many_names_are_cut() -> None:
    refusal({"x" * 10**6 + str(number): torch.ones(1) for number in range(50)})
    refusal({f"{number}.backbone.conv1.weight": torch.ones(36, 3, 3, 3) for number in range(20_000)})
    refusal({"y" * 10**6 + "." + name: value for name, value in list(state_of(network()).items())[:3]})


def test_the_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=re.escape(f"{tmp_path / 'a.pt'} does not fit")):
        load_weights(network(), {}, tmp_path / "a.pt")
