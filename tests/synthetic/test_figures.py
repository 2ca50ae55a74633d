"""Hands that are drawn at random: bodies, left and right, forearms, poses and views."""

import pytest
import torch

from modelscope_handkp.synthetic import POSE_NAMES, Rng
from modelscope_handkp.synthetic.figures import sample_gesture_hands, sample_hands, sample_views
from modelscope_handkp.synthetic.kinematics import FOREARM, PALM, PARENTS, collision, pose_hand
from modelscope_handkp.synthetic.poses import sample_angles

FINGER_BONES = [bone for bone in range(20) if bone % 4]


@pytest.fixture(scope="module")
def hands():
    return sample_hands(Rng(3), 400)


def test_frames_of_sampled_hands_agree_with_their_joints(hands):
    bone = hands.joints[:, 1:] - hands.joints[:, list(PARENTS)]
    torch.testing.assert_close(hands.start[:, :20], hands.joints[:, list(PARENTS)])
    torch.testing.assert_close(hands.start[:, 20:], torch.zeros(400, 2, 3))
    torch.testing.assert_close(hands.length[:, :20], bone.norm(dim=-1), atol=1e-2, rtol=0)
    torch.testing.assert_close(hands.along[:, :20] * hands.length[:, :20, None], bone, atol=1e-2, rtol=0)
    torch.testing.assert_close(hands.length[:, FOREARM], hands.elbow.norm(dim=-1), atol=1e-2, rtol=0)
    torch.testing.assert_close(hands.along[:, FOREARM] * hands.length[:, FOREARM, None], hands.elbow, atol=1e-2, rtol=0)
    torch.testing.assert_close(hands.length[:, PALM], hands.joints[:, 9].norm(dim=-1), atol=1e-2, rtol=0)
    upright = (hands.along * hands.back).sum(-1)[:, [*FINGER_BONES, PALM, FOREARM]]
    torch.testing.assert_close(upright, torch.zeros_like(upright), atol=1e-4, rtol=0)


def test_left_hands_mirror_right_hands(hands):
    """Thumb side, fingers and back make a right-handed frame in one kind and a left-handed one in the other."""
    across = hands.joints[:, 17] - hands.joints[:, 5]
    handed = (torch.cross(hands.along[:, PALM], hands.back[:, PALM], dim=1) * across).sum(1)
    assert (hands.is_left == (handed < 0)).all()
    assert 0.4 < hands.is_left.float().mean() < 0.6


def test_hands_differ_in_size_and_thickness(hands):
    palm = hands.length[:, PALM]
    assert 85 < palm.min() < palm.max() < 95, "the wrist is as far from the middle knuckle in all"
    middle = hands.length[:, 9]
    assert 40 < middle.min() < 46 and 52 < middle.max() < 62
    longest = hands.length[:, [5, 9, 13, 17]]
    assert (longest[:, 1] > longest[:, 3]).all(), "the middle finger's first bone is longer than the pinky's"
    assert 0.85 <= hands.thickness.min() < 0.9 and 1.15 < hands.thickness.max() <= 1.2


def test_the_forearm_leads_away_from_the_fingers(hands):
    arm = hands.elbow.norm(dim=1)
    assert 220 <= arm.min() + 0.01 < 230 and 270 < arm.max() <= 280.01
    cos = -(hands.along[:, FOREARM] * hands.along[:, PALM]).sum(1)
    bend = torch.rad2deg(cos.clamp(-1, 1).arccos())
    assert bend.max() < 80 and 12 < bend.median() < 30
    side = torch.cross(hands.along[:, PALM], hands.back[:, PALM], dim=1)
    sideways = (hands.along[:, FOREARM] * side).sum(1).abs()
    forward = (hands.along[:, FOREARM] * hands.back[:, PALM]).sum(1).abs()
    assert sideways.mean() < 0.6 * forward.mean(), "a wrist bends more than it deviates"


def test_fingers_run_less_through_each_other_than_by_chance(hands):
    """Of several copies of a pose the best one is taken."""
    angles, _ = sample_angles(Rng(5), 400, 1.0)
    lengths = torch.tensor([[45.0, 34, 29], [44, 26, 23], [49, 30, 24], [45, 28, 24], [36, 21, 21]]).repeat(400, 1, 1)
    drawn = pose_hand(angles, lengths, torch.ones(400))[0]
    taken = collision(hands.joints, torch.zeros(400)).mean()
    assert taken < 0.7 * collision(drawn, torch.zeros(400)).mean()


def test_thumb_and_index_meet_in_poses_that_touch():
    hands = sample_hands(Rng(2), 1500, 0.0)
    gap = (hands.joints[:, 4] - hands.joints[:, 8]).norm(dim=1)
    of_pose = {name: gap[hands.pose == POSE_NAMES.index(name)].median() for name in ("ok", "pinch", "open")}
    assert of_pose["ok"] < 30 and of_pose["pinch"] < 30 and of_pose["open"] > 70


@pytest.mark.parametrize("variety", [0.0, 1.0])
def test_views_are_rotations(variety):
    views = sample_views(Rng(0), 500, variety)
    torch.testing.assert_close(views @ views.transpose(1, 2), torch.eye(3).expand(500, 3, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.det(views), torch.ones(500), atol=1e-5, rtol=0)


def test_fingers_point_at_the_camera_only_with_variety():
    toward = [sample_views(Rng(0), 2000, variety)[:, 2, 1].abs() for variety in (0.0, 1.0)]
    assert (toward[0] > 0.8).float().mean() < 0.01 and 0.05 < (toward[1] > 0.8).float().mean() < 0.4


def test_views_show_palms_and_backs_and_many_hands_upright():
    views = sample_views(Rng(0), 2000, 0.0)
    assert 0.4 < (views[:, 2, 2] > 0).float().mean() < 0.6, "the back of the hand looks away from the camera"
    up = -views[:, 1, 1]
    assert 0.6 < (up > 0).float().mean() < 0.9 and (up < -0.7).float().mean() > 0.05


@pytest.mark.parametrize("gesture, way", [("thumbs_up", -1), ("thumbs_down", 1)])
def test_thumbs_point_up_or_down_in_the_image_and_not_always_straight(gesture, way):
    hands = sample_gesture_hands(Rng(6), 500, 0.6, gesture)
    thumb = (hands.joints[:, 4] - hands.joints[:, 2])[:, :2]
    upright = way * thumb[:, 1] / thumb.norm(dim=1)
    assert upright.min() > 0.7
    assert 0.8 < upright.quantile(0.1) < 0.95
    assert (thumb[:, 0] > 0).float().mean().sub(0.5).abs() < 0.1, "to either side"


@pytest.mark.parametrize("gesture", ["ok", "pinch"])
def test_tips_of_gestures_that_touch_do(gesture):
    joints = sample_gesture_hands(Rng(7), 500, 0.6, gesture).joints
    gap = (joints[:, 4] - joints[:, 8]).norm(dim=1)
    assert gap.quantile(0.9) < 30 and gap.median() < 18
