"""Hands of the renderer in known gestures, as keypoints alone: nothing is drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from modelscope_handkp import Hands
from modelscope_handkp.synthetic import GESTURE_POSES, POSE_NAMES, Rng
from modelscope_handkp.synthetic.figures import sample_figures, stand

BACK_TO_CAMERA = ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0), (0.0, 0.0, -1.0))
UPRIGHT = ("thumbs_up", "thumbs_down")


def make_keypoints(gesture, count=1, seed=0, facing=True, variety=0.3, poses=None):
    """(count or less, 21, 3) keypoints of hands that show a gesture, scores 1; `facing`: their backs to the camera.

    `poses`: only those of these poses.
    """
    figures = sample_figures(Rng(seed), count, variety, gesture)
    if facing and gesture not in UPRIGHT:
        figures = replace(figures, view=torch.tensor([BACK_TO_CAMERA]).repeat(count, 1, 1))
    flat = stand(figures).joints[..., :2].numpy() * 2 + 400
    kept = [poses is None or POSE_NAMES[index] in poses for index in figures.pose.tolist()]
    return np.concatenate([flat, np.ones((count, 21, 1), np.float32)], axis=2)[kept]


def make_hands(keypoints, **fields):
    count = len(keypoints)
    return Hands(keypoints, np.zeros((count, 4)), np.ones(count), **fields)


@pytest.fixture(scope="session")
def keypoints_of():
    return make_keypoints


@pytest.fixture(scope="session")
def hands_of():
    """hands_of(gesture, count=, seed=, facing=, variety=, poses=) -> Hands."""
    return lambda *arguments, **options: make_hands(make_keypoints(*arguments, **options))


@pytest.fixture(scope="session")
def as_hands():
    """as_hands(keypoints (N, 21, 3), **fields of Hands) -> Hands."""
    return make_hands


@pytest.fixture(scope="session")
def from_all_sides():
    """Names (N,) of gestures and keypoints (N, 21, 3) of hands that show them, seen from anywhere."""
    rows = [
        (gesture, keypoints)
        for variety, seed in ((0.3, 501), (0.6, 502))
        for gesture in GESTURE_POSES
        for keypoints in make_keypoints(gesture, 150, seed, False, variety)
    ]
    return np.array([name for name, _ in rows]), np.array([keypoints for _, keypoints in rows])
