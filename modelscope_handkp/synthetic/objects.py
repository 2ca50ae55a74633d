"""Objects that hands hold or are covered by: rods, balls, pens and plates, as spheres like the hand's own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .paint import any_colors
from .rng import Rng


@dataclass(frozen=True)
class Things:
    """Extra spheres of hands: centers (M, 3) and radii (M,) mm in the camera's orientation, wrist at the origin;
    hand (M,) index; color (M, 3) linear RGB; axis (M, 3) unit direction of the row a sphere belongs to."""

    centers: Tensor
    radii: Tensor
    hand: Tensor
    color: Tensor
    axis: Tensor


def rod(rng: Rng, owner: Tensor, start: Tensor, end: Tensor, radius: Tensor, steps: int) -> Things:
    """A rod for each owner (n,), a hand: `steps` spheres of about `radius` (n,) from start to end (n, 3), mm."""
    t = torch.linspace(0, 1, steps, device=rng.device)[None, :, None]
    centers = start[:, None] * (1 - t) + end[:, None] * t
    taper = 1 + rng.normal(0.15, len(owner), 1) * (t[..., 0] - 0.5)
    color = any_colors(rng, len(owner))
    axis = F.normalize(end - start, dim=1).repeat_interleave(steps, 0)
    radii = (radius[:, None] * taper).flatten()
    return Things(
        centers.reshape(-1, 3), radii, owner.repeat_interleave(steps), color.repeat_interleave(steps, 0), axis
    )


def held_things(rng: Rng, joints: Tensor, back: Tensor, chosen: Tensor) -> list[Things]:
    """Bottles, balls, pens and plates (phones, cards, books) in some hands.

    joints (N, 21, 3) mm; back (N, 3): unit normal of the back of each palm; chosen (n,): which of the N hold something.
    """
    if not len(chosen):
        return []
    joints, back = joints[chosen], back[chosen]
    across = F.normalize(joints[:, 17] - joints[:, 5], dim=1)
    palm = joints[:, [0, 5, 9, 13, 17]].mean(1)
    kind = rng.integers(0, 5, len(chosen))
    things = []
    if len(rows := torch.nonzero(kind <= 1)[:, 0]):
        things.append(_bottles(rng, chosen[rows], palm[rows], joints[rows, 9], across[rows], back[rows]))
    if len(rows := torch.nonzero(kind == 2)[:, 0]):
        radius = rng.uniform(18, 55, len(rows))
        middle = palm[rows] - back[rows] * (radius + 10)[:, None] + joints[rows, 9] * 0.35
        things.append(rod(rng, chosen[rows], middle, middle + 1, radius, 2))  # a ball
    if len(rows := torch.nonzero(kind == 3)[:, 0]):
        things.append(_pens(rng, chosen[rows], joints[rows]))
    if len(rows := torch.nonzero(kind == 4)[:, 0]):
        things.append(_plates(rng, chosen[rows], palm[rows], joints[rows, 9], across[rows], back[rows]))
    return things


def _bottles(rng: Rng, owner: Tensor, palm: Tensor, middle: Tensor, across: Tensor, back: Tensor) -> Things:
    """Rods across the palm, which the fingers may close around."""
    count = len(owner)
    radius = rng.uniform(7, 34, count)
    center = palm - back * (radius + 12)[:, None] + across * rng.normal(20, count, 1)
    center = center + F.normalize(middle, dim=1) * rng.uniform(0, 25, count, 1)
    axis = F.normalize(across + rng.normal(0.25, count, 3), dim=1) * rng.uniform(50, 150, count, 1)
    shift = axis * rng.normal(0.3, count, 1)
    return rod(rng, owner, center - axis + shift, center + axis + shift, radius, 32)


def _pens(rng: Rng, owner: Tensor, joints: Tensor) -> Things:
    """Thin rods from the tips of thumb and index past the index's knuckle."""
    count = len(owner)
    tip = (joints[:, 4] + joints[:, 8]) / 2
    axis = F.normalize(tip - joints[:, 5] + rng.normal(25.0, count, 3), dim=1)
    radius = rng.uniform(3, 7, count)
    return rod(rng, owner, tip - axis * 95, tip + axis * rng.uniform(15, 60, count, 1), radius, 40)


def _plates(rng: Rng, owner: Tensor, palm: Tensor, middle: Tensor, across: Tensor, back: Tensor) -> Things:
    """Flat things in front of the palm, as sheets of small spheres."""
    count, columns, rows = len(owner), 12, 22
    first = F.normalize(across + rng.normal(0.3, count, 3), dim=1)
    second = F.normalize(torch.cross(first, back, dim=1) + rng.normal(0.2, count, 3), dim=1)
    center = palm - back * rng.uniform(18, 40, count, 1) + middle * rng.uniform(0.1, 0.6, count, 1)
    width, height = rng.uniform(30, 50, count), rng.uniform(50, 90, count)
    u = torch.linspace(-1, 1, columns, device=rng.device).repeat(rows)
    v = torch.linspace(-1, 1, rows, device=rng.device).repeat_interleave(columns)
    points = (
        center[:, None]
        + first[:, None] * (u * width[:, None])[..., None]
        + second[:, None] * (v * height[:, None])[..., None]
    )
    radius = (torch.maximum(width / columns, height / rows) * 1.3)[:, None].expand(count, columns * rows)
    color = any_colors(rng, count)
    border = ((u.abs() > 0.85) | (v.abs() > 0.9)).float()[None, :, None]
    color = color[:, None] * (1 - border) + any_colors(rng, count)[:, None] * border
    hand, axis = owner.repeat_interleave(columns * rows), first.repeat_interleave(columns * rows, 0)
    return Things(points.reshape(-1, 3), radius.flatten(), hand, color.reshape(-1, 3), axis)


def occluders(rng: Rng, joints: Tensor, chosen: Tensor) -> list[Things]:
    """Rods between the camera and the hands `chosen` (n,) of joints (N, 21, 3), mm."""
    if not len(chosen):
        return []
    middle = joints[chosen].mean(1) + rng.normal(45.0, len(chosen), 3)
    middle[:, 2] = joints[chosen, :, 2].amin(1) - 25.0 - rng.uniform(0, 30, len(chosen))
    axis = F.normalize(rng.normal(1.0, len(chosen), 3) * torch.tensor([1.0, 1.0, 0.2], device=rng.device), dim=1)
    radius = rng.log_uniform(3, 20, len(chosen))
    reach = rng.uniform(30, 260, len(chosen), 1)
    return [rod(rng, chosen, middle - axis * reach, middle + axis * reach, radius, 40)]
