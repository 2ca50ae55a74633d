"""Hands and cameras that move: smoothly, at human speeds, within the limits of joints, out of the image and back."""

import itertools

import pytest
import torch
from torch.nn import functional as F

from modelscope_handkp.synthetic import Rng
from modelscope_handkp.synthetic.figures import sample_figures, stand
from modelscope_handkp.synthetic.kinematics import PALM, PARENTS, collision
from modelscope_handkp.synthetic.motion import HandMotion, Spline, Stay, camera_shake

SIZE = (640, 480)
LENGTH = 100.0  # px of each hand
STEP = 1 / 30  # seconds
HANDS = 16


def motion(seed=0, hands=2, variety=0.6):
    """Hands that start side by side in the middle of the image."""
    rng = Rng(seed)
    figures = sample_figures(rng, hands, variety)
    place = torch.stack([torch.linspace(200, 440, hands), torch.full((hands,), 240.0)], 1)
    away = F.normalize(stand(figures).elbow[:, :2], dim=1)
    return HandMotion(rng, figures, Stay(SIZE, place, torch.full((hands,), LENGTH), away), variety)


@pytest.fixture(scope="module")
def filmed():
    """(figures, places (T, N, 2), factors of the distance (T, N), Hands3D) of sixteen hands, each thirtieth of a
    second for ten seconds."""
    moving = motion(5, HANDS)
    figures, places, farther = zip(*(moving.at(index * STEP) for index in range(300)))
    return figures, torch.stack(places), torch.stack(farther), [stand(figure) for figure in figures]


def test_a_spline_of_equal_knots_stands_still_and_of_a_line_is_the_line():
    still = Spline(itertools.repeat(torch.tensor([3.0])), 0.5)
    line = Spline((torch.tensor([2.0 * k]) for k in itertools.count()), 0.5)
    for time in (0.0, 0.2, 0.5, 1.7, 8.0):
        assert float(still.at(time)) == pytest.approx(3.0)
        assert float(line.at(time) - line.at(time - 0.1)) == pytest.approx(0.4, abs=1e-4)


def test_a_spline_is_smooth_and_stays_between_its_knots():
    """Knots that jump: no jumps in place, speed or acceleration."""
    jumps = Spline((torch.tensor([float(k % 3 == 0)]) for k in itertools.count()), 1.0)
    values = torch.stack([jumps.at(index / 100) for index in range(1200)]).double()[:, 0]
    assert values.min() >= 0 and values.max() <= 1 and values.max() - values.min() > 0.3
    speed, acceleration = values.diff() * 100, values.diff(n=2) * 10_000
    assert speed.diff().abs().max() < 0.05 and acceleration.diff().abs().max() < 0.15


def test_a_spline_draws_no_more_knots_than_it_needs_and_may_go_back_a_little():
    drawn = []

    def knots():
        for index in itertools.count():
            drawn.append(index)
            yield torch.tensor([float(index)])

    spline = Spline(knots(), 0.1)
    spline.at(0.0)
    assert len(drawn) <= 5
    late = float(spline.at(10.0))
    assert 100 <= len(drawn) <= 105
    assert float(spline.at(9.95)) == pytest.approx(late - 0.5, abs=1e-3)


def test_joints_stay_within_their_limits_and_move_over_them(filmed):
    flex = torch.stack([figures.angles.flex for figures in filmed[0]])
    spread = torch.stack([figures.angles.spread for figures in filmed[0]])
    thumb = torch.stack([figures.angles.thumb for figures in filmed[0]])
    for joint, (low, high) in enumerate(((-25, 95), (-5, 112), (-10, 80))):
        assert low - 1e-3 <= flex[..., joint].min() and flex[..., joint].max() <= high + 1e-3
        assert flex[..., joint].max() - flex[..., joint].min() > 0.7 * (high - low)
    assert spread.abs().max() <= 22 + 1e-3
    for joint, (low, high) in enumerate(((-15, 75), (-10, 70), (-15, 65), (-25, 85))):
        assert low - 1e-3 <= thumb[..., joint].min() and thumb[..., joint].max() <= high + 1e-3
        assert thumb[..., joint].max() - thumb[..., joint].min() > 0.6 * (high - low)


def test_fingers_move_no_faster_than_peoples_do(filmed):
    flex = torch.stack([figures.angles.flex for figures in filmed[0]])
    speed = flex.diff(dim=0).abs() / STEP
    assert 150 < speed.max() < 500, "degrees a second"
    assert speed.median() > 2, "no hand is frozen"
    assert (speed.amax((2, 3)) < 40).float().mean() > 0.2, "poses are held"
    acceleration = flex.diff(n=2, dim=0).abs() / STEP**2
    assert acceleration.max() < 5000


def test_bodies_keep_their_form(filmed):
    hands = filmed[3]
    for key in ("length", "thickness", "is_left"):
        first, last = getattr(hands[0], key), getattr(hands[-1], key)
        fingers = [bone for bone in range(20) if bone % 4] if key == "length" else slice(None)
        torch.testing.assert_close(first[..., fingers], last[..., fingers], atol=1e-3, rtol=0)
    arms = torch.stack([hand.elbow.norm(dim=1) for hand in hands[::20]])
    torch.testing.assert_close(arms, arms[:1].expand_as(arms), atol=0.01, rtol=0)
    for hand in hands[::100]:
        bone = hand.joints[:, 1:] - hand.joints[:, list(PARENTS)]
        torch.testing.assert_close(hand.along[:, :20] * hand.length[:, :20, None], bone, atol=1e-2, rtol=0)
        across = hand.joints[:, 17] - hand.joints[:, 5]
        handed = (torch.cross(hand.along[:, PALM], hand.back[:, PALM], dim=1) * across).sum(1)
        assert (hand.is_left == (handed < 0)).all()


def test_views_are_rotations_that_turn_smoothly(filmed):
    views = torch.stack([figures.view for figures in filmed[0]])
    eye = torch.eye(3).expand_as(views)
    torch.testing.assert_close(views @ views.transpose(2, 3), eye, atol=1e-5, rtol=0)
    step = views[1:] @ views[:-1].transpose(2, 3)
    cos = ((step.diagonal(dim1=2, dim2=3).sum(2) - 1) / 2).double().clamp(-1, 1)
    speed = torch.rad2deg(cos.arccos()) / STEP
    assert 100 < speed.max() < 600, "degrees a second"
    first = sample_figures(Rng(5), HANDS, 0.6).view
    away = views @ first.transpose(1, 2)
    angle = torch.rad2deg(((away.diagonal(dim1=2, dim2=3).sum(2) - 1) / 2).clamp(-1, 1).arccos())
    assert (angle.amax(0) > 50).float().mean() > 0.6, "palms turn over"
    assert angle.max() < 115, "not farther than arms do"


def test_wrists_bend_while_forearms_stay(filmed):
    """The forearm turns less than the hand, and the wrist never bends beyond what wrists can."""
    hands = filmed[3]
    palm, arm = (torch.stack([hand.along[:, bone] for hand in hands]) for bone in (PALM, PALM + 1))
    bend = torch.rad2deg((-(palm * arm).sum(2)).clamp(-1, 1).arccos())
    assert bend.max() < 95 and (bend.amax(0) - bend.amin(0) > 15).float().mean() > 0.7
    swing = [torch.rad2deg((bones * bones.mean(0)).sum(2).clamp(-1, 1).arccos()).mean() for bones in (palm, arm)]
    assert swing[1] < swing[0]


def test_fingers_run_through_one_another_hardly_more_than_in_still_poses(filmed):
    still = collision(stand(sample_figures(Rng(0), 1500, 0.6)).joints, torch.zeros(1500))
    moving = torch.cat([collision(hand.joints, torch.zeros(HANDS)) for hand in filmed[3][::10]])
    assert moving.mean() < 2 * still.mean() and moving.quantile(0.98) < 1.5 * still.quantile(0.98)


def test_hands_move_at_the_speeds_of_hands(filmed):
    """In hand lengths a second: one to two usually, more at times, and speeds change smoothly."""
    speed = filmed[1].diff(dim=0).norm(dim=2) / STEP / LENGTH
    assert 0.8 < speed.median() < 2 and 2 < speed.quantile(0.95) < 4 and speed.max() < 6
    acceleration = filmed[1].diff(n=2, dim=0).norm(dim=2) / STEP**2 / LENGTH
    assert acceleration.max() < 45, "about half a hand's length in a sixth of a second, from rest"


def test_hands_come_nearer_and_go_away_again(filmed):
    farther = filmed[2]
    assert 0.65 < farther.min() < 0.9 and 1.1 < farther.max() < 1.5
    assert (farther.log().diff(dim=0).abs() / STEP).max() < 2


def test_hands_leave_the_image_and_come_back(filmed):
    places = filmed[1]
    limit = torch.tensor(SIZE, dtype=torch.float32)
    outside = ((places < 0) | (places > limit)).any(2)
    assert 0.03 < outside.float().mean() < 0.35
    assert outside.any(0).sum() > HANDS / 3
    far = torch.maximum(-places, places - limit).amax(2)
    assert LENGTH * 0.7 < far.max() < LENGTH * 1.1, "far enough to be gone, no farther"
    back = 0
    for hand in outside.T.tolist():
        runs = [(gone, len(list(run)) * STEP) for gone, run in itertools.groupby(hand)]
        assert max((seconds for gone, seconds in runs if gone), default=0) < 4
        back += sum(gone for gone, _ in runs[1:-1])
    assert back > HANDS / 4


def test_a_hand_leaves_the_way_its_arm_leads():
    """Hands whose arms come from below leave at the bottom."""
    figures = sample_figures(Rng(0), HANDS, 0.6)
    away = torch.tensor([[0.0, 1.0]]).expand(HANDS, 2)
    stay = Stay(SIZE, torch.full((HANDS, 2), 240.0), torch.full((HANDS,), LENGTH), away)
    moving = HandMotion(Rng(1), figures, stay, 0.6)
    places = torch.stack([moving.at(index / 10)[1] for index in range(80)])
    assert places[..., 1].max() > 480 + 50 and places[..., 1].min() > 0
    assert places[..., 0].min() > 0 and places[..., 0].max() < 640


def test_hands_pass_one_another(filmed):
    """Of two hands the left one gets to the right, close to the other; they head for one another more than by
    chance."""
    places = filmed[1]
    gap = torch.roll(places, 1, 1) - places
    passed = (gap[..., 0].sign().diff(dim=0) != 0) & (gap[1:].norm(dim=2) < 0.8 * LENGTH)
    assert passed.any(0).sum() > HANDS / 3
    moved, far = places.diff(dim=0), gap[1:].norm(dim=2) > 1.5 * LENGTH
    heading = F.cosine_similarity(moved, gap[1:], dim=2)
    assert (heading[far] > 0.97).float().mean() > 0.12, "0.08 of all directions lie so close to one"


def test_tiny_hands_do_not_race():
    """Their goals are dozens of their lengths away."""
    figures, length = sample_figures(Rng(0), HANDS, 0.6), torch.full((HANDS,), 10.0)
    stay = Stay(SIZE, torch.full((HANDS, 2), 240.0), length, torch.tensor([[0.0, 1.0]]).expand(HANDS, 2))
    moving = HandMotion(Rng(1), figures, stay, 0.6)
    places = torch.stack([moving.at(index * STEP)[1] for index in range(60)])
    speed = places.diff(dim=0).norm(dim=2) / STEP / 10
    assert 4 < speed.max() < 5.5, "lengths a second"


def test_a_hand_alone_has_nobody_to_pass():
    moving = motion(1, hands=1)
    places = torch.stack([moving.at(index / 5)[1] for index in range(20)])
    assert places.isfinite().all() and places.std(0).min() > 10


def test_same_seed_same_motion():
    one, again, other = (motion(seed).at(1.0)[1] for seed in (5, 5, 6))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_a_shaking_camera_moves_smoothly_about_its_place():
    shake = camera_shake(Rng(0), 4.0)
    places = torch.stack([shake.at(index / 60) for index in range(3000)])
    assert places.mean(0).abs().max() < 2 and places.std(0).min() > 2 and places.std(0).max() < 4.5
    assert places.abs().max() <= 12
    assert places.diff(dim=0).abs().max() < 1.2 and places.diff(n=2, dim=0).abs().max() < 0.3, "px a sixtieth"
    assert (camera_shake(Rng(0), 0.0).at(3.0) == 0).all()
