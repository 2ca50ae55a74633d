"""Colours, noise and shapes of the backgrounds."""

import torch

from modelscope_handkp.synthetic import Rng
from modelscope_handkp.synthetic.paint import (
    any_colors,
    ellipse,
    grid,
    lit,
    noise,
    paint,
    skin_tones,
    soft,
    solid,
    to_linear,
    to_srgb,
)

CPU = torch.device("cpu")


def test_linear_light_and_back():
    srgb = torch.linspace(0.01, 1, 50)
    linear = to_linear(srgb)
    torch.testing.assert_close(to_srgb(linear), srgb, atol=1e-5, rtol=0)
    assert 0.2 < linear[24] < 0.23, "half of sRGB is about a fifth of the light"
    assert to_linear(torch.tensor(-1.0)) == 0 and to_srgb(torch.tensor(-1.0)).isfinite()


def test_skin_tones_run_from_pale_to_dark_and_are_redder_than_blue():
    tones = to_srgb(skin_tones(Rng(0), 2000))
    brightness = tones.mean(1)
    assert brightness.min() < 0.2 and brightness.max() > 0.85
    assert (tones[:, 0] > tones[:, 2]).float().mean() > 0.99
    steps = torch.histogram(brightness, 5, range=(0.17, 0.9)).hist / 2000
    assert steps.min() > 0.1, "no part of the range is rare"
    hue = (tones[:, 1] / tones[:, 0])[(brightness > 0.55) & (brightness < 0.6)]
    assert 0.01 < hue.std() < 0.1


def test_colours_are_of_every_brightness_and_mostly_muted():
    colors = to_srgb(any_colors(Rng(0), 4000))
    assert colors.min() >= 0 and colors.max() <= 1
    value = colors.amax(1)
    assert 0.4 < value.median() < 0.56 and value.min() < 0.1 and value.max() > 0.97
    saturation = 1 - colors.amin(1) / value
    assert 0.07 < saturation.median() < 0.2 and 0.03 < (saturation > 0.6).float().mean() < 0.2


def test_noise_is_smooth_and_as_coarse_as_asked_for():
    coarse, fine = (noise(Rng(0), 20, 1, 64, 128, cells) for cells in (4, 32))
    for values in (coarse, fine):
        assert values.shape == (20, 1, 64, 128) and values.mean().abs() < 0.2 and 0.5 < values.std() < 1.2
    changes = [values.diff(dim=3).abs().mean() for values in (coarse, fine)]
    assert 4 < changes[1] / changes[0] < 14
    assert abs(fine.diff(dim=2).abs().mean() / fine.diff(dim=3).abs().mean() - 1) < 0.25, "square cells"


def test_the_grid_runs_from_minus_one_to_one_along_the_longer_side():
    x, y = grid(3, 5, 11, CPU)
    assert x.shape == y.shape == (1, 5, 11)
    torch.testing.assert_close(x[0, 2], torch.linspace(-10 / 11, 10 / 11, 11))
    torch.testing.assert_close(y[0, :, 3], torch.linspace(-4 / 11, 4 / 11, 5))


def test_paint_blends_into_the_images_that_are_named():
    images = torch.full((3, 3, 2, 2), 0.2)
    mask = torch.tensor([[[0.0, 0.5], [1.0, 1.0]]])
    paint(images, torch.tensor([1]), mask, torch.tensor([1.0, 0.6, 0.2])[None, :, None, None])
    torch.testing.assert_close(images[1, 0], torch.tensor([[0.2, 0.6], [1.0, 1.0]]))
    torch.testing.assert_close(images[1, 2], torch.full((2, 2), 0.2))
    assert (images[[0, 2]] == 0.2).all()


def test_an_ellipse_has_the_value_one_at_its_rim():
    x, y = torch.tensor([[[0.5, 0.1, 0.3, 0.9]]]), torch.tensor([[[0.2, 0.2, 0.4, 0.2]]])
    centre, radii = (torch.tensor([0.1]), torch.tensor([0.2])), (torch.tensor([0.4]), torch.tensor([0.1]))
    u, v, value = ellipse(x, y, *centre, *radii, torch.tensor([0.0]))
    torch.testing.assert_close(u[0, 0], torch.tensor([1.0, 0.0, 0.5, 2.0]))
    torch.testing.assert_close(v[0, 0], torch.tensor([0.0, 0.0, 2.0, 0.0]))
    torch.testing.assert_close(value[0, 0], torch.tensor([1.0, 0.0, 4.25, 4.0]))
    _, _, upright = ellipse(x, y, *centre, *radii, torch.tensor([torch.pi / 2]))
    assert upright[0, 0, 0] > 15, "rotated by a right angle it is as high as it was wide"


def test_soft_masks_fade_at_the_rim():
    values = torch.tensor([[[0.0, 0.9, 1.0, 2.0]]])
    torch.testing.assert_close(soft(values, torch.tensor([5.0]))[0, 0], torch.tensor([1.0, 0.5, 0.0, 0.0]))


def test_ellipsoids_are_bright_toward_the_light():
    u, v = torch.tensor([[[-0.9, 0.0, 0.9]]]), torch.zeros(1, 1, 3)
    from_right = torch.tensor([[0.8, 0.0, -0.6]])
    left, middle, right = solid(u, v, u.square() + v.square(), from_right, torch.tensor([0.0]))[0, 0]
    assert left < middle < right and abs(left - 0.35) < 1e-4 and right > 0.95
    flipped = solid(u, v, u.square() + v.square(), from_right, torch.tensor([torch.pi]))[0, 0]
    assert flipped[0] > flipped[2], "u runs along an axis that is rotated by the angle"
    from_camera = solid(u, v, u.square() + v.square(), torch.tensor([[0.0, 0.0, -1.0]]), torch.tensor([0.3]))[0, 0]
    assert from_camera[1] > from_camera[0] and abs(from_camera[1] - 1.1) < 1e-4


def test_slopes_are_bright_toward_the_light():
    right = torch.tensor([[[-1.0, 0.0, 1.0]]])
    from_right = torch.tensor([[0.7071, 0.0, -0.7071]])
    falling, flat, rising = lit(right, torch.zeros(1, 1, 3), from_right)[0, 0]
    assert falling > flat > rising, "what comes nearer to the right looks to the left"
    assert abs(falling - 1.1) < 0.01 and abs(rising - 0.35) < 0.01
    lower = lit(torch.zeros(1, 1, 3), right, torch.tensor([[0.0, 0.7071, -0.7071]]))[0, 0]
    torch.testing.assert_close(lower, torch.stack([falling, flat, rising]))
