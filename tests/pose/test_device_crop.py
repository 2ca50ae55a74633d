"""Crops that are cut where the network runs are those of OpenCV, but for rounding."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from modelscope_handkp.pose.crop import Cropper
from modelscope_handkp.pose.device_crop import DeviceCropper, build_cropper

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
CHAIN: list[dict[str, Any]] = [
    {"type": "TopDownAffine"},
    {"type": "MMToTensor"},
    {"type": "NormalizeTensor", "mean": MEAN, "std": STD},
    {"type": "PoseCollect", "keys": ["img"], "meta_keys": ["center", "scale"]},
]
CPU = torch.device("cpu")


def smooth(height: int, width: int) -> np.ndarray:
    """An image whose neighbours differ by a few grey levels, so that a rounded place costs little."""
    y, x = np.mgrid[:height, :width]
    waves = [127 + 120 * np.sin(x / (7 + 2 * c) + c) * np.cos(y / (9 - c)) for c in range(3)]
    return np.stack(waves, -1).astype(np.uint8)


@pytest.mark.parametrize("size", [(64, 64), (48, 64), (64, 48)])
@pytest.mark.parametrize(
    "box",
    [[30, 40, 130, 120], [-40, -30, 20, 25], [150, 90, 260, 230], [-50, -50, 400, 300], [60, 60, 61, 61],
     [10.3, 20.7, 33.1, 90.9]],
)  # fmt: skip
def test_crops_equal_opencvs(size: tuple[int, int], box: list[float]) -> None:
    """Also where they reach beyond the image, and where they are far larger or smaller than their box."""
    image = smooth(160, 200)
    theirs, ours = Cropper(size, CHAIN), DeviceCropper(size, MEAN, STD, CPU)
    boxes = np.array(box, np.float32)
    expected, found = theirs(theirs.prepare(image), boxes), ours(ours.prepare(image), boxes)
    np.testing.assert_array_equal(found.center, expected.center)
    np.testing.assert_array_equal(found.scale, expected.scale)
    difference = (found.input - expected.input).abs() * torch.tensor(STD)[:, None, None] * 255  # grey levels
    assert difference.mean() < 0.5
    assert difference.max() < 12  # at the border, where 0 begins, a 32th of a pixel is up to 8 grey levels


def test_crops_equal_the_recorded_ones(golden: Any) -> None:
    """golden/preprocess.npz, for those that are not rotated; its tolerance for another version of OpenCV."""
    arrays = golden("preprocess.npz")
    cropper = DeviceCropper((256, 256), MEAN, STD, CPU)
    compared = 0
    for index in range(sum(name.startswith("image_") for name in arrays)):
        if arrays["rotation"][index]:
            continue
        x, y, width, height = arrays["box_xywh"][index]
        image = np.ascontiguousarray(arrays[f"image_{index}"][..., ::-1])
        found = cropper(cropper.prepare(image), np.array([x, y, x + width, y + height], np.float32)).input
        difference = (found - torch.from_numpy(arrays["tensor"][index])).abs()
        assert difference.mean() < 0.002 and difference.max() < 0.12
        compared += 1
    assert compared


def test_a_box_beside_the_image_is_black() -> None:
    cropper = DeviceCropper((16, 16), [0, 0, 0], [1, 1, 1], CPU)
    crop = cropper(cropper.prepare(smooth(20, 20)), np.array([500, 500, 540, 540], np.float32))
    assert crop.input.shape == (3, 16, 16) and not crop.input.any()


def settings(chain: list[dict[str, Any]]) -> Any:
    return SimpleNamespace(image_size=[32, 32], test_pipeline=chain)


@pytest.mark.parametrize(
    ("device", "chain", "kind"),
    [
        (torch.device("meta"), CHAIN, DeviceCropper),
        (CPU, CHAIN, Cropper),
        (None, CHAIN, Cropper),
        (torch.device("meta"), CHAIN[:2], Cropper),
    ],
)
def test_opencv_cuts_on_the_cpu_and_what_it_alone_knows(device: Any, chain: Any, kind: type) -> None:
    assert type(build_cropper(settings(chain), device)) is kind
