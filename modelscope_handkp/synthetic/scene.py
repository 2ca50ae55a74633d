"""Hands in pictures: places posed hands, hangs things in them, lights them, and takes the photograph.

`render_crops` gives batches as a keypoint network sees them, `render_batch` whole pictures with any number of hands,
`render_image` one such picture as OpenCV would have read it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .background import backgrounds
from .camera import photograph
from .levels import Level, get_level
from .objects import held_things, occluders
from .paint import skin_tones
from .rng import Rng
from .shading import Light, Looks, find_spots, sample_light, sample_looks, shade
from .skeleton import FOREARM, PALM, Hands3D, sample_hands
from .surface import OBJECT, SKIN, SLEEVE, Buffers, Spheres, hand_spheres, splat

PADDING = 1.25
OUTSIDE, HIDDEN, VISIBLE = 0.0, 1.0, 2.0
_HIDDEN_BEHIND_MM = 24.0
LEAST_SHOWN = 0.25  # of a hand's joints; people do not annotate what shows less
_CLEAR, _TRIES = 0.9, 16  # of a hand's joints: nothing covers it; drawings of a picture until that is so
_LAYER_MM = 3000.0
_UPPER_ARM_MM = 300.0
_NEAREST_MM = 60.0


@dataclass(frozen=True)
class Rendered:
    """A batch of pictures and its annotations, in pixels of the pictures.

    images (B, 3, H, W) float, sRGB in 0..1, channels R, G, B; keypoints (N, 21, 3): x, y and 0 outside the picture,
    1 hidden, 2 visible; boxes (N, 4) xyxy around the hand from wrist to finger tips, clipped; picture (N,) index;
    shown (N,) share of the joints that are inside with nothing but the hand itself before them; is_left (N,);
    pose (N,) index into skeleton.POSE_NAMES.
    """

    images: Tensor
    keypoints: Tensor
    boxes: Tensor
    picture: Tensor
    shown: Tensor
    is_left: Tensor
    pose: Tensor


@dataclass(frozen=True)
class _Cloud:
    """All spheres of a batch: centers (M, 3) and radii (M,) mm, owner (M,) hand, bone, material (M,), color (M, 3) of
    objects, axis (M, 3) and ends (M, 2) as in surface.Spheres."""

    centers: Tensor
    radii: Tensor
    owner: Tensor
    bone: Tensor
    material: Tensor
    color: Tensor
    axis: Tensor
    ends: Tensor


_Table = TypeVar("_Table", Rendered, _Cloud)


@dataclass(frozen=True)
class _Cameras:
    """A pinhole camera for each of N hands: offset (N, 3) mm from hand to camera space, scale (N,) px at a depth of
    1 mm, principal point (N, 2) px; boxes (N, 4) xyxy px of the hands seen through them."""

    offset: Tensor
    scale: Tensor
    principal: Tensor
    boxes: Tensor


def _rows(table: _Table, keep: Tensor | slice) -> _Table:
    """Only these hands of a batch, all pictures stay; or only these spheres of a cloud."""
    names = [field.name for field in fields(table) if field.name != "images"]
    return replace(table, **{name: getattr(table, name)[keep] for name in names})


def render(rng: Rng, level: Level, size: tuple[int, int], pictures: int, picture: Tensor, target: Tensor,
           extent: Tensor, resolution: Tensor | None = None) -> Rendered:  # fmt: skip
    """Render N hands into B pictures.

    size (width, height) px; picture (N,) which picture each hand is in, later hands in front; target (N, 2) centre
    of the hand's box, px; extent (N,) long side of its box, px; resolution (B,): see camera.photograph.
    """
    width, height = size
    shape = (pictures, height, width)
    tones = skin_tones(rng, pictures)
    light = sample_light(rng, pictures, level.light)
    scenery = backgrounds(rng, pictures, height, width, level.clutter, light.direction, tones)
    tint = (light.sky + light.key * 0.7) * rng.uniform(0.6, 1.3, pictures, 1)
    scenery = scenery * tint[:, :, None, None].clamp(0.02, 1.6)
    if not len(picture):
        empty = torch.zeros(0, device=rng.device)
        images = photograph(rng, scenery, level.camera, resolution)
        points, boxes = empty.reshape(0, 21, 3), empty.reshape(0, 4)
        return Rendered(images, points, boxes, empty.long(), empty, empty.bool(), empty.long())

    hands = sample_hands(rng, len(picture), level.pose)
    arm = F.normalize(hands.elbow, dim=1) + rng.normal(0.7, len(picture), 3)
    spheres = hand_spheres(hands, hands.elbow + F.normalize(arm, dim=1) * _UPPER_ARM_MM)
    own_tone = torch.where(rng.chance(0.15, len(picture), 1), skin_tones(rng, len(picture)), tones[picture])
    looks = sample_looks(rng, len(picture), level.dress, own_tone)
    cameras = _look_at(rng, hands, spheres, target, extent)
    cloud = _gather(rng, level, hands, spheres, looks)
    centers = cloud.centers + cameras.offset[cloud.owner]
    near = torch.nonzero(centers[:, 2] - cloud.radii > _NEAREST_MM)[:, 0]
    cloud, centers = _rows(cloud, near), centers[near]

    z, scale = centers[:, 2], cameras.scale[cloud.owner]
    pixel = centers[:, :2] / z[:, None] * scale[:, None] + cameras.principal[cloud.owner]
    layer = _layers(picture)
    buffers = splat(pixel, cloud.radii / z * scale, z + layer[cloud.owner], cloud.radii, cloud.axis, cloud.ends,
                    picture[cloud.owner], shape)  # fmt: skip
    buffers = _flatten_layers(buffers, layer, cloud.owner)
    spots = find_spots(buffers, _frames(hands, cameras.offset), cloud.owner, cloud.bone, cloud.material,
                       torch.cat([cameras.scale[:, None], cameras.principal], 1), picture, shape)  # fmt: skip
    flesh = shade(buffers, spots, light, looks, cloud.color, shape)
    flesh = flesh.reshape(pictures, height, width, 3).permute(0, 3, 1, 2)
    cover = buffers.coverage.reshape(pictures, 1, height, width)
    scenery = _cast_on_wall(rng, scenery, cover, light)
    images = photograph(rng, scenery + (flesh - scenery) * cover, level.camera, resolution)

    joints = hands.joints + cameras.offset[:, None]
    points = joints[..., :2] / joints[..., 2:] * cameras.scale[:, None, None] + cameras.principal[:, None]
    state, shown = _visibility(points, joints[..., 2], buffers, cloud, picture, shape)
    limit = torch.tensor([width, height, width, height], device=rng.device, dtype=torch.float32)
    boxes = torch.minimum(cameras.boxes.clamp(min=0), limit)
    keypoints = torch.cat([points, state[..., None]], -1)
    return Rendered(images, keypoints, boxes, picture, shown, hands.is_left, hands.pose)


def _gather(rng: Rng, level: Level, hands: Hands3D, spheres: Spheres, looks: Looks) -> _Cloud:
    """The hands' own spheres, sleeves drawn over them, and the things they hold or hide behind."""
    count, per_hand = spheres.radii.shape
    everyone = torch.arange(count, device=rng.device)
    owner = everyone.repeat_interleave(per_hand)
    bone = spheres.bone.repeat(count)
    sleeved = (bone == FOREARM) & (spheres.along.repeat(count) >= looks.sleeve_from[owner])
    material = torch.where(sleeved, torch.full_like(bone, SLEEVE), torch.full_like(bone, SKIN))
    loose = rng.uniform(1.04, 1.35, count)
    radii = torch.where(sleeved, spheres.radii.flatten() * loose[owner] + 2, spheres.radii.flatten())
    centers, axis = spheres.centers.reshape(-1, 3), spheres.axis.reshape(-1, 3)
    parts = [(centers, radii, owner, bone, material, torch.zeros_like(centers), axis, spheres.ends.repeat(count, 1))]
    things = held_things(rng, hands.joints, hands.back[:, PALM], everyone[rng.chance(level.held, count)])
    things += occluders(rng, hands.joints, everyone[rng.chance(level.occlusion, count)])
    for thing in things:
        kind, place = torch.full_like(thing.hand, OBJECT), torch.full_like(thing.hand, FOREARM)
        ends = torch.zeros_like(thing.axis[:, :2])
        parts.append((thing.centers, thing.radii, thing.hand, place, kind, thing.color, thing.axis, ends))
    return _Cloud(*(torch.cat(column) for column in zip(*parts)))


def _look_at(rng: Rng, hands: Hands3D, spheres: Spheres, target: Tensor, extent: Tensor) -> _Cameras:
    """Cameras at any distance, each scaled and moved so that the hand's box lands where it should."""
    middle = hands.joints.mean(1)
    distance = rng.log_uniform(330, 1600, len(target))
    offset = torch.stack([-middle[:, 0], -middle[:, 1], distance - middle[:, 2]], 1)
    body = (spheres.bone != FOREARM).nonzero()[:, 0]
    placed = spheres.centers[:, body] + offset[:, None]
    spread = (spheres.radii[:, body] / placed[..., 2])[..., None]
    flat = placed[..., :2] / placed[..., 2:]
    low, high = (flat - spread).amin(1), (flat + spread).amax(1)
    scale = extent / (high - low).amax(1)
    principal = target - (high + low) / 2 * scale[:, None]
    boxes = torch.cat([low, high], 1) * scale[:, None] + principal.repeat(1, 2)
    return _Cameras(offset, scale, principal, boxes)


def _frames(hands: Hands3D, offset: Tensor) -> Tensor:
    """(N * 22, 13): where each bone starts in camera space, its direction, back, side and length."""
    side = torch.cross(hands.along, hands.back, dim=-1)
    columns = [hands.start + offset[:, None], hands.along, hands.back, side, hands.length[..., None]]
    return torch.cat(columns, -1).flatten(0, 1)


def _layers(picture: Tensor) -> Tensor:
    """Depth (N,) added to each hand, mm: within a picture whole hands lie in front of those before them."""
    rank = torch.zeros(len(picture), device=picture.device)
    everyone = torch.arange(len(picture), device=picture.device)
    for index in range(1, int(torch.bincount(picture).max())):
        rank = rank + (everyone >= index) * (torch.roll(picture, index) == picture)
    return -rank * _LAYER_MM


def _flatten_layers(buffers: Buffers, layer: Tensor, owner: Tensor) -> Buffers:
    """Depths in each hand's own space again."""
    filled = buffers.winner >= 0
    shift = layer[owner[buffers.winner.clamp(min=0)]]
    depth = torch.where(filled, buffers.depth - shift, buffers.depth)
    return Buffers(depth, buffers.coverage, buffers.winner, buffers.normal)


def _cast_on_wall(rng: Rng, scenery: Tensor, cover: Tensor, light: Light) -> Tensor:
    """The hands' shadow on what is behind them, for the pictures that have a wall near."""
    count, _, height, width = scenery.shape
    near = rng.chance(0.4, count).float() * light.shadow
    step = -light.direction[:, :2] * rng.uniform(0.02, 0.35, count, 1)
    theta = torch.zeros(count, 2, 3, device=scenery.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1.0
    theta[:, :, 2] = -step
    sampler = F.affine_grid(theta, [count, 1, height // 2, width // 2], align_corners=False)
    shadow = F.grid_sample(cover, sampler, align_corners=False)
    shadow = F.avg_pool2d(shadow, 5, 1, 2)
    shadow = F.interpolate(shadow, size=(height, width), mode="bilinear", align_corners=False)
    return scenery * (1 - 0.75 * near[:, None, None, None] * shadow)


def _visibility(
    points: Tensor, depth: Tensor, buffers: Buffers, cloud: _Cloud, picture: Tensor, shape: tuple[int, int, int]
) -> tuple[Tensor, Tensor]:
    """OUTSIDE, HIDDEN or VISIBLE (N, 21), what the pixel under each joint shows, and `Rendered.shown` (N,)."""
    _, height, width = shape
    x, y = points[..., 0].round().long(), points[..., 1].round().long()
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    place = (picture[:, None] * height + y.clamp(0, height - 1)) * width + x.clamp(0, width - 1)
    winner = buffers.winner[place]
    front, empty = winner.clamp(min=0), winner < 0
    own = cloud.owner[front] == torch.arange(len(points), device=points.device)[:, None]
    near = buffers.depth[place] > depth - _HIDDEN_BEHIND_MM
    state = torch.where(empty | (own & near), torch.full_like(depth, VISIBLE), torch.full_like(depth, HIDDEN))
    of_hand = (cloud.material[front] != OBJECT) & (near | (cloud.bone[front] != FOREARM))
    shown = inside & (empty | (own & of_hand))
    return torch.where(inside, state, torch.full_like(depth, OUTSIDE)), shown.float().mean(1)


def render_crops(rng: Rng, count: int, size: int = 128, level: str | Level = "medium", jitter: float = 1.0) -> Rendered:
    """`count` square crops with one hand each (sometimes a second one near it), as a detector's boxes would cut them.

    Hand i is the one to find in picture i. The hand's box fills 1 / 1.25 of the crop; `jitter` 1 moves and scales
    it as a careless detector would, 0 leaves it exact. Values as in `Rendered`.
    """
    level = get_level(level)
    fill = size / PADDING
    extent = fill * (rng.normal(0.13 * jitter, count)).exp().clamp(0.65, 1.4)
    middle = (size - 1) / 2 + rng.normal(0.055 * jitter * size, count, 2)
    also = torch.nonzero(rng.chance(0.16 * level.clutter, count))[:, 0]
    side = rng.uniform(0, 6.2832, len(also))
    away = torch.stack([side.cos(), side.sin()], 1) * fill * rng.uniform(0.4, 0.9, len(also), 1)
    picture = torch.cat([also, torch.arange(count, device=rng.device)])
    target = torch.cat([middle[also] + away, middle])
    extents = torch.cat([extent[also] * rng.uniform(0.7, 1.2, len(also)), extent])
    natural = rng.log_uniform(max(level.hand_px[0], 16.0), 260, count)
    resolution = (natural / fill).clamp(max=1.0) if level.camera > 0 else None
    full = render(rng, level, (size, size), count, picture, target, extents, resolution)
    return _rows(full, slice(len(also), None))


def _scatter_hands(rng: Rng, level: Level, size: tuple[int, int], amounts: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Places and sizes of `amounts[i]` hands in picture i, kept apart where there is room."""
    width, height = size
    largest = min(level.hand_px[1], 0.85 * min(width, height))
    smallest = min(level.hand_px[0], largest * 0.9)
    pictures, targets, extents = [], [], []
    for index, amount in enumerate(amounts):
        taken: list[tuple[float, float, float]] = []
        ceiling = largest / max(1.0, (amount * 0.55) ** 0.5)
        for extent in rng.log_uniform(smallest, max(ceiling, smallest * 1.1), amount).tolist() if amount else []:
            tries = rng.uniform(0, 1, 8, 2).tolist()
            best, best_gap = (width / 2, height / 2), -1e9
            for u, v in tries:
                x, y = extent * 0.4 + u * (width - extent * 0.8), extent * 0.4 + v * (height - extent * 0.8)
                gap = min([max(abs(x - a), abs(y - b)) - (extent + c) / 2 for a, b, c in taken], default=1e9)
                if gap > best_gap:
                    best, best_gap = (x, y), gap
                if gap > 0:
                    break
            taken.append((*best, extent))
        for x, y, extent in taken:
            pictures.append(index)
            targets.append((x, y))
            extents.append(extent)
    device = rng.device
    places = torch.tensor(targets, device=device).reshape(-1, 2)
    return torch.tensor(pictures, dtype=torch.int64, device=device), places, torch.tensor(extents, device=device)


def render_batch(
    rng: Rng, amounts: list[int], size: tuple[int, int] = (320, 320), level: str | Level = "medium"
) -> Rendered:
    """Whole pictures with `amounts[i]` hands in picture i; size (width, height) px.

    Hands of which less than a quarter shows, behind others or things, are drawn and not annotated.
    """
    level = get_level(level)
    picture, target, extent = _scatter_hands(rng, level, size, amounts)
    result = render(rng, level, size, len(amounts), picture, target, extent)
    return _rows(result, result.shown >= LEAST_SHOWN)


def render_image(
    seed: int, size: tuple[int, int] = (640, 480), hands: int = 1, level: str | Level = "medium"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One picture: image (H, W, 3) uint8 BGR, keypoints (N, 21, 3) x, y px and 0, 1 or 2 as in `Rendered`, boxes
    (N, 4) xyxy px; N is `hands`, or less where some do not show (`render_batch`).

    size (width, height) px. Same seed, same picture. At a level without occlusion hands and arms do not cover one
    another, either, if there is room.
    """
    rng, level = Rng(seed), get_level(level)
    with torch.no_grad():
        for _ in range(_TRIES if hands > 1 and not level.occlusion else 1):
            result = render_batch(rng, [hands], size, level)
            if len(result.shown) == hands and (result.shown >= _CLEAR).all():
                break
    image = to_bgr(result.images)[0]
    return image, result.keypoints.numpy(), result.boxes.numpy()


def to_bgr(images: Tensor) -> np.ndarray:
    """(B, 3, H, W) RGB in 0..1 -> (B, H, W, 3) uint8 BGR."""
    scaled: np.ndarray = (images.flip(1).permute(0, 2, 3, 1) * 255 + 0.5).to(torch.uint8).contiguous().cpu().numpy()
    return scaled
