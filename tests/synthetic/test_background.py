"""What stands behind the hands: painted where it should be, and fuller with more clutter."""

import pytest
import torch

from modelscope_handkp.synthetic import Rng
from modelscope_handkp.synthetic.background import backgrounds, folds, motifs, pieces, shape, stripes, wall
from modelscope_handkp.synthetic.people import person

LIGHT = torch.tensor([[0.0, -0.6, -0.8]])  # toward it: from above and the camera
TONE = torch.tensor([[0.4, 0.2, 0.1]])
PAINTERS = {
    "stripes": lambda rng, images, index, light, tone: stripes(rng, images, index),
    "pieces": lambda rng, images, index, light, tone: pieces(rng, images, index, tone),
    "motifs": lambda rng, images, index, light, tone: motifs(rng, images, index),
    "shape": shape, "folds": folds, "person": person,
}  # fmt: skip


def painted(name, seed=0, count=40, side=48, light=LIGHT, tone=TONE):
    """(count, 3, side, side) grey images with one thing painted into each."""
    images = torch.full((count, 3, side, side), 0.2)
    everyone = torch.arange(count)
    PAINTERS[name](Rng(seed), images, everyone, light.expand(count, 3), tone.expand(count, 3))
    return images


def changed(images):
    """Share of the pixels of each image that are not grey any more."""
    return ((images - 0.2).abs() > 0.005).any(1).float().mean((1, 2))


def edges(images):
    """Mean step from pixel to pixel, of each image."""
    return images.diff(dim=3).abs().mean((1, 2, 3)) + images.diff(dim=2).abs().mean((1, 2, 3))


def skin_like(images):
    """Share of the pixels with the hue of TONE: red twice as strong as green, and green as blue."""
    red, green, blue = images.clamp(min=1e-3).unbind(1)
    return (((red / green - 2).abs() < 0.1) & ((green / blue - 2).abs() < 0.1)).float().mean()


@pytest.mark.parametrize("name", PAINTERS)
def test_painters_change_the_images_that_are_named_alone(name):
    """The same for the same seed, in colours that light can have."""
    results = []
    for seed in (1, 1, 2):
        images = torch.full((3, 3, 48, 64), 0.2)
        PAINTERS[name](Rng(seed), images, torch.tensor([0, 2]), LIGHT.expand(2, 3), TONE.expand(2, 3))
        results.append(images)
    first, again, other = results
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert (first[1] == 0.2).all() and (first[[0, 2]] != 0.2).any(1).float().mean() > 0.01
    assert first.isfinite().all() and first.min() >= 0 and first.max() <= 2


@pytest.mark.parametrize(("name", "low", "high"), [
    ("stripes", 0.55, 0.9), ("pieces", 0.95, 1.0), ("motifs", 0.05, 0.5), ("shape", 0.05, 0.5), ("folds", 0.03, 0.3),
    ("person", 0.2, 0.8),
])  # fmt: skip
def test_painters_cover_their_share(name, low, high):
    shares = changed(painted(name, count=60))
    assert low <= shares.mean() <= high
    if name in ("shape", "folds", "person", "motifs"):
        assert shares.min() < 0.3 * shares.mean() and shares.max() > 2 * shares.mean() - 0.2, "they differ in size"


def test_stripes_run_to_and_fro_across_the_image():
    images = painted("stripes", side=96)[:, 0]
    sides = (images - images.mean((1, 2), keepdim=True)).sign()
    crossed = torch.stack([(sides.diff(dim=d) != 0).float().sum(d).mean(1) for d in (1, 2)]).amax(0)
    assert 3 < crossed.median() < 15 and crossed.min() < 3 and crossed.max() > 15


def test_pieces_have_sharp_borders_and_even_insides():
    steps = painted("pieces").diff(dim=3).abs().amax(1)
    share = (steps > 0.02).float().mean((1, 2))
    assert 0.02 < share.median() < 0.3 and steps.amax((1, 2)).median() > 0.05


def test_some_things_have_the_colour_of_skin():
    """So that a hand cannot be found by colour: of the shapes, folds and pieces, not of all."""
    assert skin_like(painted("shape", count=150)) > 0.01
    assert skin_like(painted("folds", count=150)) > 0.015
    green = torch.tensor([[0.1, 0.4, 0.1]])
    of_tone = (painted("pieces") - painted("pieces", tone=green)).abs().amax(1) > 0.005
    assert 0.05 < of_tone.float().mean() < 0.3
    assert skin_like(painted("shape", count=150, tone=green)) < 0.005


@pytest.mark.parametrize("name", ["shape", "folds", "person"])
def test_bodies_are_lit_from_the_side_of_the_light(name):
    """Light from the left makes left halves brighter than light from the right does."""
    images = [painted(name, count=80, light=torch.tensor([[side, 0.0, -0.5]])) for side in (-0.87, 0.87)]
    where = (images[0] - images[1]).mean(1)
    x = torch.arange(48.0)[None, None]
    centre = [(part.clamp(min=0) * x).sum() / part.clamp(min=0).sum() for part in (where, -where)]
    assert centre[0] < centre[1] - 2


def test_creases_of_folds_are_fine():
    assert edges(painted("folds", side=96)).mean() > 1.2 * edges(painted("shape", side=96)).mean()


def test_walls_are_plain_graded_or_mottled_in_any_colour():
    walls = wall(Rng(0), 200, 32, 48)
    assert walls.shape == (200, 3, 32, 48) and walls.min() >= 0
    means, within = walls.mean((2, 3)), walls.flatten(2).std(2).mean(1) / walls.mean((1, 2, 3))
    assert means.std(0).min() > 0.15
    assert within.min() < 0.1 and within.max() > 0.5, "some even, some not"
    slope = (walls[..., -8:].mean((1, 2, 3)) / walls[..., :8].mean((1, 2, 3))).log()
    assert slope.std() > 0.15 and slope.mean().abs() < 0.1


def make(clutter, count=60, seed=0, side=64):
    return backgrounds(Rng(seed), count, side, side, clutter, LIGHT.expand(count, 3), TONE.expand(count, 3))


def test_more_clutter_more_colours():
    def variety(images):
        """How much the colours of an image differ, whatever their brightness."""
        return (images / images.sum(1, keepdim=True).clamp(min=1e-3)).flatten(2).std(2).mean()

    plain, some, full = (variety(make(clutter)) for clutter in (0.0, 0.4, 1.0))
    assert 0 < plain < 0.8 * some < some < 0.85 * full


def test_clutter_brings_skin_colours_faces_and_bodies():
    assert skin_like(make(1.0)) > skin_like(make(0.0)) + 0.02


def test_backgrounds_stay_in_the_range_of_light():
    images = make(1.0)
    assert images.isfinite().all() and images.min() >= 0 and images.max() <= 1.5


def test_nearly_half_of_the_backgrounds_are_out_of_focus():
    """Their steps from pixel to pixel hardly change from one to the next."""
    images = make(1.0, 100)
    curvature = images.diff(n=2, dim=3).abs().mean((1, 2, 3)) / images.diff(dim=3).abs().mean((1, 2, 3))
    assert 0.35 < (curvature < 0.45).float().mean() < 0.55


def test_backgrounds_of_an_image_do_not_depend_on_its_size_in_kind():
    for height, width in ((24, 64), (64, 24)):
        images = backgrounds(Rng(1), 8, height, width, 1.0, LIGHT.expand(8, 3), TONE.expand(8, 3))
        assert images.shape == (8, 3, height, width) and images.isfinite().all()


def test_the_same_seed_paints_the_same_backgrounds():
    assert torch.equal(make(1.0, 6), make(1.0, 6)) and not torch.equal(make(1.0, 6), make(1.0, 6, seed=1))
