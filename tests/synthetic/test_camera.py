"""What a camera and a file do to light: blur, low resolution, colour, noise, and JPEG as OpenCV writes it."""

import cv2
import numpy as np
import pytest
import torch

from modelscope_handkp.synthetic import EASY, Rng, render_crops
from modelscope_handkp.synthetic.camera import blur, capture, coarsen, jpeg, lens_kernels


@pytest.fixture(scope="module")
def crops():
    """sRGB images (8, 3, 64, 64) of hands."""
    with torch.no_grad():
        return render_crops(Rng(1), 8, 64, EASY).images


def detail(images):
    return images.diff(dim=3).abs().mean((1, 2, 3))


def grey(count=200, value=0.2, side=24):
    return torch.full((count, 3, side, side), value)


@pytest.mark.parametrize("quality", [95, 60, 25, 8])
def test_jpeg_leaves_what_opencv_leaves(crops, quality):
    ours = jpeg(crops, torch.full((8,), float(quality)))
    for image, mine in zip(crops, ours):
        bgr = (image.flip(0).permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        theirs = torch.from_numpy(cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1].copy()).permute(2, 0, 1) / 255
        lost = (theirs - image).abs().mean()
        assert (mine - theirs).abs().mean() < (0.55 if quality > 50 else 0.9) * lost + 0.003
        assert 0.7 < (mine - image).abs().mean() / lost < 1.4


def test_jpeg_needs_no_multiple_of_sixteen(crops):
    odd = crops[:2, :, :37, :50]
    packed = jpeg(odd, torch.tensor([90.0, 10.0]))
    assert packed.shape == odd.shape and packed.min() >= 0 and packed.max() <= 1
    lost = (packed - odd).abs().mean((1, 2, 3))
    assert lost[0] < 0.02 < lost[1], "each image has its own quality"


def test_blur_uses_each_images_own_kernel(crops):
    one, mean = torch.zeros(2, 3, 3), torch.full((3, 3), 1 / 9)
    one[0, 1, 1], one[1] = 1, mean
    blurred = blur(crops[:2], one)
    torch.testing.assert_close(blurred[0], crops[0])
    torch.testing.assert_close(blurred[1, :, 1:-1, 1:-1], torch.nn.functional.avg_pool2d(crops[1], 3, 1))
    assert blurred.shape == crops[:2].shape


def test_lens_kernels_keep_brightness_and_grow_with_strength():
    weak, strong = lens_kernels(Rng(0), 500, 0.1), lens_kernels(Rng(0), 500, 1.0)
    axis = torch.arange(7.0) - 3
    for kernels in (weak, strong):
        torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(500))
        assert ((kernels.sum(1) * axis).sum(1).abs() < 1e-4).all(), "nothing is moved"
    width = [(k.sum(1) * axis.square()).sum(1).sqrt() for k in (weak, strong)]
    assert width[0].max() < 0.6 and 1.2 < width[1].max() < 2.3 and width[1].median() > width[0].median()
    assert (strong[:, 3, 3] > 0.95).float().mean() > 0.1, "many lenses are sharp"
    xx = (strong * axis.square()).sum((1, 2))
    yy = (strong * axis[None, :, None].square()).sum((1, 2))
    xy = (strong * axis[:, None] * axis).sum((1, 2))
    spread = torch.linalg.eigvalsh(torch.stack([xx, xy, xy, yy], 1).reshape(-1, 2, 2))
    long, short = spread[:, 1].sqrt(), spread[:, 0].clamp(min=0).sqrt()
    assert 0.15 < ((long > 0.8) & (short < 0.45 * long)).float().mean() < 0.45


def test_coarsening_takes_detail_away_step_by_step(crops):
    shares = torch.tensor([1.0, 0.75, 0.5, 0.33, 0.25, 0.17])
    same = crops[:1].repeat(6, 1, 1, 1)
    coarse = coarsen(same, shares)
    left = detail(coarse)
    assert torch.equal(coarse[0], same[0]) and (left.diff() < 0).all() and left[-1] < 0.75 * left[0]
    torch.testing.assert_close(coarse.mean((1, 2, 3)), same.mean((1, 2, 3)), atol=0.02, rtol=0)
    fine = torch.rand(40, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    known = coarsen(fine, torch.linspace(0.125, 0.74, 40)).std((1, 2, 3))
    assert (known < 0.27).float().mean() > 0.85 and known[0] < 0.05 and known[-1] > 0.1


def test_a_perfect_camera_only_makes_srgb_of_light():
    light = torch.tensor([0.0, 0.2, 0.5, 1.0, 1.5]).reshape(5, 1, 1, 1).repeat(1, 3, 4, 4)
    shown = capture(Rng(0), light, 0.0)[:, 0, 0, 0]
    torch.testing.assert_close(shown, torch.tensor([0.0, 0.481, 0.730, 1.0, 1.0]), atol=0.003, rtol=0)


def test_a_camera_adds_noise_that_grows_with_its_strength():
    noise = [capture(Rng(0), grey(), strength).flatten(2).std(2).mean(1) for strength in (0.1, 1.0)]
    assert noise[0].median() < noise[1].median() and noise[0].max() < 0.015 and 0.05 < noise[1].max() < 0.12
    assert (noise[1] < 0.01).float().mean() > 0.25, "many images are clean"


def test_noise_is_partly_of_one_colour():
    noisy = capture(Rng(2), grey(60), 1.0)
    strongest = noisy[noisy.flatten(2).std(2).mean(1).topk(8).indices].flatten(2)
    shared = torch.stack([torch.corrcoef(image)[0, 1] for image in strongest])
    assert 0.2 < shared.mean() < 0.9


def test_a_camera_changes_brightness_and_white_balance():
    means = capture(Rng(0), grey(), 1.0).mean((2, 3))
    assert 0.02 < means.mean(1).std() < 0.06 and abs(means.mean() - 0.481) < 0.02
    tint = (means[:, 0] / means[:, 2]).log().std()
    assert 0.04 < tint < 0.15


def test_a_camera_changes_contrast_and_saturation_and_some_are_grey():
    light = grey(400, side=16)
    light[:, 0, :, 8:] = 0.5
    shown = capture(Rng(0), light, 1.0)
    red, blue = (shown[:, c, :, 10:].mean((1, 2)) - shown[:, c, :, :6].mean((1, 2)) for c in (0, 2))
    color = red - blue
    assert color.std() / color.mean() > 0.15
    assert 0.015 < (color.abs() < 0.01).float().mean() < 0.1


def test_most_files_of_a_bad_camera_are_compressed(crops):
    """JPEG leaves steps at the borders of its blocks of eight pixels."""
    smooth = torch.linspace(0.1, 0.6, 64)[None, None, None] * torch.linspace(0.5, 1, 64)[:, None]
    light = smooth.expand(200, 3, 64, 64).contiguous()

    def blocks(images):
        curvature = images.mean(1).diff(n=2, dim=2).abs()
        at = torch.arange(62)
        border = (at % 8 == 6) | (at % 8 == 7)
        return curvature[..., border].mean((1, 2)) / curvature[..., ~border].mean((1, 2))

    bad = blocks(capture(Rng(0), light, 1.0))
    assert 0.25 < (bad > 1.3).float().mean() < 0.85
    assert blocks(capture(Rng(0), light, 0.0)).max() < 1.3


def test_resolution_is_that_of_a_small_hand(crops):
    light = crops**2.2
    whole, half = (detail(capture(Rng(0), light, 0.3, torch.full((8,), share))).mean() for share in (1.0, 0.3))
    assert half < 0.85 * whole


def test_sharpening_leaves_halos_along_edges():
    light = grey(200, 0.2, 32)
    light[..., 16:] = 0.6
    rows = capture(Rng(0), light, 1.0).mean((1, 2))
    overshoot = rows[:, 16:20].amax(1) - rows[:, 24:].mean(1)
    assert (overshoot > 0.03).float().mean() > 0.1
