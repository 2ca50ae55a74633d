"""People behind the hands: a face with eyes and a mouth on a head with hair, above clothes."""

import pytest
import torch

from modelscope_handkp.synthetic import Rng
from modelscope_handkp.synthetic.people import complexion, person

COUNT, SIDE = 40, 201


@pytest.fixture(scope="module")
def faces():
    """Colours (COUNT, 3, 201, 201) of faces of grey skin: the middle at row and column 100, the chin at row 200."""
    v, u = torch.meshgrid(torch.linspace(-1, 1, SIDE), torch.linspace(-1, 1, SIDE), indexing="ij")
    u, v = (place.expand(COUNT, SIDE, SIDE) for place in (u, v))
    return complexion(Rng(3), u, v, torch.full((COUNT, 3), 0.2), torch.full((COUNT, 3), 0.05))


def test_the_whites_of_two_eyes_are_brighter_than_the_skin(faces):
    bright = (faces.amin(1) > 0.45).float().mean(0)
    rows, columns = bright[:120].nonzero().unbind(1)
    assert rows.min() > 70 and rows.max() < 106, "above the middle of the face"
    left, right = columns[columns < 100], columns[columns > 100]
    assert 50 < left.min() < 62 and 78 < left.max() < 90
    torch.testing.assert_close(left.float().mean() - 100, 100 - right.float().mean(), atol=0.5, rtol=0)
    assert bright[:, 95:106][:120].max() == 0, "between them is the nose"


def test_irises_and_lids_are_darker(faces):
    eye = faces[:, :, 70:106, 55:85].amin((1, 2, 3))
    assert (eye < 0.12).all()


def test_mouths_are_red_and_some_show_teeth(faces):
    redness = (faces[:, 0] / faces[:, 1])[:, :, 95:106].mean(2)
    row = redness.mean(0)[120:180].argmax() + 120
    assert 140 < row < 165 and (redness[:, 140:165].amax(1) > 1.3).all() and redness[:, 95:105].max() < 1.3
    teeth = faces[:, :, 140:165, 95:106].amin(1).amax((1, 2)) > 0.4
    assert 0.15 < teeth.float().mean() < 0.7


def test_brows_are_hair_above_the_eyes(faces):
    brow = faces[:, :, 60:75, 60:76].amin((1, 2, 3))
    assert (brow < 0.1).all()
    assert (faces[:, :, 30:45, 60:76].mean((1, 2, 3)) > 0.19).all(), "the forehead is bare"


def test_some_have_beards_and_some_glasses(faces):
    beard = faces[:, :, 185:199, 95:106].mean((1, 2, 3)) < 0.17
    assert 0.08 < beard.float().mean() < 0.4
    bridge = faces[:, :, 84:92, 98:103]
    glasses = (bridge - faces[:, :, 93:96, 98:103].mean((2, 3), keepdim=True)).abs().amax((1, 2, 3)) > 0.05
    assert 0.1 < glasses.float().mean() < 0.5


def test_cheeks_are_redder_than_the_forehead(faces):
    redness = faces[:, 0] / faces[:, 1]
    assert redness[:, 117:127, 54:64].mean() > redness[:, 30:40, 54:64].mean() + 0.05


def test_a_person_has_skin_above_clothes_and_is_shaded():
    images = torch.full((60, 3, 64, 64), 0.2)
    tone = torch.tensor([[0.5, 0.25, 0.12]]).expand(60, 3)
    person(Rng(0), images, torch.arange(60), torch.tensor([[0.0, -0.6, -0.8]]).expand(60, 3), tone)
    red, green, blue = images.clamp(min=1e-4).unbind(1)
    skin = ((red / green - 2).abs() < 0.15) & ((green / blue - 2.08).abs() < 0.15)
    cloth = ((images - 0.2).abs() > 0.01).any(1) & ~skin
    both = (skin.sum((1, 2)) > 30) & (cloth.sum((1, 2)) > 30)
    assert both.sum() > 25 and cloth[:, -8:].float().mean() > 3 * cloth[:, :8].float().mean()
    spread = torch.stack([red[i][skin[i]].std() / red[i][skin[i]].mean() for i in both.nonzero()[:, 0]])
    assert spread.median() > 0.08, "the light makes one side brighter"
