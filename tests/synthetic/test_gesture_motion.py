"""Hands that show gestures in turn: each for as long, in its place, with thumbs upright where the gesture says so."""

import numpy as np
import pytest
import torch

from modelscope_handkp.errors import InputError
from modelscope_handkp.synthetic import Rng, render_clip
from modelscope_handkp.synthetic.figures import facing, sample_figures, stand
from modelscope_handkp.synthetic.gesture_motion import GestureMotion

PLACE = torch.tensor([[100.0, 120.0], [220.0, 120.0]])
TIPS, MIDDLES = [8, 12, 16, 20], [6, 10, 14, 18]


def joints_of(gestures, times, seed=0):
    """Joints (T, N, 21, 3) of two hands, and their places (T, N, 2)."""
    rng = Rng(seed)
    motion = GestureMotion(rng, facing(rng, sample_figures(rng, 2)), PLACE, torch.full((2,), 80.0), gestures)
    figures, places, farther = zip(*(motion.at(time) for time in times))
    assert all((factor == 1).all() for factor in farther)
    return torch.stack([stand(figure).joints for figure in figures]), torch.stack(places)


def extended(joints):
    """How many fingers but the thumb reach farther from the wrist than their middle joints, of each hand."""
    reach = joints.norm(dim=-1)
    return (reach[..., TIPS] > 1.15 * reach[..., MIDDLES]).sum(-1)


def test_each_gesture_lasts_two_seconds_and_the_first_comes_again():
    joints, _ = joints_of(("open_palm", "fist"), [1.0, 3.0, 5.0, 7.0])
    assert extended(joints).tolist() == [[4, 4], [0, 0], [4, 4], [0, 0]]


def test_the_change_from_one_to_the_next_is_short_and_smooth():
    times = [index / 30 for index in range(120)]
    joints, _ = joints_of(("open_palm", "fist"), times)
    fingers = joints[..., TIPS, :]
    steps = (fingers[1:] - fingers[:-1]).norm(dim=-1).amax(dim=(1, 2))
    assert steps.max() < 35, "mm in a frame"
    assert extended(joints)[[times.index(1.5), times.index(2.5)]].tolist() == [[4, 4], [0, 0]]


@pytest.mark.parametrize("seed", range(4))
def test_thumbs_point_up_and_down_and_fingers_upward(seed):
    joints, _ = joints_of(("thumbs_up", "thumbs_down", "open_palm"), [1.0, 3.0, 5.0], seed)
    thumb = (joints[..., 4, :] - joints[..., 2, :])[..., :2]
    down = thumb[..., 1] / thumb.norm(dim=-1)
    assert (down[0] < -0.9).all() and (down[1] > 0.9).all()
    middle = joints[2, :, 9]
    assert (middle[:, 1] < -0.8 * middle.norm(dim=-1)).all(), "y is down in the image"


def test_palm_or_back_faces_the_camera():
    rng = Rng(1)
    joints = stand(facing(rng, sample_figures(rng, 200))).joints
    normal = torch.cross(joints[:, 5], joints[:, 17], dim=1)
    faces = normal[:, 2].abs() / normal.norm(dim=1)
    assert faces.min() > 0.6 and faces.median() > 0.9
    assert 0.35 < (normal[:, 2] > 0).float().mean() < 0.65


def test_hands_stay_in_their_places():
    _, places = joints_of(("pinch",), [index / 10 for index in range(100)])
    assert (places - PLACE).norm(dim=-1).max() < 10
    assert (places[1:] != places[:-1]).any()


def test_a_clip_names_the_gesture_of_each_frame_and_shows_whole_hands():
    frames = list(render_clip(3, 9, (160, 120), 2, "easy", 2.0, gestures=("open_palm", "fist")))
    assert [frame.gesture for frame in frames] == ["open_palm"] * 4 + ["fist"] * 4 + ["open_palm"]
    for frame in frames:
        assert frame.ids.tolist() == [0, 1] and (frame.keypoints[..., 2] > 0).all()
        assert (frame.keypoints[0, :, 0] < 80).all() and (frame.keypoints[1, :, 0] > 80).all()
    assert not np.array_equal(frames[1].image, frames[5].image)


def test_a_clip_without_gestures_names_none():
    assert next(render_clip(0, 1, (48, 36), 1, "easy")).gesture is None


def test_an_unknown_gesture_is_named():
    with pytest.raises(InputError, match="wave"):
        render_clip(0, gestures=("fist", "wave"))
