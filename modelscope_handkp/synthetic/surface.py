"""Skin around the bones: rows of spheres, blended into a smooth surface by a soft depth buffer.

Spheres of tapering radius stand so close along every bone that their union is a tube; where several lie within a
few millimetres in depth, their depths and normals are averaged (weights fall off exponentially behind the nearest),
which rounds the seams between fingers, webbing, palm and thumb ball. All work is done on flat lists of covered
pixels ("fragments"), so the cost follows the covered area and hands of any size and number share one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .kinematics import FOREARM, PALM, Hands3D

SKIN, SLEEVE, OBJECT = 0, 1, 2  # materials of spheres
_BLEND_MM, _BLEND_PER_RADIUS = 0.6, 0.12  # depth over which a sphere's surface blends with those behind
_PATCHES = (4, 6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 96, 128, 192, 256, 384, 640)  # px, sides of squares of pixels
_FAR_MM = 1.0e6  # depth of an empty pixel
_RIM_MM = 40.0

# Control points of the flesh after the 21 joints; R and U: on the side of the thumb (radius) and of the pinky (ulna).
_ELBOW, _WRIST_R, _WRIST_U, _ELBOW_R, _ELBOW_U, _THENAR, _INDEX_MC, _HYPO_A, _HYPO_B = range(21, 30)
_BETWEEN, _WEB, _HEEL, _SHOULDER, _THUMB_MID = 30, 33, 37, 38, 39


def _segments() -> list[tuple[int, int, float, float, int, float, float, int]]:
    """(control point a, b, first t, last t, count, radius at a, radius at b in mm, bone)."""
    rows: list[tuple[int, int, float, float, int, float, float, int]] = []
    radii = ((10.0, 8.9, 7.7, 6.3), (10.2, 9.1, 7.9, 6.5), (9.6, 8.5, 7.3, 6.0), (8.4, 7.3, 6.3, 5.2))
    for finger, (r0, r1, r2, r3) in enumerate(radii):
        knuckle = 5 + 4 * finger
        rows.append((knuckle, knuckle + 1, 0.0, 1.0, 9, r0, r1, knuckle))
        rows.append((knuckle + 1, knuckle + 2, 0.0, 1.0, 7, r1 + 0.2, r2, knuckle + 1))
        rows.append((knuckle + 2, knuckle + 3, 0.0, 0.88, 6, r2 + 0.1, r3, knuckle + 2))
        rows.append((0, knuckle, 0.2, 1.0, 10, 14.0, r0 + 0.8, PALM))
    rows.append((1, 2, 0.0, 1.0, 6, 14.5, 11.8, 1))
    rows.append((2, 3, 0.0, 1.0, 6, 11.4, 9.8, 2))
    rows.append((3, 4, 0.0, 0.85, 6, 10.0, 7.6, 3))
    for gap in range(3):
        rows.append((0, _BETWEEN + gap, 0.3, 1.0, 9, 14.0, 10.0, PALM))
        rows.append((_WEB + gap, _WEB + gap + 1, 0.2, 0.8, 3, 6.5, 6.5, PALM))
    rows.append((2, _INDEX_MC, 0.1, 0.9, 5, 8.5, 9.5, PALM))
    rows.append((_THUMB_MID, _INDEX_MC, 0.1, 0.9, 5, 12.0, 11.0, PALM))
    rows.append((1, _THENAR, 0.3, 1.0, 3, 13.5, 14.5, PALM))
    rows.append((_THENAR, 2, 0.2, 0.7, 3, 14.0, 11.5, PALM))
    rows.append((_HYPO_A, _HYPO_B, 0.0, 1.0, 6, 13.5, 10.5, PALM))
    rows.append((_WRIST_R, 1, 0.2, 0.9, 3, 17.0, 14.5, PALM))
    rows.append((_HEEL, _HYPO_A, 0.0, 1.0, 3, 15.0, 13.5, PALM))
    # As thick as the heel of the hand at the wrist, so that there is no step, and full between its two bones.
    for wrist, elbow in ((_WRIST_R, _ELBOW_R), (_WRIST_U, _ELBOW_U), (0, _ELBOW)):
        rows.append((wrist, elbow, 0.0, 0.18, 6, 15.0, 40.0, FOREARM))
        rows.append((wrist, elbow, 0.18, 1.0, 18, 16.7, 32.0, FOREARM))
    rows.append((_ELBOW, _SHOULDER, 0.0, 1.0, 12, 38.0, 46.0, FOREARM))
    return rows


@dataclass(frozen=True)
class Spheres:
    """centers (N, S, 3) mm, radii (N, S) mm, bone (S,), along (S,) distance from the bone's start / its length.

    axis (N, S, 3): unit direction of the row a sphere belongs to; ends (S, 2): how far its normals may lean back and
    forth along it: (0, 0) inside a row, which makes the row a smooth tube, (-1, 0) and (0, 1) at its round ends.
    """

    centers: Tensor
    radii: Tensor
    bone: Tensor
    along: Tensor
    axis: Tensor
    ends: Tensor


def hand_spheres(hands: Hands3D, shoulder: Tensor) -> Spheres:
    """Cover N hands with spheres. shoulder (N, 3): where the upper arm ends, mm, relative to the wrist."""
    joints = hands.joints
    ulnar = joints[:, 17] - joints[:, 5]
    ulnar = ulnar / ulnar.norm(dim=-1, keepdim=True)
    along, back = hands.along[:, PALM], hands.back[:, PALM]
    wrist = joints[:, 0]
    thumb_mid = (joints[:, 1] + joints[:, 2]) / 2
    extra = [
        hands.elbow, wrist - 11 * ulnar, wrist + 11 * ulnar, hands.elbow - 15 * ulnar, hands.elbow + 15 * ulnar,
        (joints[:, 1] + joints[:, 2] + joints[:, 5] * 0.55) / 3 - back * 7, joints[:, 5] * 0.6,
        wrist + 15 * ulnar + 18 * along - 5 * back, joints[:, 17] * 0.82 + 3 * ulnar - 4 * back,
        *((joints[:, k] + joints[:, k + 4]) / 2 for k in (5, 9, 13)),
        *(joints[:, k] * 0.72 + joints[:, k + 1] * 0.28 for k in (5, 9, 13, 17)),
        wrist + 12 * along - 4 * back, shoulder, thumb_mid,
    ]  # fmt: skip
    points = torch.stack([*joints.unbind(1), *extra], 1)
    table = _segments()
    device = joints.device
    first = torch.tensor([row[0] for row in table for _ in range(row[4])], device=device)
    last = torch.tensor([row[1] for row in table for _ in range(row[4])], device=device)
    steps = [row[2] + (row[3] - row[2]) * i / (row[4] - 1) for row in table for i in range(row[4])]
    radii = [
        row[5] + (row[6] - row[5]) * (row[2] + (row[3] - row[2]) * i / (row[4] - 1))
        for row in table
        for i in range(row[4])
    ]
    bone = torch.tensor([row[7] for row in table for _ in range(row[4])], device=device)
    t = torch.tensor(steps, device=device)[:, None]
    centers = points[:, first] * (1 - t) + points[:, last] * t
    radius = torch.tensor(radii, device=device) * hands.thickness[:, None]
    # The arm's spheres of the last segment lie beyond the elbow.
    upper = torch.tensor([float(row[1] == _SHOULDER) for row in table for _ in range(row[4])], device=device)
    axis = torch.nn.functional.normalize(points[:, last] - points[:, first], dim=-1)
    ends = torch.tensor(
        [(-float(i == 0), float(i == row[4] - 1)) for row in table for i in range(row[4])], device=device
    )
    return Spheres(centers, radius, bone, t[:, 0] + upper, axis, ends)


@dataclass(frozen=True)
class Buffers:
    """What each pixel of B images of H x W sees, flattened to (B*H*W,).

    depth: mm, 1e6 where empty; coverage: 0 to 1; winner: index of the nearest sphere, -1 where empty;
    normal (B*H*W, 3): unit, camera frame (pointing at the camera: negative z).
    """

    depth: Tensor
    coverage: Tensor
    winner: Tensor
    normal: Tensor


def splat(center_px: Tensor, radius_px: Tensor, depth: Tensor, radius: Tensor, axis: Tensor, ends: Tensor,
          image_index: Tensor, shape: tuple[int, int, int]) -> Buffers:  # fmt: skip
    """Draw M spheres into B images.

    center_px (M, 2) x, y; radius_px (M,); depth (M,) of the centre and radius (M,), mm; axis (M, 3) and ends (M, 2):
    see `Spheres`, a zero axis leaves a sphere round; image_index (M,): which image each is in;
    shape (B, H, W). A pixel's centre lies at its integer coordinates.
    """
    _, height, width = shape
    device = center_px.device
    total = shape[0] * height * width
    need = 2 * radius_px + 2.5
    inside = (center_px[:, 0] + radius_px > -1) & (center_px[:, 0] - radius_px < width)
    inside &= (center_px[:, 1] + radius_px > -1) & (center_px[:, 1] - radius_px < height)
    # One slot more than there are pixels takes what falls outside.
    front = torch.full((total + 1,), _FAR_MM, device=device)
    coverage = torch.zeros(total + 1, device=device)
    patches = []
    before = 0.0
    for size in _PATCHES:
        fits = inside & (need > before) & ((need <= size) | (size == _PATCHES[-1]))
        chosen = torch.nonzero(fits)[:, 0]
        before = float(size)
        if not chosen.numel():
            continue
        pixel, dx, dy = _patch(center_px[chosen], image_index[chosen], size, shape)
        inverse = 1 / radius_px[chosen]
        dx, dy = dx * inverse[:, None], dy * inverse[:, None]
        squared = (dy.square()[:, :, None] + dx.square()[:, None, :]).flatten(1)
        cover = torch.addcmul(radius_px[chosen, None] + 0.5, squared.sqrt(), -radius_px[chosen, None]).clamp_(0, 1)
        bulge = (1 - squared).clamp_(min=0).sqrt_()
        # A rim pixel that is hardly covered must not hide what is fully covered behind it.
        near = torch.addcmul(depth[chosen, None], bulge, -radius[chosen, None])
        rank = near + (cover < 0.5) * _RIM_MM + (cover <= 0) * _FAR_MM
        pixel = pixel.flatten(1)
        coverage.scatter_reduce_(0, pixel.flatten(), cover.flatten(), "amax")
        front.scatter_reduce_(0, pixel.flatten(), rank.flatten(), "amin")
        patches.append((chosen, pixel, rank, cover, bulge, dx, dy))
    front[-1] = -_FAR_MM
    summed, winner = _blend(patches, front, radius, axis, ends)
    mean_depth = summed[:, 1] / summed[:, 0].clamp(min=1e-6)
    mean_depth = torch.where(winner >= 0, mean_depth, front[:-1])
    normal = summed[:, 2:]
    normal = normal / normal.norm(dim=1, keepdim=True).clamp(min=1e-6)
    return Buffers(mean_depth, coverage[:-1], winner, normal)


def _blend(
    patches: Sequence[tuple[Tensor, ...]], front: Tensor, radius: Tensor, axis: Tensor, ends: Tensor
) -> tuple[Tensor, Tensor]:
    """Weighted sums (B*H*W, 5) of weight, depth and normal near the front of each pixel, and the nearest spheres."""
    total, device = len(front) - 1, front.device
    rows, pixels, owners = [], [], []
    for chosen, pixel, rank, cover, bulge, dx, dy in patches:
        blend = _BLEND_MM + _BLEND_PER_RADIUS * radius[chosen]
        behind = (rank - front[pixel]) / blend[:, None]
        sphere, spot = torch.nonzero(behind < 4.0, as_tuple=True)
        weight = (-behind[sphere, spot]).exp_() * cover[sphere, spot]
        size = dx.shape[1]
        line = torch.div(spot, size, rounding_mode="floor")
        x, y = dx[sphere, spot - line * size], dy[sphere, line]
        owner = chosen[sphere]
        direction = torch.stack([x, y, -bulge[sphere, spot]], 1)
        row, limit = axis[owner], ends[owner]
        lean = (direction * row).sum(1)
        direction = direction + row * (torch.minimum(torch.maximum(lean, limit[:, 0]), limit[:, 1]) - lean)[:, None]
        rows.append(
            torch.cat([weight[:, None], (weight * rank[sphere, spot])[:, None], direction * weight[:, None]], 1)
        )
        pixels.append(pixel[sphere, spot])
        owners.append(torch.where(behind[sphere, spot] <= 0, owner, torch.full_like(owner, -1)))
    winner = torch.full((total,), -1, dtype=torch.int64, device=device)
    summed = torch.zeros(total, 5, device=device)
    if rows:
        pixel = torch.cat(pixels)
        winner.scatter_reduce_(0, pixel, torch.cat(owners), "amax")
        summed.index_add_(0, pixel, torch.cat(rows))
    return summed, winner


def _patch(
    center_px: Tensor, image_index: Tensor, size: int, shape: tuple[int, int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Flat pixel indices (M, size, size) around each centre and offsets dx, dy (M, size) from it, px."""
    count, height, width = shape
    offset = torch.arange(size, device=center_px.device)
    corner = (center_px - (size - 1) / 2).ceil().long()
    x, y = corner[:, 0, None] + offset, corner[:, 1, None] + offset
    outside = ((y < 0) | (y >= height))[:, :, None] | ((x < 0) | (x >= width))[:, None, :]
    pixel = ((image_index[:, None] * height + y) * width)[:, :, None] + x[:, None, :]
    return pixel.masked_fill_(outside, count * height * width), x - center_px[:, :1], y - center_px[:, 1:]
