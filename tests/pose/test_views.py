"""Flip and rotation test around any engine."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import GOLDEN
from model_dirs import seeded_pose_state_dict

from modelscope_handkp.engines import EagerEngine
from modelscope_handkp.errors import ConfigError
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.model_dir.settings import NetworkSettings, ViewSettings
from modelscope_handkp.networks.topdown import build_topdown
from modelscope_handkp.pose.codec import HeatmapCodec
from modelscope_handkp.pose.views import MultiView, rotate, shift_as_easycv, shift_exactly

RELATIVE = 1e-4  # of the largest value
PIXELS = 1e-2


@pytest.fixture(scope="module")
def hosted() -> EagerEngine:
    network = build_topdown(NetworkSettings.parse(read_configuration(GOLDEN / "hosted")["model"]))
    network.load_state_dict(seeded_pose_state_dict())
    return EagerEngine(network)


@pytest.fixture(scope="module")
def convolution() -> Any:
    """An engine whose heatmaps, a quarter of its input in size, are neither symmetric nor the same when rotated."""
    torch.manual_seed(0)
    layer = torch.nn.Conv2d(3, 21, 7, stride=4, padding=3)

    def run(crops: torch.Tensor) -> tuple[torch.Tensor]:
        with torch.no_grad():
            return (layer(crops),)

    return run


def test_averaged_heatmaps_and_keypoints_are_easycvs(hosted: EagerEngine, golden: Any) -> None:
    """golden/network.npz: heatmaps 1e-4 of the largest value, preds 1e-2 px; batch norms are folded."""
    arrays = golden("network.npz")
    averaged = MultiView(hosted, ViewSettings(flip=True, shift=True))(torch.from_numpy(arrays["input"]))[0].numpy()
    theirs = arrays["heatmaps_flip_averaged"]
    assert np.abs(averaged - theirs).max() < RELATIVE * np.abs(theirs).max()
    decoded = HeatmapCodec().decode(averaged, arrays["center"], arrays["scale"])
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


def test_the_golden_average_tells_the_shifts_apart(hosted: EagerEngine, golden: Any) -> None:
    """golden/network.npz has EasyCV's flaw in its right quarter; the exact shift differs there and nowhere else."""
    arrays = golden("network.npz")
    exact = MultiView(hosted, ViewSettings(shift="exact"))(torch.from_numpy(arrays["input"][:1]))[0].numpy()
    theirs, limit = arrays["heatmaps_flip_averaged"][:1], RELATIVE * np.abs(arrays["heatmaps_flip_averaged"]).max()
    apart = np.flatnonzero(np.abs(exact - theirs).max(axis=(0, 1, 2)) > limit)
    assert set(range(50, 64)) <= set(apart) <= {17, 33, *range(49, 64)}


@pytest.mark.parametrize(("shift", "function"), [(True, shift_as_easycv), ("exact", shift_exactly), (False, None)])
def test_the_flip_test_is_the_mean_of_both(convolution: Any, shift: Any, function: Any) -> None:
    crops = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    back = convolution(crops.flip(3))[0].flip(3)
    expected = (convolution(crops)[0] + (back if function is None else function(back))) / 2
    averaged = MultiView(convolution, ViewSettings(shift=shift))(crops)[0]
    torch.testing.assert_close(averaged, expected, rtol=1e-4, atol=1e-5)


def test_without_flip_and_rotation_the_heatmaps_are_the_engines(convolution: Any) -> None:
    crops = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(MultiView(convolution, ViewSettings(flip=False))(crops)[0], convolution(crops)[0])


def test_engines_may_return_numpy_arrays(convolution: Any) -> None:
    crops = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    settings = ViewSettings(flip=True, rotation=15)
    numpy_engine = MultiView(lambda images: (convolution(images)[0].numpy(),), settings)
    torch.testing.assert_close(numpy_engine(crops)[0], MultiView(convolution, settings)(crops)[0])


@pytest.mark.parametrize("degrees", [15.0, -40.0, 90.0])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 48)])
def test_images_rotate_as_opencv_rotates_them(degrees: float, height: int, width: int) -> None:
    image = cv2.GaussianBlur(np.random.default_rng(0).random((height, width), np.float32), (0, 0), 3)
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    ours = rotate(torch.from_numpy(image)[None, None], degrees)[0, 0].numpy()
    np.testing.assert_allclose(ours, cv2.warpAffine(image, matrix, (width, height)), atol=0.01)


@pytest.mark.parametrize(
    ("degrees", "flip", "apart"), [(10, False, 0.03), (30.0, False, 0.03), (60.0, False, 0.03), (15, True, 0.15)]
)
def test_heatmaps_of_rotated_crops_come_back_to_their_place(degrees: float, flip: bool, apart: float) -> None:
    """The flip test's shift is by a whole pixel, where 3/4 would be right: half of the 1/4 too much is in the mean."""
    y, x = np.mgrid[:128, :96].astype(np.float32)
    places = np.array([[30.0, 45.0], [61.0, 80.0], [48.0, 30.0]])
    blobs = np.stack([np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * 8.0**2)) for u, v in places])
    quarter = MultiView(lambda crops: (crops[:, :, ::4, ::4],), ViewSettings(flip, "exact", degrees))  # as targets lie
    heatmaps = quarter(torch.from_numpy(blobs)[None].float())[0][0].numpy()
    v, u = np.mgrid[:32, :24]
    centroids = [[(h * u).sum() / h.sum(), (h * v).sum() / h.sum()] for h in heatmaps]
    np.testing.assert_allclose(centroids, places / 4, atol=apart)


def test_maps_that_are_not_rotated_are_themselves() -> None:
    maps = torch.rand(1, 1, 4, 4)
    assert rotate(maps, 0) is maps


@pytest.mark.parametrize("flip", [True, False])
def test_the_rotation_test_rotates_to_both_sides(convolution: Any, flip: bool) -> None:
    crops, off = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)), (1 / 16 - 1 / 64,) * 2
    run = lambda images: convolution(images)[0]  # noqa: E731
    left = rotate(run(rotate(crops, 20)), -20, off)
    if flip:
        right = rotate(run(rotate(crops, -20).flip(3)).flip(3), 20, off)
        expected = (run(crops) + run(crops.flip(3)).flip(3) + left + right) / 4
    else:
        expected = (run(crops) + left + rotate(run(rotate(crops, -20)), 20, off)) / 3
    averaged = MultiView(convolution, ViewSettings(flip, False, 20))(crops)[0]
    torch.testing.assert_close(averaged, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("value", ["15", -15, float("nan"), [0, 15], True, 91])
def test_a_rotation_that_is_no_number_of_degrees_is_named(value: Any) -> None:
    with pytest.raises(ConfigError, match="rotation_test"):
        ViewSettings.parse({"rotation_test": value})
