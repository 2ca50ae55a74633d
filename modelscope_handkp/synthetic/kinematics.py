"""An articulated hand: bone lengths, forward kinematics and views -> 21 joints and a frame for each bone.

Hand frame (millimetres, a right hand): wrist at the origin, +y toward the fingers, +z out of the back of the
hand, thumb toward -x. A left hand is its mirror image. Camera frame: x right, y down, z away from the camera.
Bone `b` ends at joint `b + 1` and starts at its parent; 20 bones, then the palm (20) and the forearm (21).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

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

NUM_BONES = 22
PALM, FOREARM = 20, 21
PARENTS = (0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
KNUCKLES = (5, 9, 13, 17)

_KNUCKLE_MM = ((-25.0, 88.0, 3.0), (-3.0, 91.0, 5.0), (17.0, 85.0, 3.0), (34.0, 75.0, -2.0))
_FINGER_MM = ((44.0, 26.0, 23.0), (49.0, 30.0, 24.0), (45.0, 28.0, 24.0), (36.0, 21.0, 21.0))
_THUMB_BASE_MM = (-19.0, 17.0, -5.0)
_THUMB_MM = (45.0, 34.0, 29.0)
# Index to pinky: how straight fingers fan out, how they close up and sink when they bend, how their backs lean.
_FAN_DEGREES = (-4.0, 0.0, 4.0, 9.0)
_CLOSED_DEGREES = (-5.0, 0.0, 5.0, 9.0)
_CUP_MM = (0.0, 1.0, 4.0, 9.0)
_LEAN_DEGREES = (-8.0, 0.0, 8.0, 16.0)
_THUMB_PAD = (1.0, 0.25, -0.35)  # the direction that its pad faces
_APART_MM, _FROM_PALM_MM, _TOUCH_MM = 16.0, 19.0, 13.0  # closest that fingers, tips and palm, touching tips come
_CANDIDATES = 6  # copies of a pose of which the one with the fewest collisions stays
_GESTURE_CANDIDATES = 24  # so that tips that are to touch do
_TILT_DEGREES, _MOST_TILT = 15.0, 40.0  # of a thumb that points up or down; standard deviation and limit
_FLEX_SHAKE, _THUMB_SHAKE, _JOINT_SHAKE = 9.0, 11.0, (1.0, 1.0, 0.5)  # degrees; share of each finger joint


@dataclass(frozen=True)
class Hands3D:
    """N posed hands in the camera's orientation, wrist at the origin, millimetres.

    joints (N, 21, 3) in COCO-WholeBody order; elbow (N, 3); start, along, back (N, 22, 3): where each bone begins,
    its unit direction and the unit normal of its back; length (N, 22); thickness (N,) factor of the flesh;
    is_left (N,) bool; pose (N,) index into POSE_NAMES.
    """

    joints: Tensor
    elbow: Tensor
    start: Tensor
    along: Tensor
    back: Tensor
    length: Tensor
    thickness: Tensor
    is_left: Tensor
    pose: Tensor


def _unit(vector: Tensor) -> Tensor:
    unit: Tensor = vector / vector.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    return unit


def _bend(along: Tensor, back: Tensor, degrees: Tensor) -> tuple[Tensor, Tensor]:
    """Direction and back (N, 3) of a bone that bends toward the palm by `degrees` (N,)."""
    angle = torch.deg2rad(degrees)[..., None]
    return along * angle.cos() - back * angle.sin(), back * angle.cos() + along * angle.sin()


def pose_hand(angles: Angles, bones: Tensor, width: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Forward kinematics of N right hands in the hand frame.

    bones (N, 5, 3) bone lengths in mm, thumb first; width (N,) factor of the palm's width. Returns joints (N, 21, 3)
    mm and, of the 20 bones of the fingers, unit directions and backs (N, 20, 3).
    """
    flex = angles.flex
    count, device = flex.shape[0], flex.device
    knuckles = torch.tensor(_KNUCKLE_MM, device=device).repeat(count, 1, 1)
    knuckles[..., 0] *= width[:, None]
    # The outer metacarpals sink toward the palm when the fist closes.
    knuckles[..., 2] -= (flex[:, :, 0].clamp(min=0) / 90) * torch.tensor(_CUP_MM, device=device)
    fan_along, fan_back = _fan(flex[..., 0], angles.spread)

    joints = torch.zeros(count, 21, 3, device=device)
    along = torch.zeros(count, 20, 3, device=device)
    back = torch.zeros(count, 20, 3, device=device)
    palm_back = torch.tensor([0.0, 0.0, 1.0], device=device).expand(count, 3)
    for finger, first in enumerate(KNUCKLES):
        point, direction, normal = knuckles[:, finger], fan_along[:, finger], fan_back[:, finger]
        joints[:, first], along[:, first - 1], back[:, first - 1] = point, _unit(point), palm_back
        for bone in range(3):
            direction, normal = _bend(direction, normal, flex[:, finger, bone])
            point = point + direction * bones[:, finger + 1, bone, None]
            joints[:, first + bone + 1] = point
            along[:, first + bone], back[:, first + bone] = direction, normal

    point = torch.tensor(_THUMB_BASE_MM, device=device).repeat(count, 1)
    point[:, 0] *= width
    joints[:, 1], along[:, 0], back[:, 0] = point, _unit(point), palm_back
    direction, normal = _thumb_base(angles.thumb)
    for bone in range(3):
        if bone:
            direction, normal = _bend(direction, normal, angles.thumb[:, bone + 1])
        point = point + direction * bones[:, 0, bone, None]
        joints[:, bone + 2] = point
        along[:, bone + 1], back[:, bone + 1] = direction, normal
    return joints, along, back


def _fan(knuckle_flex: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
    """Directions and backs (N, 4, 3) of the straight fingers at their knuckles; angles (N, 4) in degrees."""
    device = spread.device
    fan, closed = torch.tensor(_FAN_DEGREES, device=device), torch.tensor(_CLOSED_DEGREES, device=device)
    fade = torch.deg2rad(knuckle_flex).cos().clamp(min=0.15)
    side = torch.deg2rad((fan - spread) * fade + (fade - 1) * closed)
    along = torch.stack([side.sin(), side.cos(), torch.zeros_like(side)], -1)
    up = torch.zeros_like(along)
    up[..., 2] = 1.0
    # A palm that is arched: the outer fingers' backs lean outward.
    lean = torch.deg2rad(torch.tensor(_LEAN_DEGREES, device=device))[:, None]
    return along, _unit(up * lean.cos() + torch.cross(along, up, dim=-1) * lean.sin())


def _thumb_base(thumb: Tensor) -> tuple[Tensor, Tensor]:
    """Direction and back (N, 3) of the thumb's first bone; thumb (N, 4) in degrees."""
    out, down = torch.deg2rad(thumb[:, 0]), torch.deg2rad(thumb[:, 1])
    direction = torch.stack([-out.sin() * down.cos(), out.cos() * down.cos(), -down.sin()], -1)
    pad = torch.tensor(_THUMB_PAD, device=thumb.device).expand(len(thumb), 3)
    return direction, -_unit(pad - direction * (pad * direction).sum(-1, keepdim=True))


def collision(joints: Tensor, touch: Tensor) -> Tensor:
    """Cost (N,), mm squared, of fingers that run through each other or the palm, and of thumb and index that do not
    meet where `touch` (N,) is 1; joints (N, 21, 3) mm."""
    fingers = joints[:, 1:].reshape(-1, 5, 4, 3)
    middles = (fingers[:, :, 1:] + fingers[:, :, :-1]) / 2
    points = torch.cat([fingers[:, :, 1:], middles], 2)
    cost = torch.zeros(joints.shape[0], device=joints.device)
    for a in range(5):
        for b in range(a + 1, 5):
            gap = torch.cdist(points[:, a], points[:, b])
            cost = cost + (_APART_MM - gap).clamp(min=0).square().sum((1, 2))
    palm = joints[:, [0, 5, 9, 13, 17]].mean(1)
    tips = joints[:, [4, 8, 12, 16, 20, 3]]
    palm_points = torch.stack([palm, joints[:, 9] * 0.75, joints[:, 13] * 0.7, joints[:, 5] * 0.75], 1)
    cost = cost + (_FROM_PALM_MM - torch.cdist(tips, palm_points)).clamp(min=0).square().sum((1, 2))
    gap = (joints[:, 4] - joints[:, 8]).norm(dim=-1)
    total: Tensor = cost + touch * (gap - _TOUCH_MM).square() * 3
    return total


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
    base = torch.diag(torch.tensor([1.0, -1.0, -1.0], device=rng.device))
    natural = _rotation(2, roll) @ tilt @ base @ yaw
    quaternion = _unit(rng.normal(1.0, count, 4))
    w, x, y, z = quaternion.unbind(-1)
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]  # fmt: skip
    anywhere = torch.stack(rows, -1).reshape(-1, 3, 3)
    return torch.where(rng.chance(0.35 * variety, count, 1, 1), anywhere, natural)


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
    table = torch.tensor((_THUMB_MM, *_FINGER_MM), device=rng.device)
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
    joints = stand(figures).joints
    thumb = joints[:, 4] - joints[:, 2]
    tilt = rng.normal(_TILT_DEGREES, len(thumb)).clamp(-_MOST_TILT, _MOST_TILT)
    roll = degrees + tilt - torch.rad2deg(torch.atan2(thumb[:, 1], thumb[:, 0]))
    return replace(figures, view=_rotation(2, roll) @ figures.view)


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
    back = _unit(up - along * (up * along).sum(-1, keepdim=True))
    return along * rng.uniform(220, 280, count, 1), along, back
