"""Light and looks: from plain to wild, with the palms, nails, sleeves and rings that people have."""

import pytest
import torch

from modelscope_handkp.synthetic import Rng
from modelscope_handkp.synthetic.appearance import sample_light, sample_looks
from modelscope_handkp.synthetic.kinematics import FOREARM

MANY = 4000


@pytest.fixture(scope="module")
def lights():
    return [sample_light(Rng(0), MANY, strength) for strength in (0.0, 1.0)]


@pytest.fixture(scope="module")
def looks():
    tone = torch.tensor([[0.6, 0.4, 0.3]]).repeat(MANY, 1)
    return [sample_looks(Rng(0), MANY, dress, tone) for dress in (0.0, 1.0)]


def warmth(color):
    return (color[:, 0] / color[:, 2]).log()


def test_directions_are_unit_from_above_and_from_the_camera(lights):
    for light in lights:
        torch.testing.assert_close(light.direction.norm(dim=1), torch.ones(MANY), atol=1e-5, rtol=0)
        assert 0.65 < (light.direction[:, 1] < 0).float().mean() < 0.85
    soft, wild = lights
    assert (soft.direction[:, 2] < 0).all() and 0.1 < (wild.direction[:, 2] > 0).float().mean() < 0.18


def test_soft_light_is_even_and_nearly_white(lights):
    soft, wild = lights
    assert warmth(soft.key).abs().max() < 0.2 and warmth(wild.key).std() > 0.25
    brightness = [light.key.mean(1) for light in lights]
    assert brightness[0].std() < 0.02 and brightness[1].std() > 0.3
    assert brightness[1].min() < 0.05 and brightness[0].min() > 0.5 and brightness[1].max() > 2


def test_some_rooms_are_dim_and_some_lights_vividly_tinted(lights):
    key = lights[1].key
    assert 0.08 < (key.mean(1) < 0.2).float().mean() < 0.25
    green = key[:, 1] / (key[:, 0] + key[:, 2])
    assert 0.01 < ((green < 0.35) | (green > 0.7)).float().mean() < 0.1
    assert (lights[0].key.amax(1) < 1.1 * lights[0].key.amin(1) + 0.1).all()


def test_hard_light_leaves_less_for_the_sky(lights):
    soft, wild = lights
    share = (wild.key.mean(1) / wild.sky.mean(1)).log()
    assert share.std() > 0.4 and (soft.key.mean(1) / soft.sky.mean(1)).log().std() < 0.1
    for light in lights:
        assert 0.5 < (light.ground.mean(1) / light.sky.mean(1)).mean() < 0.8 and (light.sky > 0).all()
        assert light.shadow.min() > 0 and light.shadow.max() <= 0.95
    assert torch.corrcoef(torch.stack([share, wild.shadow]))[0, 1] > 0.6
    assert 0.2 < soft.shadow.mean() < 0.5 and soft.gloss.max() < 0.05 and 0.3 < wild.gloss.max() < 0.6


def test_half_of_the_skies_have_the_opposite_colour_of_the_key(lights):
    wild = lights[1]
    same = torch.sign(warmth(wild.key)) == torch.sign(warmth(wild.sky))
    assert 0.35 < same.float().mean() < 0.65


def test_clothing_comes_with_dress(looks):
    bare, dressed = looks
    for look, sleeves in ((bare, 0.15), (dressed, 0.65)):
        assert abs((look.sleeve_from < 2).float().mean() - sleeves) < 0.03
        worn = look.sleeve_from[look.sleeve_from < 2]
        assert worn.min() > -0.06 and 0.85 < worn.max() < 0.9
        assert (look.sleeve_from[look.sleeve_from >= 2] > 2.5).all(), "past the end of the upper arm"
    assert (bare.band[:, 0] == -1).all() and not bare.gloved.any()
    ring, bracelet = (dressed.band[:, 0] >= 0) & (dressed.band[:, 0] < 20), dressed.band[:, 0] == FOREARM
    assert 0.07 < ring.float().mean() < 0.13 and 0.13 < bracelet.float().mean() < 0.19
    assert 0.03 < dressed.gloved.float().mean() < 0.07


def test_rings_sit_on_fingers_and_bracelets_at_the_wrist(looks):
    band = looks[1].band
    ring, bracelet = band[(band[:, 0] >= 0) & (band[:, 0] < 20)], band[band[:, 0] == FOREARM]
    assert set(ring[:, 0].tolist()) == {5, 9, 13, 17}, "on the first bone of a finger"
    assert ring[:, 1].min() > 0.3 and ring[:, 1].max() < 0.75 and 0.03 < ring[:, 2].min() < ring[:, 2].max() < 0.11
    assert bracelet[:, 1].max() < 0.31 and 0 < bracelet[:, 2].min() < bracelet[:, 2].max() < 0.09


def test_palms_are_paler_than_backs_most_of_all_on_dark_skin():
    tones = torch.tensor([[0.05, 0.03, 0.02], [0.7, 0.5, 0.4]]).repeat(300, 1)
    look = sample_looks(Rng(1), 600, 0.0, tones)
    paler = (look.palm.mean(1) - look.skin.mean(1)).reshape(300, 2).mean(0)
    assert paler[0] > 0.08 and paler[1].abs() < 0.05
    assert torch.equal(look.skin, tones)
    red = (look.palm[:, 0] / look.palm[:, 1:].mean(1)).reshape(300, 2)
    assert (red[:, 1] > 0.7 / 0.45 + 0.05).all()


def test_nails_are_paler_than_palms_and_some_are_polished(looks):
    bare, dressed = looks
    assert (bare.nail.mean(1) > bare.palm.mean(1)).all()
    bare_hands = ~dressed.gloved
    other = (dressed.nail - bare.nail.mean(0)).abs().sum(1) > 0.25
    assert 0.06 < other[bare_hands].float().mean() < 0.14


def test_a_glove_has_one_colour(looks):
    dressed = looks[1]
    gloves = dressed.gloved
    assert torch.equal(dressed.skin[gloves], dressed.palm[gloves])
    assert torch.equal(dressed.skin[gloves], dressed.nail[gloves])
    assert dressed.skin[gloves].std(0).min() > 0.1 and dressed.skin[~gloves].std(0).max() < 1e-6
