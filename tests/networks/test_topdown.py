"""The keypoint network: EasyCV's answers, the flip test and its two shifts, the rotation test, the loss."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import GOLDEN
from model_dirs import seeded_pose_state_dict

from modelscope_handkp.engines.eager import Network
from modelscope_handkp.errors import ConfigError
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.networks.topdown import (
    TopDown,
    build_pose,
    heatmap_loss,
    shift_as_easycv,
    shift_exactly,
    turned,
)
from modelscope_handkp.pose.codec import HeatmapCodec

RELATIVE = 1e-4  # of the largest value
PIXELS = 1e-2
LOSS_RELATIVE = 1e-5


@pytest.fixture(scope="module")
def hosted() -> TopDown:
    pose = build_pose(read_configuration(GOLDEN / "hosted")["model"])
    pose.load_state_dict(seeded_pose_state_dict())
    return pose.eval()


@pytest.fixture(scope="module")
def tiny_model(tiny_dir: Callable[..., Path]) -> dict[str, Any]:
    return read_configuration(tiny_dir())["model"]


def assert_heatmaps(ours: torch.Tensor, theirs: np.ndarray) -> None:
    assert np.abs(ours.numpy() - theirs).max() < RELATIVE * np.abs(theirs).max()


def test_the_keys_are_easycvs(hosted: TopDown, golden: Any) -> None:
    assert {key: list(value.shape) for key, value in hosted.state_dict().items()} == golden("state_dict_shapes.json")


def test_heatmaps_loss_and_keypoints_are_easycvs(hosted: TopDown, golden: Any) -> None:
    """golden/network.npz: heatmaps 1e-4 of the largest value, loss 1e-5 relative, preds 1e-2 px; folded and not."""
    arrays = golden("network.npz")
    img = torch.from_numpy(arrays["input"])
    with torch.no_grad():
        heatmaps = hosted(img)
    assert_heatmaps(heatmaps, arrays["heatmaps"])
    loss = heatmap_loss(heatmaps, *(torch.from_numpy(arrays[key]) for key in ("target", "target_weight")))
    assert float(loss) == pytest.approx(float(arrays["loss"]), rel=LOSS_RELATIVE)
    averaged = Network(hosted)(img, "heatmaps_at_test")
    assert_heatmaps(averaged, arrays["heatmaps_flip_averaged"])
    decoded = HeatmapCodec().decode(averaged.numpy(), arrays["center"], arrays["scale"])
    np.testing.assert_allclose(decoded[..., :2], arrays["preds"][..., :2], atol=PIXELS)


def test_the_exact_shift_moves_every_column_by_one() -> None:
    heatmaps = torch.arange(64.0).expand(1, 1, 2, 64)
    shifted = shift_exactly(heatmaps)
    assert shifted[0, 0, 0].tolist() == [0, *range(63)]
    assert heatmaps[0, 0, 0].tolist() == list(range(64))


@pytest.mark.parametrize("width", [8, 16, 17, 32, 64, 72, 96])
def test_easycvs_shift_is_its_overlapping_copy(width: int) -> None:
    """EasyCV's ``heatmaps[..., 1:] = heatmaps[..., :-1]`` on numpy, here in blocks as its copy loop runs."""
    given = torch.arange(float(width)).expand(1, 1, 1, width).clone()
    before = given.clone()
    row = shift_as_easycv(given)[0, 0, 0].tolist()
    assert torch.equal(given, before)
    whole = (width - 1) // 16 * 16
    for column in range(width):
        if column > whole:
            expected = max(whole - 1, 0)
        elif column > 16 and column % 16 == 1:
            expected = column - 2
        else:
            expected = max(column - 1, 0)
        assert row[column] == expected


def test_the_golden_average_tells_the_shifts_apart(hosted: TopDown, golden: Any) -> None:
    """golden/network.npz has EasyCV's flaw in its right quarter; the exact shift differs there and nowhere else."""
    arrays = golden("network.npz")
    img = torch.from_numpy(arrays["input"][:1])
    with torch.no_grad():
        mirrored, plain = hosted(img.flip(3)).flip(3), hosted(img)
    exact = ((plain + shift_exactly(mirrored)) / 2).numpy()
    theirs, limit = arrays["heatmaps_flip_averaged"][:1], RELATIVE * np.abs(arrays["heatmaps_flip_averaged"]).max()
    apart = np.flatnonzero(np.abs(exact - theirs).max(axis=(0, 1, 2)) > limit)
    assert set(range(50, 64)) <= set(apart) <= {17, 33, *range(49, 64)}


@pytest.mark.parametrize(("shift", "function"), [(True, shift_as_easycv), ("exact", shift_exactly), (False, None)])
def test_the_flip_test_is_the_mean_of_both_ways(tiny_model: dict[str, Any], shift: Any, function: Any) -> None:
    torch.manual_seed(0)
    pose = build_pose({**tiny_model, "test_cfg": {"shift_heatmap": shift}}).eval()
    for parameter in pose.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    img = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        back = pose(img.flip(3)).flip(3)
        expected = (pose(img) + (back if function is None else function(back))) / 2
        torch.testing.assert_close(pose.heatmaps_at_test(img), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("degrees", [15.0, -40.0, 90.0])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 48)])
def test_pictures_turn_as_opencv_turns_them(degrees: float, height: int, width: int) -> None:
    picture = cv2.GaussianBlur(np.random.default_rng(0).random((height, width), np.float32), (0, 0), 3)
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    ours = turned(torch.from_numpy(picture)[None, None], degrees)[0, 0].numpy()
    np.testing.assert_allclose(ours, cv2.warpAffine(picture, matrix, (width, height)), atol=0.01)


class Marker(TopDown):
    """Answers with the picture itself, at a quarter of its size, as training targets are placed."""

    def forward(self, img: torch.Tensor) -> torch.Tensor:
        return img[:, :, ::4, ::4]


@pytest.mark.parametrize(("degrees", "flip", "apart"), [(10, False, 0.03), (30.0, False, 0.03), (15, True, 0.15)])
def test_turned_answers_come_back_to_their_place(
    tiny_model: dict[str, Any], degrees: float, flip: bool, apart: float
) -> None:
    """The flip test's shift is by a whole pixel, where 3/4 would be right: half of the 1/4 too much is in the mean."""
    pose, settings = build_pose(tiny_model), {"rotation_test": degrees, "flip_test": flip, "shift_heatmap": "exact"}
    marker = Marker(pose.backbone, pose.keypoint_head, settings)
    y, x = np.mgrid[:128, :96].astype(np.float32)
    places = np.array([[30.0, 45.0], [61.0, 80.0], [48.0, 30.0]])
    blobs = np.stack([np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 8.0**2)) for u, v in places])
    heatmaps = marker.heatmaps_at_test(torch.from_numpy(blobs)[None].float())[0].numpy()
    v, u = np.mgrid[:32, :24]
    centroids = [[(h * u).sum() / h.sum(), (h * v).sum() / h.sum()] for h in heatmaps]
    np.testing.assert_allclose(centroids, places / 4, atol=apart)


@pytest.mark.parametrize("flip", [True, False])
def test_the_rotation_test_turns_to_both_sides(tiny_model: dict[str, Any], flip: bool) -> None:
    torch.manual_seed(0)
    pose = build_pose({**tiny_model, "test_cfg": {"flip_test": flip, "rotation_test": 20}}).eval()
    for parameter in pose.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    img, off = torch.randn(2, 3, 64, 64), (1 / 16 - 1 / 64,) * 2
    with torch.no_grad():
        left = turned(pose(turned(img, 20)), -20, off)
        if flip:
            right = turned(pose(turned(img, -20).flip(3)).flip(3), 20, off)
            expected = (pose(img) + pose(img.flip(3)).flip(3) + left + right) / 4
        else:
            expected = (pose(img) + left + turned(pose(turned(img, -20)), 20, off)) / 3
        torch.testing.assert_close(pose.heatmaps_at_test(img), expected, rtol=1e-4, atol=1e-5)


def test_the_loss_ignores_unweighted_joints() -> None:
    heatmaps, target = torch.zeros(2, 21, 4, 4), torch.ones(2, 21, 4, 4)
    weight = torch.zeros(2, 21, 1)
    assert heatmap_loss(heatmaps, target, weight) == 0
    weight[:, :7] = 1
    assert float(heatmap_loss(heatmaps, target, weight)) == pytest.approx(7 / 21)


def test_an_untrained_network_starts_as_easycvs(tiny_model: dict[str, Any]) -> None:
    torch.manual_seed(0)
    pose = build_pose(tiny_model)
    assert 0.0005 < float(pose.backbone.conv2.weight.detach().std()) < 0.002
    assert not pose.keypoint_head.final_layer[0].bias.detach().any()


def test_a_head_without_extra_layers_and_on_one_map(tiny_model: dict[str, Any]) -> None:
    model = copy.deepcopy(tiny_model)
    model["keypoint_head"] |= {"extra": None, "input_transform": None, "in_index": 1, "in_channels": 8}
    pose = build_pose(model).eval()
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
        (HEAD, "in_channels", [10**9] * 4, "in_channels"),
        (HEAD, "in_channels", 4, "int"),
        (HEAD, "in_index", [0, 1, 2, 9], "index"),
        (HEAD, "extra", {"num_conv_layers": 10**9}, "num_conv_layers"),
        (HEAD, "extra", {"num_conv_layers": "1"}, "num_conv_layers"),
        (HEAD, "extra", {"num_conv_layers": 1, "num_conv_kernels": [10**5]}, "keypoint_head would have"),
        (HEAD, "extra", {"final_conv_kernel": 10**6 + 1}, "keypoint_head would have"),
        (HEAD, "extra", "text", "extra"),
        (None, BACKBONE, "HRNet", r"model\.backbone\.type"),
        (None, HEAD, [1], r"model\.keypoint_head\.type"),
        (None, "test_cfg", [1], "test_cfg"),
        (None, "test_cfg", {"rotation_test": "15"}, "rotation_test.*'15'"),
        (None, "test_cfg", {"rotation_test": -15}, "rotation_test.*-15"),
        (None, "test_cfg", {"rotation_test": float("nan")}, "rotation_test"),
        (None, "test_cfg", {"rotation_test": [0, 15]}, "rotation_test"),
    ],
)
def test_bad_models_are_named(tiny_model: dict[str, Any], block: str | None, key: str, value: Any, named: str) -> None:
    model = copy.deepcopy(tiny_model)
    (model[block] if block else model)[key] = value
    with pytest.raises(ConfigError, match=named):
        build_pose(model)
