"""Joint angles: their limits, natural poses by name, and random draws around them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..errors import InputError
from .rng import Rng

# Lowest and highest angle, degrees: flexion of a finger's knuckle, middle and end joint; spread of a finger either
# way; the thumb's four angles. See `Angles`.
FLEX_LIMITS = ((-25.0, 95.0), (-5.0, 112.0), (-10.0, 80.0))
SPREAD_LIMIT = 22.0
THUMB_LIMITS = ((-15.0, 75.0), (-10.0, 70.0), (-15.0, 65.0), (-25.0, 85.0))

_STRAIGHT, _SOFT, _HALF, _CURLED, _HOOK = (
    (3.0, 5.0, 3.0),
    (20.0, 28.0, 15.0),
    (50.0, 55.0, 30.0),
    (82.0, 100.0, 55.0),
    (10.0, 90.0, 55.0),
)
_BENT = (70.0, 12.0, 6.0)
_Finger = tuple[float, float, float]
# name: (weight of the draw, flexion of index, middle, ring, pinky, spread factor, thumb)
POSES: dict[str, tuple[float, _Finger, _Finger, _Finger, _Finger, float, tuple[float, float, float, float]]] = {
    "open": (1.6, _STRAIGHT, _STRAIGHT, _STRAIGHT, _STRAIGHT, 0.8, (45.0, 15.0, 5.0, 5.0)),
    "flat": (1.0, _STRAIGHT, _STRAIGHT, _STRAIGHT, _STRAIGHT, 0.0, (12.0, 12.0, 5.0, 5.0)),
    "fist": (1.5, _CURLED, _CURLED, _CURLED, _CURLED, 0.0, (12.0, 48.0, 40.0, 45.0)),
    "pointing": (1.2, _STRAIGHT, _CURLED, _CURLED, _CURLED, 0.0, (12.0, 46.0, 35.0, 45.0)),
    "victory": (0.9, _STRAIGHT, _STRAIGHT, _CURLED, _CURLED, 1.0, (8.0, 50.0, 40.0, 45.0)),
    "three": (0.5, _STRAIGHT, _STRAIGHT, _STRAIGHT, _CURLED, 0.6, (5.0, 52.0, 45.0, 40.0)),
    "four": (0.5, _STRAIGHT, _STRAIGHT, _STRAIGHT, _STRAIGHT, 0.6, (0.0, 52.0, 45.0, 50.0)),
    "thumbs_up": (1.0, _CURLED, _CURLED, _CURLED, _CURLED, 0.0, (62.0, 5.0, -5.0, -5.0)),
    "gun": (0.4, _STRAIGHT, _CURLED, _CURLED, _CURLED, 0.0, (60.0, 10.0, 0.0, 0.0)),
    "horns": (0.4, _STRAIGHT, _CURLED, _CURLED, _STRAIGHT, 0.5, (10.0, 50.0, 40.0, 45.0)),
    "call": (0.4, _CURLED, _CURLED, _CURLED, _STRAIGHT, 0.8, (60.0, 10.0, 0.0, 0.0)),
    "ok": (0.9, (45.0, 58.0, 30.0), _SOFT, _STRAIGHT, _STRAIGHT, 0.6, (20.0, 45.0, 20.0, 25.0)),
    "pinch": (1.2, (50.0, 45.0, 25.0), _HALF, _HALF, _HALF, 0.1, (20.0, 45.0, 15.0, 25.0)),
    "writing": (0.8, (45.0, 40.0, 20.0), (55.0, 50.0, 25.0), (65.0, 70.0, 35.0), (68.0, 75.0, 40.0),
        0.0, (18.0, 42.0, 20.0, 30.0)),
    "grip": (1.6, (45.0, 55.0, 30.0), (50.0, 60.0, 32.0), (55.0, 62.0, 35.0), (58.0, 62.0, 35.0),
        0.1, (25.0, 55.0, 15.0, 20.0)),
    "wide_grip": (1.0, (25.0, 35.0, 20.0), (28.0, 38.0, 20.0), (30.0, 40.0, 22.0), (32.0, 40.0, 24.0),
        0.5, (35.0, 55.0, 5.0, 10.0)),
    "phone": (0.8, (20.0, 45.0, 25.0), (25.0, 55.0, 30.0), (30.0, 60.0, 30.0), (40.0, 60.0, 30.0),
        0.4, (40.0, 40.0, 5.0, 10.0)),
    "relaxed": (2.2, (15.0, 28.0, 14.0), (22.0, 34.0, 18.0), (28.0, 38.0, 20.0), (32.0, 38.0, 20.0),
        0.2, (25.0, 30.0, 12.0, 15.0)),
    "hook": (0.6, _HOOK, _HOOK, _HOOK, _HOOK, 0.1, (20.0, 35.0, 15.0, 20.0)),
    "flat_bent": (0.7, _BENT, _BENT, _BENT, _BENT, 0.1, (20.0, 45.0, 5.0, 5.0)),
    "claw": (0.6, (-5.0, 55.0, 30.0), (-3.0, 58.0, 32.0), (0.0, 58.0, 32.0), (0.0, 55.0, 30.0),
        0.9, (45.0, 30.0, 10.0, 30.0)),
    "random": (2.2, _HALF, _HALF, _HALF, _HALF, 0.5, (25.0, 35.0, 15.0, 15.0)),
}  # fmt: skip
POSE_NAMES = tuple(POSES)
TOUCHING = ("ok", "pinch", "writing")  # poses in which the tips of thumb and index meet
# Gestures that a caller asks for by name, and the poses that show them. "none": poses that are no gesture.
GESTURE_POSES: dict[str, tuple[str, ...]] = {
    "fist": ("fist",),
    "open_palm": ("open", "flat"),
    "pointing": ("pointing", "gun"),
    "victory": ("victory",),
    "three": ("three",),
    "four": ("four",),
    "ok": ("ok",),
    "thumbs_up": ("thumbs_up",),
    "thumbs_down": ("thumbs_up",),
    "pinch": ("pinch", "writing"),
    "call": ("call",),
    "rock": ("horns",),
    "none": ("relaxed", "grip", "wide_grip", "phone", "hook", "flat_bent", "claw", "random"),
}
THUMB_UPRIGHT = {"thumbs_up": -90.0, "thumbs_down": 90.0}  # degrees in the image, x to y, in which the thumb points
_SPREAD_DEGREES = (11.0, 2.0, -7.0, -13.0)  # index to pinky, of an open hand
_FREE_THUMB = ((-5.0, 70.0), (0.0, 65.0), (-10.0, 55.0), (-10.0, 70.0))  # of the pose "random"
_END_PER_MIDDLE = 0.62  # flexion of a finger's end joint that goes with one degree of the middle joint


@dataclass(frozen=True)
class Angles:
    """Joint angles of N hands, degrees.

    flex (N, 4, 3): index to pinky; knuckle, middle and end joint, positive toward the palm. spread (N, 4): sideways,
    positive toward the thumb. thumb (N, 4): out (in the palm's plane, away from the index), down (toward the palm's
    front), flexion of its knuckle and of its end joint.
    """

    flex: Tensor
    spread: Tensor
    thumb: Tensor


def limited(angles: Tensor, limits: tuple[tuple[float, float], ...]) -> Tensor:
    """`angles` (..., J) clamped to `limits`, a (lowest, highest) pair for each of the J joints."""
    low, high = torch.tensor(limits, device=angles.device).T
    return torch.minimum(torch.maximum(angles, low), high)


def get_gesture_poses(gesture: str) -> tuple[str, ...]:
    """The names of the poses that show a gesture.

    Raises:
        InputError: no gesture has that name.
    """
    if gesture not in GESTURE_POSES:
        raise InputError(f"unknown gesture {gesture!r:.80}: use {', '.join(GESTURE_POSES)}.")
    return GESTURE_POSES[gesture]


def sample_gesture(rng: Rng, count: int, gesture: str, variety: float = 1.0) -> tuple[Angles, Tensor]:
    """Draw joint angles that show a gesture; as `sample_angles`, without mixtures of two poses.

    Raises:
        InputError: no gesture has that name.
    """
    rows = torch.tensor([POSE_NAMES.index(name) for name in get_gesture_poses(gesture)], device=rng.device)
    pose = rows[rng.integers(0, len(rows), count)]
    _, flex_table, spread_table, thumb_table = (table.to(rng.device) for table in _pose_tables())
    return _around(rng, flex_table[pose], thumb_table[pose], spread_table[pose], pose, variety), pose


def sample_angles(rng: Rng, count: int, variety: float = 1.0) -> tuple[Angles, Tensor]:
    """Draw joint angles within the limits; returns them and pose (count,), indices into POSE_NAMES.

    `variety` 0 stays at the named poses; 1 adds the random ones, mixtures of two poses and wide deviations.
    """
    weights, flex_table, spread_table, thumb_table = (table.to(rng.device) for table in _pose_tables())
    weights[-1] *= variety
    pose = rng.choice(weights, count)
    flex, thumb = flex_table[pose], thumb_table[pose]
    other = rng.choice(weights, count)
    mix = (rng.uniform(0, 1, count) * rng.chance(0.3 * variety, count))[:, None]
    flex = flex + (flex_table[other] - flex) * mix[..., None]
    thumb = thumb + (thumb_table[other] - thumb) * mix
    swap = rng.chance(0.1 * variety, count, 4, 1)  # a finger of another pose
    flex = torch.where(swap, flex_table[other], flex)
    return _around(rng, flex, thumb, spread_table[pose], pose, variety), pose


def _around(rng: Rng, flex: Tensor, thumb: Tensor, fanned: Tensor, pose: Tensor, variety: float) -> Angles:
    """Draw angles near flexion (N, 4, 3), thumb (N, 4) and spread factors (N,); free ones for the pose "random"."""
    count = len(pose)
    is_random = (pose == POSE_NAMES.index("random"))[:, None]
    flex = torch.where(is_random[..., None], _free_flexion(rng, count), flex)
    span = torch.tensor(_FREE_THUMB, device=rng.device)
    thumb = torch.where(is_random, span[:, 0] + rng.uniform(0, 1, count, 4) * (span[:, 1] - span[:, 0]), thumb)

    width = 4.0 + 8.0 * variety
    flex = flex + rng.normal(width, count, 1, 1) * 0.6 + rng.normal(width, count, 4, 3) * 0.6
    thumb = thumb + rng.normal(width, count, 4)
    spread = fanned[:, None] * torch.tensor(_SPREAD_DEGREES, device=rng.device)
    spread = spread * rng.uniform(0.3, 1.5, count, 1) + rng.normal(1.0 + 3.5 * variety, count, 4)
    flex = limited(flex, FLEX_LIMITS)
    # The end joint follows the middle one: its tendon leaves it little freedom.
    tied = _END_PER_MIDDLE * flex[..., 1] + rng.normal(7.0, count, 4)
    end = torch.minimum(flex[..., 2:], tied[..., None] + 25).clamp(*FLEX_LIMITS[2])
    flex = torch.cat([flex[..., :2], end], -1)
    return Angles(flex, spread.clamp(-SPREAD_LIMIT, SPREAD_LIMIT), limited(thumb, THUMB_LIMITS))


def _free_flexion(rng: Rng, count: int) -> Tensor:
    """Flexion (count, 4, 3), degrees, of fingers that curl alike or each on its own."""
    curl = rng.uniform(-0.1, 1.05, count, 4)
    curl = torch.where(rng.chance(0.5, count, 1), curl[:, :1] + rng.normal(0.12, count, 4), curl)
    joints = [curl * 85, (curl + rng.normal(0.25, count, 4)) * 105, (curl + rng.normal(0.15, count, 4)) * 60]
    return torch.stack(joints, -1)


def _pose_tables() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of each pose: weight (P,), flexion (P, 4, 3), spread factor (P,), thumb (P, 4)."""
    rows = list(POSES.values())
    weights = torch.tensor([row[0] for row in rows])
    flex = torch.tensor([row[1:5] for row in rows])
    spread = torch.tensor([row[5] for row in rows])
    return weights, flex, spread, torch.tensor([row[6] for row in rows])
