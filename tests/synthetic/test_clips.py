"""Clips: seeded, a frame at a time, exact keypoints under lasting ids, one camera that shakes, blurs and compresses."""

import itertools
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from modelscope_handkp.errors import InputError
from modelscope_handkp.synthetic import EASY, HARD, MEDIUM, ClipFrame, clips, render_clip

SIZE = (96, 72)
SMALL = (24.0, 32.0)  # long sides of the hands, px
SHAKY = 3  # a seed whose camera shakes a lot
CALM = replace(EASY, hand_px=SMALL)  # no shake, blur or noise


def clip(seed, frames=4, hands=1, level=CALM, rate=30.0, size=SIZE):
    return list(render_clip(seed, frames, size, hands, level, rate))


@pytest.fixture
def in_light(monkeypatch):
    """Cameras that show light as it is: no lens, grain or compression, and no curve."""
    monkeypatch.setattr(clips, "capture", lambda rng, light, *_, **__: light.clamp(0, 1))


@pytest.fixture
def drifting(monkeypatch):
    """drifting(places, speeds): hands that keep their poses and move along x, from (x, y) px, by px a second, from
    `farther` times their distance."""

    def make(places, speeds, farther=1.0):
        start, speed = torch.tensor(places), torch.tensor([[speed, 0.0] for speed in speeds])

        class Drifting:
            def __init__(self, rng, figures, *_):
                self.figures = figures

            def at(self, time):
                return self.figures, start + speed * time, torch.full((len(start),), farther)

        monkeypatch.setattr(clips, "HandMotion", Drifting)

    return make


def test_frames_have_the_shapes_and_types_that_are_promised():
    for index, frame in enumerate(render_clip(1, 3, (120, 80), 3, "medium", 25.0)):
        assert isinstance(frame, ClipFrame) and frame.index == index and frame.time == pytest.approx(index / 25)
        assert frame.image.shape == (80, 120, 3) and frame.image.dtype == np.uint8 and frame.image.flags.c_contiguous
        count = len(frame.ids)
        assert frame.keypoints.shape == (count, 21, 3) and frame.boxes.shape == (count, 4) and count <= 3
        assert frame.keypoints.dtype == frame.boxes.dtype == np.float32 and frame.ids.dtype == np.int64
        assert set(np.unique(frame.keypoints[..., 2])) <= {0.0, 1.0, 2.0}
        assert frame.boxes.min() >= 0 and (frame.boxes[:, 2:] <= (120, 80)).all()


def test_same_seed_same_frames_and_fewer_frames_are_the_beginning_of_more():
    long, short, other = clip(3, 5, 2, "hard"), clip(3, 3, 2, "hard"), clip(4, 3, 2, "hard")
    for one, again in zip(long, short):
        for a, b in zip(one, again):
            np.testing.assert_array_equal(a, b)
    assert len(short) == 3 and not np.array_equal(short[0].image, other[0].image)


def test_a_clip_is_rendered_frame_by_frame():
    """The first frame of a clip that would never end comes at once, and gradients stay on for the caller."""
    frames = render_clip(0, 10**9, SIZE, 1, CALM)
    assert next(frames).index == 0 and next(frames).index == 1
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(("wrong", "said"), [
    ({"level": "extreme"}, "extreme"), ({"frames": 0}, "frames"), ({"frames": 2.5}, "frames"), ({"hands": -1}, "hands"),
    ({"hands": 10**6}, "hands"), ({"rate": 0}, "rate"), ({"rate": float("nan")}, "rate"), ({"rate": "30"}, "rate"),
    ({"size": (0, 480)}, "width"), ({"size": (640, 10**6)}, "height"), ({"seed": -1}, "seed"), ({"seed": "a"}, "seed"),
])  # fmt: skip
def test_what_cannot_be_rendered_is_refused_at_once(wrong, said):
    """Not when the first frame is asked for."""
    with pytest.raises(InputError, match=said):
        render_clip(**{"seed": 0, **wrong})


def test_a_clip_without_hands():
    """Without a shaking camera nothing moves in it."""
    frames = clip(2, 3, 0)
    assert all(len(frame.ids) == len(frame.boxes) == len(frame.keypoints) == 0 for frame in frames)
    assert frames[0].keypoints.shape == (0, 21, 3) and frames[0].boxes.shape == (0, 4)
    assert np.array_equal(frames[0].image, frames[2].image)


def test_visible_keypoints_show_the_hand_and_not_the_wall():
    """With hands and without, the pixels under visible keypoints differ, in each frame."""
    for seed in (5, 6):
        empty = clip(seed, 1, 0)[0].image.astype(int)
        for frame in clip(seed, 4, 1, rate=3.0):
            visible = frame.keypoints[frame.keypoints[..., 2] == 2]
            x, y = np.round(visible[:, :2]).astype(int).T
            changed = np.abs(frame.image.astype(int) - empty).max(2)
            assert len(visible) == 0 or (changed[y, x] > 4).mean() > 0.85
            outside = np.ones_like(changed, dtype=bool)
            for x0, y0, x1, y1 in frame.boxes.astype(int):
                outside[max(y0 - 30, 0) : y1 + 30, max(x0 - 30, 0) : x1 + 30] = False
            assert (changed > 20).any() and np.median(changed) < 20


def test_boxes_hold_the_keypoints_and_fit_them():
    inside = 0
    for frame in clip(7, 12, 2, rate=5.0):
        for points, (x0, y0, x1, y1) in zip(frame.keypoints, frame.boxes):
            shown = points[points[:, 2] > 0]
            assert (shown[:, :2] > (x0 - 0.6, y0 - 0.6)).all() and (shown[:, :2] < (x1 + 0.6, y1 + 0.6)).all()
            if (points[:, 2] > 0).all():
                inside += 1
                spare = np.concatenate([shown[:, :2].min(0) - (x0, y0), (x1, y1) - shown[:, :2].max(0)])
                assert spare.max() < 8
    assert inside > 5


def test_hands_keep_their_ids_and_move_without_jumps():
    frames = clip(11, 30, 3)
    last = {}
    for frame in frames:
        assert len(set(frame.ids.tolist())) == len(frame.ids) and set(frame.ids.tolist()) <= {0, 1, 2}
        for name, points in zip(frame.ids.tolist(), frame.keypoints):
            if name in last and last[name][0] == frame.index - 1:
                moved = np.linalg.norm(points[:, :2] - last[name][1][:, :2], axis=1)
                assert moved.max() < 10
                if last[name][2] is not None:
                    step = points[:, :2] - last[name][1][:, :2]
                    assert np.abs(step - last[name][2]).max() < 2.5, "px a frame, of hands of thirty px"
            else:
                last[name] = (frame.index - 2, points, None)
            step = points[:, :2] - last[name][1][:, :2] if last[name][0] == frame.index - 1 else None
            last[name] = (frame.index, points, step)
    assert len(last) >= 2


@pytest.mark.slow
def test_hands_that_leave_come_back_under_their_ids():
    """Six hands for a quarter of a minute, two frames a second: ids that go are seen again."""
    shown = np.zeros((30, 6), dtype=bool)
    for frame in clip(0, 30, 6, rate=2.0):
        shown[frame.index, frame.ids] = True
    returned = 0
    for seen in shown.T.tolist():
        runs = [present for present, _ in itertools.groupby(seen)]
        returned += sum(1 for gone in runs[1:-1] if not gone)
    assert returned >= 4


def test_hands_cross_and_the_one_with_the_higher_id_is_in_front(drifting):
    """Two hands go through one place: joints of the first are hidden there, those of the second as before."""
    drifting([(20.0, 36.0), (76.0, 36.0)], [28.0, -28.0])
    hidden = []
    for seed in range(4):
        frames = clip(seed, 3, 2, replace(CALM, held=0.0, hand_px=(24.0, 30.0)), rate=1.0)
        assert [frame.ids.tolist() for frame in frames[::2]] == [[0, 1], [0, 1]]
        assert 1 in frames[1].ids
        apart = [(frames[0].keypoints[hand, :, 2] == 1).mean() for hand in (0, 1)]
        behind = (frames[1].keypoints[0, :, 2] == 1).mean() if 0 in frames[1].ids else 1.0
        hidden.append((behind - apart[0], (frames[1].keypoints[-1, :, 2] == 1).mean() - apart[1]))
    assert np.mean(hidden, axis=0)[0] > 0.3 and np.abs(hidden)[:, 1].max() < 0.01


def test_looks_light_and_scenery_are_those_of_the_whole_clip():
    """Frames of a hard level differ as the hands and the camera move and by noise, not in colour or brightness."""
    means = np.array([frame.image.mean((0, 1)) for frame in clip(8, 6, 0, HARD)])
    assert np.abs(means - means.mean(0)).max() < 3
    assert np.std([clip(seed, 1, 0, HARD)[0].image.mean() for seed in range(5)]) > 10


def test_what_hands_hold_and_what_covers_them_stays(drifting):
    """Hands that keep still, with all that a level may add, and a perfect camera: the frames are the same."""
    drifting([(30.0, 36.0), (70.0, 36.0)], [0.0, 0.0])
    level = replace(HARD, camera=0.0, held=1.0, occlusion=1.0, hand_px=SMALL)
    first, *others = clip(3, 3, 2, level)
    for frame in others:
        np.testing.assert_array_equal(frame.image, first.image)
        np.testing.assert_array_equal(frame.keypoints, first.keypoints)


def test_noise_changes_from_frame_to_frame_and_the_rest_of_the_camera_does_not():
    """The frames of an empty scene differ by grain of the same strength."""
    level = replace(HARD, clutter=0.0)
    for seed in range(12):
        frames = [frame.image.astype(float) for frame in clip(seed, 3, 0, level)]
        noise = [np.abs(a - b).mean() for a, b in itertools.pairwise(frames)]
        if min(noise) > 1:
            assert max(noise) < 1.7 * min(noise)
            return
    raise AssertionError("no noise in twelve clips of a bad camera")


def test_camera_shake_moves_scenery_and_hands_together(in_light):
    """Against the same clip of a calm camera all keypoints move alike, and as far as the scenery does."""
    size, level = (128, 96), replace(CALM, clutter=1.0)
    shaky = replace(level, camera=1.0)
    still, moved = clip(SHAKY, 4, 1, level, size=size), clip(SHAKY, 4, 1, shaky, size=size)
    shifts = np.stack([(b.keypoints - a.keypoints)[0, :, :2] for a, b in zip(still, moved)])
    assert np.ptp(shifts, axis=1).max() < 0.02 and np.ptp(shifts, axis=0).max() > 0.5
    calm_scenery, shaky_scenery = (clip(SHAKY, 1, 0, one, size=size)[0].image.mean() for one in (level, shaky))
    assert abs(calm_scenery - shaky_scenery) < 3, "the same scenery"
    window = cv2.createHanningWindow(size, cv2.CV_32F)
    first, *_, last = (frame.image.mean(2).astype(np.float32) for frame in clip(SHAKY, 4, 0, shaky, size=size))
    measured = cv2.phaseCorrelate(first, last, window)[0]
    np.testing.assert_allclose(measured, shifts[-1, 0] - shifts[0, 0], atol=0.3)


def test_keypoints_follow_the_motion_exactly(drifting):
    drifting([(30.0, 36.0)], [12.0])
    first, *_, last = clip(1, 6, 1, rate=3.0)
    moved = (last.keypoints - first.keypoints)[0]
    np.testing.assert_allclose(moved[:, :2], np.broadcast_to((20.0, 0.0), (21, 2)), atol=1e-3)
    np.testing.assert_allclose(last.boxes - first.boxes, [[20.0, 0.0, 20.0, 0.0]], atol=1e-3)


def test_hands_that_are_nearer_are_larger(drifting):
    sides = []
    for farther in (1.0, 0.8):
        drifting([(48.0, 36.0)], [0.0], farther)
        x0, y0, x1, y1 = clip(1, 1, 1)[0].boxes[0]
        sides.append(max(x1 - x0, y1 - y0))
    assert 1.2 < sides[1] / sides[0] < 1.35


def detail(frame):
    """Mean change from pixel to pixel along x and along y of the image around a hand."""
    x0, y0, x1, y1 = frame.boxes[0].astype(int)
    part = frame.image[y0:y1, x0:x1].astype(float)
    return np.abs(np.diff(part, axis=1)).mean(), np.abs(np.diff(part, axis=0)).mean()


def test_what_moves_fast_is_blurred_along_its_way(drifting, in_light):
    """The faster the less detail along x, the way of the hand, and hardly less along y."""
    level, size = replace(CALM, camera=1.0, hand_px=(60.0, 61.0)), (120, 90)
    left = []
    for speed in (0.0, 300.0, 900.0):
        drifting([(60.0, 45.0)], [speed])
        left.append(detail(clip(4, 1, 1, level, size=size)[0]))
    along, across = np.array(left).T / np.array(left[0])[:, None]
    assert along[1] < 0.96 and along[2] < along[1] - 0.08
    assert across[2] > along[2] + 0.08


def test_exposures_last_no_longer_than_a_frame_or_a_thirtieth_of_a_second(drifting, in_light):
    level, size = replace(CALM, camera=1.0, hand_px=(60.0, 61.0)), (120, 90)
    drifting([(60.0, 45.0)], [600.0])
    slow, usual, fast = (clip(4, 1, 1, level, rate, size)[0] for rate in (2.0, 30.0, 3000.0))
    np.testing.assert_array_equal(slow.image, usual.image)
    assert detail(fast)[0] > 1.05 * detail(usual)[0]
    np.testing.assert_allclose(fast.keypoints, usual.keypoints, atol=1e-3)


def test_a_perfect_camera_does_not_blur(drifting):
    drifting([(48.0, 36.0)], [600.0])
    images = [clip(1, 1, 1, CALM, rate)[0].image for rate in (30.0, 3000.0)]
    np.testing.assert_array_equal(*images)


def test_keypoints_are_those_of_the_middle_of_the_exposure(drifting, in_light):
    """The blurred hand lies evenly around them: its middle is where it is in a sharp image of the same moment."""
    drifting([(60.0, 45.0)], [600.0])
    level, size = replace(CALM, camera=1.0, hand_px=(40.0, 41.0)), (120, 90)
    empty = clip(4, 1, 0, level, size=size)[0].image.astype(float)
    middles = []
    for rate in (30.0, 3000.0):
        weight = np.abs(clip(4, 1, 1, level, rate, size)[0].image - empty).sum(2)
        middles.append((weight.sum(0) * np.arange(size[0])).sum() / weight.sum())
    assert abs(middles[0] - middles[1]) < 0.5


def test_hands_that_hardly_show_are_not_annotated():
    """Hands over and over one another in a small image: some are left out, and what stays shows."""
    frames = clip(0, 8, 8, replace(MEDIUM, hand_px=(60.0, 61.0)), rate=4.0)
    assert any(len(frame.ids) < 8 for frame in frames) and all(len(frame.ids) > 0 for frame in frames)
    visible = np.concatenate([(frame.keypoints[..., 2] == 2).mean(1) for frame in frames])
    inside = np.concatenate([(frame.keypoints[..., 2] > 0).mean(1) for frame in frames])
    assert inside.min() >= 0.25 and visible.mean() > 0.25
