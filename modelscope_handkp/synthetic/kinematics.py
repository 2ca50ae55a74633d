"""An articulated hand: bone lengths, forward kinematics and views -> 21 joints and a frame for each bone.

Hand frame (millimetres, a right hand): wrist at the origin, +y toward the fingers, +z out of the back of the
hand, thumb toward -x. A left hand is its mirror image. Camera frame: x right, y down, z away from the camera.
Bone `b` ends at joint `b + 1` and starts at its parent; 20 bones, then the palm (20) and the forearm (21).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .poses import Angles

NUM_BONES = 22
PALM, FOREARM = 20, 21
PARENTS = (0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
KNUCKLES = (5, 9, 13, 17)

_KNUCKLE_MM = ((-25.0, 88.0, 3.0), (-3.0, 91.0, 5.0), (17.0, 85.0, 3.0), (34.0, 75.0, -2.0))
_THUMB_BASE_MM = (-19.0, 17.0, -5.0)
# Of the bones of thumb, index to pinky.
BONES_MM = ((45.0, 34.0, 29.0), (44.0, 26.0, 23.0), (49.0, 30.0, 24.0), (45.0, 28.0, 24.0), (36.0, 21.0, 21.0))
# Index to pinky: how straight fingers fan out, how they close up and sink when they bend, how their backs lean.
_FAN_DEGREES = (-4.0, 0.0, 4.0, 9.0)
_CLOSED_DEGREES = (-5.0, 0.0, 5.0, 9.0)
_CUP_MM = (0.0, 1.0, 4.0, 9.0)
_LEAN_DEGREES = (-8.0, 0.0, 8.0, 16.0)
_THUMB_PAD = (1.0, 0.25, -0.35)  # the direction that its pad faces
_APART_MM, _FROM_PALM_MM, _TOUCH_MM = 16.0, 19.0, 13.0  # closest that fingers, tips and palm, touching tips come


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


def unit(vector: Tensor) -> Tensor:
    """Vectors (..., 3) of length 1."""
    return torch.as_tensor(vector / vector.norm(dim=-1, keepdim=True).clamp(min=1e-6))


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
        joints[:, first], along[:, first - 1], back[:, first - 1] = point, unit(point), palm_back
        for bone in range(3):
            direction, normal = _bend(direction, normal, flex[:, finger, bone])
            point = point + direction * bones[:, finger + 1, bone, None]
            joints[:, first + bone + 1] = point
            along[:, first + bone], back[:, first + bone] = direction, normal

    point = torch.tensor(_THUMB_BASE_MM, device=device).repeat(count, 1)
    point[:, 0] *= width
    joints[:, 1], along[:, 0], back[:, 0] = point, unit(point), palm_back
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
    return along, unit(up * lean.cos() + torch.cross(along, up, dim=-1) * lean.sin())


def _thumb_base(thumb: Tensor) -> tuple[Tensor, Tensor]:
    """Direction and back (N, 3) of the thumb's first bone; thumb (N, 4) in degrees."""
    out, down = torch.deg2rad(thumb[:, 0]), torch.deg2rad(thumb[:, 1])
    direction = torch.stack([-out.sin() * down.cos(), out.cos() * down.cos(), -down.sin()], -1)
    pad = torch.tensor(_THUMB_PAD, device=thumb.device).expand(len(thumb), 3)
    return direction, -unit(pad - direction * (pad * direction).sum(-1, keepdim=True))


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
