"""What hands hold, on the side of the palm, and what covers them, on the side of the camera."""

import pytest
import torch

from modelscope_handkp.synthetic import Rng
from modelscope_handkp.synthetic.figures import sample_hands
from modelscope_handkp.synthetic.kinematics import PALM
from modelscope_handkp.synthetic.objects import held_things, occluders, rod

COUNT = 400


@pytest.fixture(scope="module")
def hands():
    return sample_hands(Rng(4), COUNT)


@pytest.fixture(scope="module")
def held(hands):
    return held_things(Rng(1), hands.joints, hands.back[:, PALM], torch.arange(0, COUNT, 2))


def by_hand(things):
    """{hand: (centers, radii, colours)}"""
    return {int(hand): tuple(column[things.hand == hand] for column in (things.centers, things.radii, things.color))
            for hand in things.hand.unique()}  # fmt: skip


def test_a_rod_leads_from_start_to_end():
    start, end = torch.tensor([[0.0, 0, 0], [5.0, 5, 5]]), torch.tensor([[10.0, 0, 0], [5.0, 25, 5]])
    things = rod(Rng(0), torch.tensor([7, 3]), start, end, torch.tensor([2.0, 4.0]), 6)
    assert things.hand.tolist() == [7] * 6 + [3] * 6
    torch.testing.assert_close(things.centers[[0, 5, 6, 11]], torch.stack([start[0], end[0], start[1], end[1]]))
    torch.testing.assert_close(things.centers[1], torch.tensor([2.0, 0, 0]))
    assert things.axis[0].tolist() == [1, 0, 0] and things.axis[11].tolist() == [0, 1, 0]
    assert (things.color[:6] == things.color[0]).all() and not torch.equal(things.color[0], things.color[6])
    assert abs(things.radii[:6].mean() - 2) < 0.2 and abs(things.radii[6:].mean() - 4) < 0.4


def test_rods_taper_a_little():
    many = rod(Rng(0), torch.arange(300), torch.zeros(300, 3), torch.ones(300, 3), torch.full((300,), 10.0), 5)
    taper = many.radii.reshape(300, 5)
    change = taper[:, -1] - taper[:, 0]
    assert 1 < change.std() < 2.5 and change.mean().abs() < 0.4


def test_nobody_chosen_nothing_held(hands):
    nobody = torch.zeros(0, dtype=torch.int64)
    assert held_things(Rng(0), hands.joints, hands.back[:, PALM], nobody) == []
    assert occluders(Rng(0), hands.joints, nobody) == []


def test_each_chosen_hand_holds_one_thing(held):
    owners = torch.cat([things.hand.unique() for things in held])
    assert sorted(owners.tolist()) == list(range(0, COUNT, 2))
    sizes = {len(things.radii) // len(things.hand.unique()) for things in held}
    assert len(held) == len(sizes) == 4, "bottles, balls, pens and plates"
    shares = {len(things.radii) // len(things.hand.unique()): len(things.hand.unique()) for things in held}
    assert all(25 < count < 110 for count in shares.values()) and max(shares.values()) > 60, "bottles twice as often"


def test_things_lie_in_the_palm(held, hands):
    """All but pens are on the palm's side of the knuckles, within reach of the fingers, and not inside the palm."""
    palm = hands.joints[:, [0, 5, 9, 13, 17]].mean(1)
    for things in (things for things in held if len(things.radii) // len(things.hand.unique()) != 40):
        for hand, (centers, radii, _) in by_hand(things).items():
            depth = ((palm[hand] - centers.mean(0)) * hands.back[hand, PALM]).sum()
            assert 5 < depth < 80
            assert (centers.mean(0) - palm[hand]).norm() < 160 and 3 < radii.mean() < 60


def test_bottles_lie_across_the_palm(held, hands):
    bottles = next(things for things in held if len(things.radii) // len(things.hand.unique()) == 32)
    across = torch.nn.functional.normalize(hands.joints[:, 17] - hands.joints[:, 5], dim=1)
    assert (bottles.axis * across[bottles.hand]).sum(1).mean() > 0.85
    lengths = torch.stack([(c[-1] - c[0]).norm() for c, _, _ in by_hand(bottles).values()])
    radii = torch.stack([r.mean() for _, r, _ in by_hand(bottles).values()])
    assert 95 < lengths.min() < 150 and 250 < lengths.max() < 305 and radii.min() < 12 and 28 < radii.max() < 38


def test_pens_pass_the_tips_of_thumb_and_index(held, hands):
    pens = next(things for things in held if len(things.radii) // len(things.hand.unique()) == 40)
    for hand, (centers, radii, _) in by_hand(pens).items():
        tips = (hands.joints[hand, 4] + hands.joints[hand, 8]) / 2
        assert (centers - tips).norm(dim=1).min() < 4 and 2.5 < radii.mean() < 7.5
        assert 105 < (centers[-1] - centers[0]).norm() < 160
        writing, far = (centers - tips).norm(dim=1)[[-1, 0]]
        assert writing < 62 and far > 90


def test_plates_are_flat_with_a_border_of_another_colour(held):
    plates = next(things for things in held if len(things.radii) // len(things.hand.unique()) == 264)
    for centers, radii, colors in by_hand(plates).values():
        spans = torch.linalg.svdvals(centers - centers.mean(0))
        assert spans[2] < 0.02 * spans[0] and spans[1] < 0.9 * spans[0]
        assert len(colors.unique(dim=0)) == 2
        inner = (colors == colors[138]).all(1)
        assert 0.5 < inner.float().mean() < 0.8 and (radii == radii[0]).all()
        grid = centers.reshape(22, 12, 3)
        steps = torch.cat([grid.diff(dim=0).norm(dim=2).flatten(), grid.diff(dim=1).norm(dim=2).flatten()])
        assert steps.max() < 2 * radii[0], "its spheres leave no holes"


def test_occluders_stand_between_the_hand_and_the_camera(hands):
    chosen = torch.arange(0, COUNT, 4)
    (things,) = occluders(Rng(0), hands.joints, chosen)
    rods = by_hand(things)
    assert sorted(rods) == chosen.tolist()
    nearest, aside, lengths = hands.joints[..., 2].amin(1), [], []
    for hand, (centers, radii, _) in rods.items():
        middle = centers.mean(0)
        assert 20 < nearest[hand] - middle[2] < 60 and 2.5 < radii.mean() < 22
        aside.append((middle - hands.joints[hand].mean(0))[:2].norm())
        lengths.append((centers[-1] - centers[0]).norm())
    assert 30 < torch.stack(aside).median() < 80
    assert torch.stack(lengths).min() < 120 and 400 < torch.stack(lengths).max() < 521
    tilt = things.axis[:, 2].abs()
    assert tilt.mean() < 0.25, "most cross the view"
