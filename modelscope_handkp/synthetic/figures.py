"""Hands that a body could have: sizes, poses and views drawn at random -> `Hands3D`."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .kinematics import BONES_MM, PARENTS, Hands3D, collision, pose_hand, unit
from .poses import (
    FLEX_LIMITS,
    POSE_NAMES,
    THUMB_LIMITS,
    THUMB_UPRIGHT,
    TOUCHING,
    Angles,
    limited,
    sample_angles,
    sample_gesture,
)
from .rng import Rng

_CANDIDATES = 6  # copies of a pose of which the one with the fewest collisions stays
_GESTURE_CANDIDATES = 24  # so that tips that are to touch do
_TILT_DEGREES, _MOST_TILT = 15.0, 40.0  # of a thumb that points up or down; standard deviation and limit
_FACING_DEGREES = 10.0  # how far a hand that faces the camera is turned from it; standard deviation
_FLEX_SHAKE, _THUMB_SHAKE, _JOINT_SHAKE = 9.0, 11.0, (1.0, 1.0, 0.5)  # degrees; share of each finger joint


def _rotation(axis: int, degrees: Tensor) -> Tensor:
    """Rotations (N, 3, 3) about axis 0, 1 or 2 by `degrees` (N,)."""
    angle = torch.deg2rad(degrees)
    cos, sin, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    if axis == 0:
        rows = [one, zero, zero, zero, cos, -sin, zero, sin, cos]
    elif axis == 1:
        rows = [cos, zero, sin, zero, one, zero, -sin, zero, cos]
    else:
        rows = [cos, -sin, zero, sin, cos, zero, zero, zero, one]
    return torch.stack(rows, -1).reshape(-1, 3, 3)


def sample_views(rng: Rng, count: int, variety: float = 1.0) -> Tensor:
    """Draw rotations (count, 3, 3), hand frame -> camera frame: palm, back or side toward the camera, any roll.

    `variety` 0 keeps most fingers across the line of sight; at 1 a third of the views are uniform rotations.
    """
    yaw = _rotation(1, rng.uniform(-180, 180, count))
    tilt = _rotation(0, rng.normal(18 + 24 * variety, count))
    upright = rng.chance(0.5, count)
    roll = torch.where(upright, rng.normal(35.0, count), rng.uniform(-180, 180, count))
    natural = _rotation(2, roll) @ tilt @ _upright(rng.device) @ yaw
    quaternion = unit(rng.normal(1.0, count, 4))
    w, x, y, z = quaternion.unbind(-1)
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]  # fmt: skip
    anywhere = torch.stack(rows, -1).reshape(-1, 3, 3)
    return torch.where(rng.chance(0.35 * variety, count, 1, 1), anywhere, natural)


def _upright(device: torch.device) -> Tensor:
    """(3, 3), hand frame -> camera frame: the fingers point upward, the back faces the camera."""
    return torch.diag(torch.tensor([1.0, -1.0, -1.0], device=device))


@dataclass(frozen=True)
class Figures:
    """What N hands are made of: bodies, joint angles and views, from which `stand` makes `Hands3D`.

    bones (N, 5, 3) mm, thumb first; width (N,) factor of the palm's width; thickness (N,) factor of the flesh; elbow
    (N, 3) mm, arm_along and arm_back (N, 3): the forearm's unit direction and back, in the hand frame; is_left (N,)
    bool; angles; view (N, 3, 3): rotations, hand frame -> camera frame; pose (N,) index into POSE_NAMES.
    """

    bones: Tensor
    width: Tensor
    thickness: Tensor
    elbow: Tensor
    arm_along: Tensor
    arm_back: Tensor
    is_left: Tensor
    angles: Angles
    view: Tensor
    pose: Tensor


def sample_figures(rng: Rng, count: int, variety: float = 1.0, gesture: str | None = None) -> Figures:
    """Draw `count` figures. `variety` (0 to 1): see `sample_angles` and `sample_views`; `gesture`: that all show.

    Raises:
        InputError: no gesture has that name.
    """
    table = torch.tensor(BONES_MM, device=rng.device)
    bones = table * (1 + rng.normal(0.06, count, 1, 1) + rng.normal(0.03, count, 5, 1) + rng.normal(0.02, count, 5, 3))
    width = (1 + rng.normal(0.06, count)).clamp(0.8, 1.25)
    angles, pose = sample_poses(rng, bones, width, variety, gesture)
    elbow, arm_along, arm_back = _sample_arms(rng, count)
    is_left = rng.chance(0.5, count)
    view = sample_views(rng, count, variety)
    thickness = rng.uniform(0.85, 1.2, count)
    figures = Figures(bones, width, thickness, elbow, arm_along, arm_back, is_left, angles, view, pose)
    return figures if gesture not in THUMB_UPRIGHT else _turned(rng, figures, THUMB_UPRIGHT[gesture])


def _turned(rng: Rng, figures: Figures, degrees: float) -> Figures:
    """Figures whose views are rolled until the thumb points about that way in the image, from x to y."""
    tilt = rng.normal(_TILT_DEGREES, len(figures.width)).clamp(-_MOST_TILT, _MOST_TILT)
    return rolled(figures, degrees + tilt - thumb_degrees(figures))


def thumb_degrees(figures: Figures) -> Tensor:
    """(N,): the direction in the image in which thumbs point, degrees from x to y."""
    joints = stand(figures).joints
    thumb = joints[:, 4] - joints[:, 2]
    return torch.rad2deg(torch.atan2(thumb[:, 1], thumb[:, 0]))


def rolled(figures: Figures, degrees: Tensor) -> Figures:
    """Figures that are rotated in the image by `degrees` (N,), from x to y."""
    return replace(figures, view=_rotation(2, degrees) @ figures.view)


def facing(rng: Rng, figures: Figures) -> Figures:
    """Figures in views where the palm or the back faces the camera and the fingers point about upward."""
    count = len(figures.width)
    yaw = 180 * rng.chance(0.5, count).float() + rng.normal(_FACING_DEGREES, count)
    tilt, roll = rng.normal(_FACING_DEGREES, count), rng.normal(_FACING_DEGREES, count)
    view = _rotation(2, roll) @ _rotation(0, tilt) @ _upright(rng.device) @ _rotation(1, yaw)
    return replace(figures, view=view)


def stand(figures: Figures) -> Hands3D:
    """The posed hands of `figures`."""
    count, device = len(figures.width), figures.width.device
    joints, along, back = pose_hand(figures.angles, figures.bones, figures.width)
    palm = torch.tensor([0.0, 1.0, 0.0], device=device).expand(count, 1, 3)
    palm_back = torch.tensor([0.0, 0.0, 1.0], device=device).expand(count, 1, 3)
    along = torch.cat([along, palm, figures.arm_along[:, None]], 1)
    back = torch.cat([back, palm_back, figures.arm_back[:, None]], 1)
    start = torch.cat([joints[:, list(PARENTS)], torch.zeros(count, 2, 3, device=device)], 1)
    elbow = figures.elbow[:, None]
    ends = torch.cat([joints[:, 1:], joints[:, 9:10], elbow], 1)
    mirror = torch.ones(count, 1, 3, device=device)
    mirror[:, 0, 0] = 1 - 2 * figures.is_left.float()

    def place(points: Tensor) -> Tensor:
        return (points * mirror) @ figures.view.transpose(1, 2)

    length = (ends - start).norm(dim=-1)
    return Hands3D(place(joints), place(elbow)[:, 0], place(start), place(along), place(back), length,
                   figures.thickness, figures.is_left, figures.pose)  # fmt: skip


def sample_hands(rng: Rng, count: int, variety: float = 1.0) -> Hands3D:
    """Draw `count` posed hands in random views. `variety` (0 to 1): see `sample_angles` and `sample_views`."""
    return stand(sample_figures(rng, count, variety))


def sample_gesture_hands(rng: Rng, count: int, variety: float, gesture: str) -> Hands3D:
    """Draw `count` hands that show a gesture (`poses.GESTURE_POSES`), in random views; thumbs up point up in the image.

    Raises:
        InputError: no gesture has that name.
    """
    return stand(sample_figures(rng, count, variety, gesture))


def sample_poses(
    rng: Rng, bones: Tensor, width: Tensor, variety: float = 1.0, gesture: str | None = None
) -> tuple[Angles, Tensor]:
    """Draw joint angles for N hands and their poses (N,); bones and width: see `Figures`; `gesture`: that all show.

    Of some shaken copies of each pose the one with the least `collision` stays.

    Raises:
        InputError: no gesture has that name.
    """
    count, device = len(width), rng.device
    if gesture is None:
        candidates, (angles, pose) = _CANDIDATES, sample_angles(rng, count, variety)
    else:
        candidates, (angles, pose) = _GESTURE_CANDIDATES, sample_gesture(rng, count, gesture, variety)
    touching = torch.tensor([name in TOUCHING for name in POSE_NAMES], device=device)[pose]
    shake = rng.normal(_FLEX_SHAKE, count, candidates, 4, 3) * torch.tensor(_JOINT_SHAKE, device=device)
    flex = angles.flex[:, None] + shake
    thumb = angles.thumb[:, None] + rng.normal(_THUMB_SHAKE, count, candidates, 4)
    flex[:, 0], thumb[:, 0] = angles.flex, angles.thumb
    flex, thumb = limited(flex, FLEX_LIMITS), limited(thumb, THUMB_LIMITS)
    own = torch.arange(count, device=device).repeat_interleave(candidates)
    copies = Angles(flex.flatten(0, 1), angles.spread[own], thumb.flatten(0, 1))
    joints, _, _ = pose_hand(copies, bones[own], width[own])
    best = collision(joints, touching[own].float()).reshape(count, candidates).argmin(1)
    pick = torch.arange(count, device=device) * candidates + best
    return Angles(copies.flex[pick], angles.spread, copies.thumb[pick]), pose


def _sample_arms(rng: Rng, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Elbow (count, 3) mm, the forearm's unit direction and back (count, 3), in the hand frame."""
    bend, deviation = rng.normal(25.0, count).clamp(-70, 70), rng.normal(11.0, count).clamp(-30, 30)
    straight = torch.tensor([0.0, -1.0, 0.0], device=rng.device).expand(count, 3)
    along = (_rotation(0, bend) @ _rotation(2, deviation) @ straight[..., None])[..., 0]
    up = torch.tensor([0.0, 0.0, 1.0], device=rng.device).expand(count, 3)
    back = unit(up - along * (up * along).sum(-1, keepdim=True))
    return along * rng.uniform(220, 280, count, 1), along, back
