"""An articulated hand: bone lengths, joint limits, natural poses, views -> 21 joints and a frame for each bone.

Hand frame (millimetres, a right hand): wrist at the origin, +y toward the fingers, +z out of the back of the
hand, thumb toward -x. A left hand is its mirror image. Camera frame: x right, y down, z away from the camera.
Bone `b` ends at joint `b + 1` and starts at its parent; 20 bones, then the palm (20) and the forearm (21).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .rng import Rng

NUM_BONES = 22
PALM, FOREARM = 20, 21
PARENTS = (0, 1, 2, 3, 0, 5, 6, 7, 0, 9, 10, 11, 0, 13, 14, 15, 0, 17, 18, 19)
KNUCKLES = (5, 9, 13, 17)

_KNUCKLE_MM = ((-25.0, 88.0, 3.0), (-3.0, 91.0, 5.0), (17.0, 85.0, 3.0), (34.0, 75.0, -2.0))
_FINGER_MM = ((44.0, 26.0, 23.0), (49.0, 30.0, 24.0), (45.0, 28.0, 24.0), (36.0, 21.0, 21.0))
_FAN_DEGREES = (-4.0, 0.0, 4.0, 9.0)
_THUMB_BASE_MM = (-19.0, 17.0, -5.0)
_THUMB_MM = (45.0, 34.0, 29.0)

# Angles of a hand, in degrees. Per finger (index to pinky): knuckle flexion, middle flexion, end flexion, spread
# (away from the middle finger, positive toward the thumb for the index). Thumb: out (in the palm's plane, away from
# the index), down (toward the palm's front), knuckle flexion, end flexion.
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
# name: (weight, index, middle, ring, pinky, spread factor, thumb)
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
_TOUCH = ("ok", "pinch", "writing")
CANDIDATES = 6


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


def _pose_tables() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rows = list(POSES.values())
    weights = torch.tensor([row[0] for row in rows])
    flex = torch.tensor([row[1:5] for row in rows])
    spread = torch.tensor([row[5] for row in rows])
    return weights, flex, spread, torch.tensor([row[6] for row in rows])


def sample_angles(rng: Rng, count: int, variety: float = 1.0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Joint angles within the limits.

    Returns flex (count, 4, 3), spread (count, 4), thumb (count, 4), all in degrees, and pose (count,) indices.
    `variety` 0 stays at the named poses; 1 adds the random ones, mixtures and wide deviations.
    """
    weights, flex_table, spread_table, thumb_table = (table.to(rng.device) for table in _pose_tables())
    weights = weights.clone()
    weights[-1] *= variety
    pose = rng.choice(weights, count)
    flex, thumb = flex_table[pose], thumb_table[pose]
    other = rng.choice(weights, count)
    mix = (rng.uniform(0, 1, count) * rng.chance(0.3 * variety, count))[:, None]
    flex = flex + (flex_table[other] - flex) * mix[..., None]
    thumb = thumb + (thumb_table[other] - thumb) * mix
    swap = rng.chance(0.1 * variety, count, 4, 1)  # a finger of another pose
    flex = torch.where(swap, flex_table[other], flex)

    is_random = (pose == len(POSE_NAMES) - 1)[:, None]
    curl = rng.uniform(-0.1, 1.05, count, 4)
    curl = torch.where(rng.chance(0.5, count, 1), curl[:, :1] + rng.normal(0.12, count, 4), curl)
    free = torch.stack(
        [curl * 85, (curl + rng.normal(0.25, count, 4)) * 105, (curl + rng.normal(0.15, count, 4)) * 60], -1
    )
    flex = torch.where(is_random[..., None], free, flex)
    span = torch.tensor([[-5.0, 70.0], [0.0, 65.0], [-10.0, 55.0], [-10.0, 70.0]], device=rng.device)
    thumb = torch.where(is_random, span[:, 0] + rng.uniform(0, 1, count, 4) * (span[:, 1] - span[:, 0]), thumb)

    width = 4.0 + 8.0 * variety
    flex = flex + rng.normal(width, count, 1, 1) * 0.6 + rng.normal(width, count, 4, 3) * 0.6
    thumb = thumb + rng.normal(width, count, 4)
    spread = spread_table[pose, None] * torch.tensor([11.0, 2.0, -7.0, -13.0], device=rng.device)
    spread = spread * rng.uniform(0.3, 1.5, count, 1) + rng.normal(1.0 + 3.5 * variety, count, 4)
    low = torch.tensor([limit[0] for limit in FLEX_LIMITS], device=rng.device)
    high = torch.tensor([limit[1] for limit in FLEX_LIMITS], device=rng.device)
    flex = torch.minimum(torch.maximum(flex, low), high)
    # The end joint follows the middle one: its tendon leaves it little freedom.
    tied = 0.62 * flex[..., 1] + rng.normal(7.0, count, 4)
    flex = torch.cat([flex[..., :2], torch.minimum(flex[..., 2:], tied[..., None] + 25).clamp(-10, 80)], -1)
    low = torch.tensor([limit[0] for limit in THUMB_LIMITS], device=rng.device)
    high = torch.tensor([limit[1] for limit in THUMB_LIMITS], device=rng.device)
    thumb = torch.minimum(torch.maximum(thumb, low), high)
    return flex, spread.clamp(-SPREAD_LIMIT, SPREAD_LIMIT), thumb, pose


def _unit(vector: Tensor) -> Tensor:
    unit: Tensor = vector / vector.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    return unit


def _bend(along: Tensor, back: Tensor, degrees: Tensor) -> tuple[Tensor, Tensor]:
    angle = torch.deg2rad(degrees)[..., None]
    return along * angle.cos() - back * angle.sin(), back * angle.cos() + along * angle.sin()


def pose_hand(
    flex: Tensor, spread: Tensor, thumb: Tensor, bones: Tensor, width: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Forward kinematics of right hands in the hand frame.

    flex (N, 4, 3), spread (N, 4), thumb (N, 4) degrees; bones (N, 5, 3) bone lengths in mm, thumb first;
    width (N,) factor of the palm's width. Returns joints (N, 21, 3), along (N, 20, 3), back (N, 20, 3).
    """
    count, device = flex.shape[0], flex.device
    knuckles = torch.tensor(_KNUCKLE_MM, device=device).repeat(count, 1, 1)
    knuckles[..., 0] *= width[:, None]
    # The outer metacarpals sink toward the palm when the fist closes.
    cup = (flex[:, :, 0].clamp(min=0) / 90) * torch.tensor([0.0, 1.0, 4.0, 9.0], device=device)
    knuckles[..., 2] -= cup
    fan = torch.tensor(_FAN_DEGREES, device=device)
    fade = torch.deg2rad(flex[..., 0]).cos().clamp(min=0.15)
    side = torch.deg2rad((fan - spread) * fade + (fade - 1) * torch.tensor([-5.0, 0.0, 5.0, 9.0], device=device))
    along = torch.stack([side.sin(), side.cos(), torch.zeros_like(side)], -1)
    back = torch.zeros_like(along)
    back[..., 2] = 1.0
    # A palm that is arched: the outer fingers' backs lean outward.
    lean = torch.deg2rad(torch.tensor([-8.0, 0.0, 8.0, 16.0], device=device))
    lateral = torch.cross(along, back, dim=-1)
    back = _unit(back * lean.cos()[:, None] + lateral * lean.sin()[:, None])

    joints = torch.zeros(count, 21, 3, device=device)
    alongs = torch.zeros(count, 20, 3, device=device)
    backs = torch.zeros(count, 20, 3, device=device)
    palm_back = torch.tensor([0.0, 0.0, 1.0], device=device).expand(count, 3)
    for finger in range(4):
        first = KNUCKLES[finger]
        point, direction, normal = knuckles[:, finger], along[:, finger], back[:, finger]
        joints[:, first], alongs[:, first - 1], backs[:, first - 1] = point, _unit(point), palm_back
        for bone in range(3):
            direction, normal = _bend(direction, normal, flex[:, finger, bone])
            point = point + direction * bones[:, finger + 1, bone, None]
            joints[:, first + bone + 1] = point
            alongs[:, first + bone], backs[:, first + bone] = direction, normal

    out, down = torch.deg2rad(thumb[:, 0]), torch.deg2rad(thumb[:, 1])
    direction = torch.stack([-out.sin() * down.cos(), out.cos() * down.cos(), -down.sin()], -1)
    pad = torch.tensor([1.0, 0.25, -0.35], device=device).expand(count, 3)
    pad = _unit(pad - direction * (pad * direction).sum(-1, keepdim=True))
    normal = -pad
    point = torch.tensor(_THUMB_BASE_MM, device=device).repeat(count, 1)
    point[:, 0] *= width
    joints[:, 1], alongs[:, 0], backs[:, 0] = point, _unit(point), palm_back
    for bone in range(3):
        if bone:
            direction, normal = _bend(direction, normal, thumb[:, bone + 1])
        point = point + direction * bones[:, 0, bone, None]
        joints[:, bone + 2] = point
        alongs[:, bone + 1], backs[:, bone + 1] = direction, normal
    return joints, alongs, backs


def _collision(joints: Tensor, touch: Tensor) -> Tensor:
    """Cost (N,) of fingers running through each other, and of thumb and index not meeting where `touch` (N,)."""
    fingers = joints[:, 1:].reshape(-1, 5, 4, 3)
    middles = (fingers[:, :, 1:] + fingers[:, :, :-1]) / 2
    points = torch.cat([fingers[:, :, 1:], middles], 2)
    cost = torch.zeros(joints.shape[0], device=joints.device)
    for a in range(5):
        for b in range(a + 1, 5):
            gap = torch.cdist(points[:, a], points[:, b])
            cost = cost + (16.0 - gap).clamp(min=0).square().sum((1, 2))
    palm = joints[:, [0, 5, 9, 13, 17]].mean(1)
    tips = joints[:, [4, 8, 12, 16, 20, 3]]
    palm_points = torch.stack([palm, joints[:, 9] * 0.75, joints[:, 13] * 0.7, joints[:, 5] * 0.75], 1)
    cost = cost + (19.0 - torch.cdist(tips, palm_points)).clamp(min=0).square().sum((1, 2))
    gap = (joints[:, 4] - joints[:, 8]).norm(dim=-1)
    total: Tensor = cost + touch * (gap - 13.0).abs().square() * 3
    return total


def _rotation(axis: int, degrees: Tensor) -> Tensor:
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
    """Rotations (count, 3, 3), hand frame -> camera frame: palm, back or side toward the camera, any roll."""
    turn = _rotation(1, rng.uniform(-180, 180, count))
    tilt = _rotation(0, rng.normal(18 + 24 * variety, count))
    upright = rng.chance(0.5, count)
    roll = torch.where(upright, rng.normal(35.0, count), rng.uniform(-180, 180, count))
    base = torch.diag(torch.tensor([1.0, -1.0, -1.0], device=rng.device))
    natural = _rotation(2, roll) @ tilt @ base @ turn
    quaternion = _unit(rng.normal(1.0, count, 4))
    w, x, y, z = quaternion.unbind(-1)
    rows = [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)]  # fmt: skip
    anywhere = torch.stack(rows, -1).reshape(-1, 3, 3)
    return torch.where(rng.chance(0.35 * variety, count, 1, 1), anywhere, natural)


def sample_hands(rng: Rng, count: int, variety: float = 1.0) -> Hands3D:
    """Draw `count` posed hands in random views. `variety` (0 to 1): see `sample_angles` and `sample_views`."""
    table = torch.tensor((_THUMB_MM, *_FINGER_MM), device=rng.device)
    bones = table * (1 + rng.normal(0.06, count, 1, 1) + rng.normal(0.03, count, 5, 1) + rng.normal(0.02, count, 5, 3))
    width = (1 + rng.normal(0.06, count)).clamp(0.8, 1.25)
    tries = CANDIDATES
    flex, spread, thumb, pose = sample_angles(rng, count, variety)
    touching = torch.tensor([name in _TOUCH for name in POSE_NAMES], device=rng.device)[pose]
    # Some shaken copies of each pose; the one with the least collision stays.
    flexes = flex[:, None] + rng.normal(9.0, count, tries, 4, 3) * torch.tensor([1.0, 1.0, 0.5], device=rng.device)
    thumbs = thumb[:, None] + rng.normal(11.0, count, tries, 4)
    flexes[:, 0], thumbs[:, 0] = flex, thumb
    low, high = torch.tensor(FLEX_LIMITS, device=rng.device).T
    flexes = torch.minimum(torch.maximum(flexes, low), high)
    low, high = torch.tensor(THUMB_LIMITS, device=rng.device).T
    thumbs = torch.minimum(torch.maximum(thumbs, low), high)
    repeat = torch.arange(count, device=rng.device).repeat_interleave(tries)
    joints, along, back = pose_hand(
        flexes.flatten(0, 1), spread[repeat], thumbs.flatten(0, 1), bones[repeat], width[repeat]
    )
    best = _collision(joints, touching[repeat].float()).reshape(count, tries).argmin(1)
    pick = torch.arange(count, device=rng.device) * tries + best
    joints, along, back = joints[pick], along[pick], back[pick]

    bend, deviation = rng.normal(25.0, count).clamp(-70, 70), rng.normal(11.0, count).clamp(-30, 30)
    arm = torch.tensor([0.0, -1.0, 0.0], device=rng.device).expand(count, 3)
    arm = (_rotation(0, bend) @ _rotation(2, deviation) @ arm[..., None])[..., 0]
    arm_back = torch.tensor([0.0, 0.0, 1.0], device=rng.device).expand(count, 3)
    arm_back = _unit(arm_back - arm * (arm_back * arm).sum(-1, keepdim=True))
    elbow = arm * rng.uniform(220, 280, count, 1)

    palm = torch.tensor([0.0, 1.0, 0.0], device=rng.device).expand(count, 1, 3)
    along = torch.cat([along, palm, arm[:, None]], 1)
    back = torch.cat([back, torch.tensor([0.0, 0.0, 1.0], device=rng.device).expand(count, 1, 3), arm_back[:, None]], 1)
    start = torch.cat([joints[:, list(PARENTS)], torch.zeros(count, 2, 3, device=rng.device)], 1)
    length = torch.cat(
        [(joints[:, 1:] - start[:, :20]).norm(dim=-1), joints[:, 9].norm(dim=-1)[:, None], elbow.norm(dim=-1)[:, None]],
        1,
    )

    is_left = rng.chance(0.5, count)
    mirror = torch.ones(count, 1, 3, device=rng.device)
    mirror[:, 0, 0] = 1 - 2 * is_left.float()
    view = sample_views(rng, count, variety)

    def place(points: Tensor) -> Tensor:
        return (points * mirror) @ view.transpose(1, 2)

    thickness = rng.uniform(0.85, 1.2, count)
    return Hands3D(place(joints), place(elbow[:, None])[:, 0], place(start), place(along), place(back), length,
                   thickness, is_left, pose)  # fmt: skip
