"""Hands as skeletons: the order of the joints, bones that keep their length, bends the right way."""

import torch

from modelscope_handkp.skeleton import KEYPOINT_NAMES
from modelscope_handkp.synthetic import Rng
from modelscope_handkp.synthetic.kinematics import PARENTS, collision, pose_hand
from modelscope_handkp.synthetic.poses import Angles, sample_angles

FINGER_BONES = [bone for bone in range(20) if bone % 4]
TIPS = [4, 8, 12, 16, 20]


def posed(flex=0.0, spread=0.0, thumb=(40.0, 10.0, 0.0, 0.0), bone=30.0, width=1.0):
    """Joints (21, 3) of a right hand in its own frame: wrist at 0, fingers to +y, thumb to -x, back to +z."""
    flex = torch.as_tensor(flex, dtype=torch.float32).expand(1, 4, 3)
    angles = Angles(flex, torch.full((1, 4), float(spread)), torch.tensor([thumb]))
    return pose_hand(angles, torch.full((1, 5, 3), bone), torch.tensor([width]))[0][0]


def test_order_of_keypoints_is_cocowholebody():
    joints = posed()
    at = dict(zip(KEYPOINT_NAMES, joints))
    names = [name for name in KEYPOINT_NAMES if name.endswith("4")]
    across = [float(at[name][0]) for name in names]
    assert across == sorted(across), "thumb to pinky, from -x to +x"
    assert names[0].startswith("thumb") and names[-1].startswith("pinky")
    assert at[names[2]][1] > at[names[1]][1] > at[names[4]][1], "the middle finger reaches farthest, the pinky least"
    for finger in range(5):
        chain = joints[[0, *range(1 + 4 * finger, 5 + 4 * finger)]].norm(dim=1)
        assert (chain.diff() > 0).all(), "a straight finger leads away from the wrist"


def test_fingers_bend_toward_the_palm():
    straight, bent, fist = posed(), posed(40.0), posed(90.0)
    assert (bent[TIPS[1:], 2] < straight[TIPS[1:], 2] - 30).all()
    assert (bent[TIPS[1:], 1] < straight[TIPS[1:], 1]).all()
    assert (fist[TIPS[1:], 1] < straight[[5, 9, 13, 17], 1] + 5).all(), "the tips come back beside the knuckles"
    assert (fist[[13, 17], 2] < straight[[13, 17], 2] - 3).all(), "the outer knuckles sink when the hand closes"
    assert (fist[[17], 2] - straight[[17], 2] < fist[[5], 2] - straight[[5], 2] - 5).all()


def test_spread_and_thumb_move_their_own_ways():
    assert (posed(spread=15.0)[TIPS[1:], 0] < posed()[TIPS[1:], 0] - 15).all()
    assert posed(thumb=(60.0, 10.0, 0.0, 0.0))[4, 0] < posed(thumb=(10.0, 10.0, 0.0, 0.0))[4, 0] - 40
    assert posed(thumb=(40.0, 60.0, 0.0, 0.0))[4, 2] < posed(thumb=(40.0, 0.0, 0.0, 0.0))[4, 2] - 40
    bent = posed(thumb=(40.0, 10.0, 50.0, 50.0))
    assert (bent[2] == posed()[2]).all() and (bent[4] - posed()[4]).norm() > 30
    assert bent[4, 0] > posed()[4, 0] + 20, "across the palm"


def test_a_wide_palm_has_its_knuckles_farther_apart():
    narrow, wide = posed(width=0.8), posed(width=1.2)
    spans = [(joints[17] - joints[5]).norm() for joints in (narrow, wide)]
    assert 1.4 < spans[1] / spans[0] < 1.6 and wide[1, 0] < narrow[1, 0]


def test_bones_keep_their_length_in_every_pose():
    angles, _ = sample_angles(Rng(1), 50, 1.0)
    bones = torch.arange(15.0).reshape(1, 5, 3).repeat(50, 1, 1) + 20
    joints, along, back = pose_hand(angles, bones, torch.ones(50))
    bone = joints[:, 1:] - joints[:, list(PARENTS)]
    torch.testing.assert_close(bone.norm(dim=-1)[:, FINGER_BONES], bones.flatten(1), atol=1e-3, rtol=0)
    torch.testing.assert_close(bone / bone.norm(dim=-1, keepdim=True), along, atol=1e-4, rtol=0)
    torch.testing.assert_close((along * back).sum(-1)[:, FINGER_BONES], torch.zeros(50, 15), atol=1e-5, rtol=0)
    torch.testing.assert_close(back.norm(dim=-1), torch.ones(50, 20), atol=1e-5, rtol=0)


def test_a_collision_costs_and_a_touch_can_be_asked_for():
    apart = posed(thumb=(60.0, 0.0, 0.0, 0.0), bone=40.0)[None]
    through = apart.clone()
    through[:, 12] = through[:, 8] + 2  # middle tip in the index tip
    into_palm = apart.clone()
    into_palm[:, 20] = apart[:, [0, 5, 9, 13, 17]].mean(1)
    no, yes = torch.zeros(1), torch.ones(1)
    assert collision(apart, no) < 1 and collision(through, no) > 100 and collision(into_palm, no) > 300
    touching = apart.clone()
    touching[:, 4] = apart[:, 8] + torch.tensor([-13.0, 0, 0])
    assert collision(touching, yes) == collision(touching, no)
    assert collision(apart, yes) > collision(apart, no) + 1000
