"""Joint angles: within what joints can do, around the named poses, freer with more variety."""

import pytest
import torch

from modelscope_handkp.errors import InputError
from modelscope_handkp.synthetic import GESTURE_POSES, POSE_NAMES, Rng
from modelscope_handkp.synthetic.poses import limited, sample_angles, sample_gesture

MANY = 4000
# Degrees: what the joints of a living hand can do, with a little to spare.
FLEXION = {"knuckle": (-30, 100), "middle": (-10, 115), "end": (-12, 85)}
THUMB = {"out": (-20, 80), "down": (-15, 75), "knuckle": (-20, 70), "end": (-30, 90)}


@pytest.fixture(scope="module")
def free():
    return sample_angles(Rng(0), MANY, 1.0)


@pytest.fixture(scope="module")
def plain():
    return sample_angles(Rng(0), MANY, 0.0)


def mean_flexion(sample, name):
    """(4, 3) mean flexion of index to pinky in a pose."""
    angles, pose = sample
    return angles.flex[pose == POSE_NAMES.index(name)].mean(0)


def test_no_joint_bends_farther_than_joints_do(free):
    angles, _ = free
    for values, limits in ((angles.flex.unbind(-1), FLEXION), (angles.thumb.unbind(-1), THUMB)):
        for joint, (low, high) in zip(values, limits.values()):
            assert low < joint.min() < joint.max() < high
            assert joint.max() - joint.min() > 0.8 * (high - low), "and every joint uses its range"
    assert 15 < angles.spread.abs().max() < 25


def test_limited_clamps_each_joint_to_its_own_limits():
    angles = torch.tensor([[-50.0, 5.0], [3.0, 50.0]])
    assert limited(angles, ((-10.0, 2.0), (0.0, 20.0))).tolist() == [[-10, 5], [2, 20]]


def test_an_end_joint_does_not_bend_without_the_middle_one(free):
    flex = free[0].flex
    straight = flex[..., 1] < 5
    assert flex[..., 2][straight].max() < 60 < flex[..., 2].max()
    assert flex[..., 2][straight].mean() < 12 < flex[..., 2][flex[..., 1] > 80].mean() - 25


def test_named_poses_look_as_they_are_called(plain):
    assert mean_flexion(plain, "open").abs().max() < 12
    assert mean_flexion(plain, "fist")[:, :2].min() > 70
    pointing = mean_flexion(plain, "pointing")
    assert pointing[0].abs().max() < 12 and pointing[1:, :2].min() > 70
    horns = mean_flexion(plain, "horns")[:, 1]
    assert horns[[0, 3]].max() < 15 and horns[[1, 2]].min() > 80
    angles, pose = plain
    thumb = {name: angles.thumb[pose == POSE_NAMES.index(name)].mean(0) for name in ("thumbs_up", "fist")}
    assert thumb["thumbs_up"][0] > 50 and thumb["fist"][0] < 25 and thumb["fist"][1] > 40 and thumb["thumbs_up"][1] < 15


def test_fingers_of_an_open_hand_spread(plain):
    angles, pose = plain
    spread = {name: angles.spread[pose == POSE_NAMES.index(name)].mean(0) for name in ("open", "fist")}
    index, middle, ring, pinky = spread["open"].tolist()
    assert index > 5 > middle > 0 > ring > pinky < -6
    assert spread["fist"].abs().max() < 1


def test_variety_adds_random_poses_mixtures_and_wider_deviations(free, plain):
    (wide, wide_pose), (narrow, narrow_pose) = free, plain
    assert set(wide_pose.tolist()) == set(range(len(POSE_NAMES)))
    assert set(narrow_pose.tolist()) == set(range(len(POSE_NAMES))) - {POSE_NAMES.index("random")}
    for name in ("open", "fist"):
        spans = [a.flex[p == POSE_NAMES.index(name)].std(0).mean() for a, p in (free, plain)]
        assert spans[0] > 2 * spans[1] and spans[1] < 8
    open_hands = wide.flex[wide_pose == POSE_NAMES.index("open")]
    assert 0.03 < (open_hands[..., 1] > 60).float().mean() < 0.3, "some fingers are of other poses"
    assert (narrow.flex[narrow_pose == POSE_NAMES.index("open")][..., 1] < 40).all()


def test_relaxed_hands_are_drawn_more_often_than_horns(plain):
    counts = torch.bincount(plain[1], minlength=len(POSE_NAMES))
    assert counts[POSE_NAMES.index("relaxed")] > 3.5 * counts[POSE_NAMES.index("horns")] > 0


def test_fingers_of_random_poses_curl_alike_or_each_on_its_own(free):
    angles, pose = free
    apart = angles.flex[pose == POSE_NAMES.index("random")][..., 1].std(1)
    assert 0.2 < (apart < 18).float().mean() < 0.7 and (apart > 30).float().mean() > 0.2


@pytest.mark.parametrize("gesture", GESTURE_POSES)
def test_a_gesture_is_drawn_in_each_of_its_poses_and_in_no_other(gesture):
    _, pose = sample_gesture(Rng(3), 400, gesture)
    assert {POSE_NAMES[index] for index in pose.tolist()} == set(GESTURE_POSES[gesture])


@pytest.mark.parametrize("gesture, extended", [("fist", ()), ("pointing", (0,)), ("victory", (0, 1)),
                                               ("three", (0, 1, 2)), ("four", (0, 1, 2, 3)), ("rock", (0, 3)),
                                               ("call", (3,)), ("open_palm", (0, 1, 2, 3))])  # fmt: skip
def test_fingers_of_a_gesture_are_extended_or_bent_whatever_the_variety(gesture, extended):
    angles, _ = sample_gesture(Rng(4), 1000, gesture, 1.0)
    total = angles.flex.sum(-1)
    for finger in range(4):
        if finger in extended:
            assert total[:, finger].max() < 110
        else:
            assert total[:, finger].min() > 130


def test_a_gesture_that_is_unknown_is_refused_by_name():
    with pytest.raises(InputError, match=r"unknown gesture 'wave': use fist, open_palm"):
        sample_gesture(Rng(0), 1, "wave")
