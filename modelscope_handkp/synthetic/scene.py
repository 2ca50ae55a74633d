"""One scene: poses hands, hangs objects on them, places them in images, lights them and takes the image.

`batches.py` decides where hands go; here N hands at given places become B images and their annotations.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional as F

from .appearance import Light, Looks, sample_light, sample_looks
from .background import backgrounds
from .camera import capture
from .figures import sample_gesture_hands, sample_hands
from .kinematics import FOREARM, PALM, Hands3D
from .levels import Level
from .objects import held_things, occluders
from .paint import skin_tones, to_linear
from .rng import Rng
from .shading import find_spots, shade
from .surface import OBJECT, SKIN, SLEEVE, Buffers, Spheres, hand_spheres, splat

OUTSIDE, HIDDEN, VISIBLE = 0.0, 1.0, 2.0  # states of a keypoint
_HIDDEN_BEHIND_MM = 24.0  # a joint lies at most this deep under the skin that shows it
_LAYER_MM = 3000.0
_UPPER_ARM_MM = 300.0
_NEAREST_MM = 60.0  # what is closer to the camera is not drawn


@dataclass(frozen=True)
class Rendered:
    """A batch of B images and the annotations of their N hands, in pixels of the images.

    images (B, 3, H, W) float, sRGB in 0..1, channels R, G, B; keypoints (N, 21, 3): x, y and 0 outside the image,
    1 hidden, 2 visible; boxes (N, 4) xyxy around the hand from wrist to finger tips, clipped; image_index (N,): which
    image a hand is in; shown (N,): share of the joints that are inside with nothing but the hand itself before them;
    is_left (N,) bool; pose (N,) index into POSE_NAMES; joints (N, 21, 3) mm: as in `Hands3D`.
    """

    images: Tensor
    keypoints: Tensor
    boxes: Tensor
    image_index: Tensor
    shown: Tensor
    is_left: Tensor
    pose: Tensor
    joints: Tensor


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
class Layer:
    """N hands and their objects before B images, without what is behind them: flesh (B, 3, H, W) linear RGB, cover
    (B, 1, H, W) from 0 to 1, what each pixel sees and the spheres that it may see."""

    flesh: Tensor
    cover: Tensor
    buffers: Buffers
    cloud: _Cloud


@dataclass(frozen=True)
class Cameras:
    """A pinhole camera for each of N hands: offset (N, 3) mm from hand to camera space, scale (N,) px at a depth of
    1 mm, principal point (N, 2) px; boxes (N, 4) xyxy px of the hands seen through them."""

    offset: Tensor
    scale: Tensor
    principal: Tensor
    boxes: Tensor


def only(table: _Table, keep: Tensor | slice) -> _Table:
    """Only these hands of a batch, all images stay; or only these spheres of a cloud."""
    names = [field.name for field in fields(table) if field.name != "images"]
    return replace(table, **{name: getattr(table, name)[keep] for name in names})


def render(rng: Rng, level: Level, size: tuple[int, int], count: int, image_index: Tensor, target: Tensor,
           extent: Tensor, resolution: Tensor | None = None, backdrops: Tensor | None = None,
           gesture: str | None = None) -> Rendered:  # fmt: skip
    """Render N hands into `count` images.

    size (width, height) px; image_index (N,): which image each hand is in, later hands in front; target (N, 2) centre
    of the hand's box, px; extent (N,) long side of its box, px; resolution (count,): see camera.capture; backdrops
    (count, 3, H, W), sRGB in 0..1: images to show the hands in front of, in place of drawn ones; gesture: one of
    poses.GESTURE_POSES, that all hands show.

    Raises:
        InputError: no gesture has that name.
    """
    width, height = size
    shape = (count, height, width)
    tones = skin_tones(rng, count)
    light = sample_light(rng, count, level.light)
    scenery = draw_scenery(rng, level, shape, light, tones) if backdrops is None else to_linear(backdrops)
    if not len(image_index):
        return without_hands(capture(rng, scenery, level.camera, resolution))

    if gesture is None:
        hands = sample_hands(rng, len(image_index), level.pose)
    else:
        hands = sample_gesture_hands(rng, len(image_index), level.pose, gesture)
    spheres = hand_spheres(hands, sample_shoulders(rng, hands.elbow))
    looks = dress(rng, level, tones[image_index])
    cameras = _look_at(rng, hands, spheres, target, extent)
    layer = draw_hands(gather(rng, level, hands, spheres, looks), hands, looks, cameras, light, image_index, shape)
    scenery = cast_on_wall(rng, scenery, layer.cover, light)
    images = capture(rng, scenery + (layer.flesh - scenery) * layer.cover, level.camera, resolution)
    return annotate(images, layer, hands, cameras, image_index)


def sample_shoulders(rng: Rng, elbow: Tensor) -> Tensor:
    """Where the upper arms (N, 3) of `elbow` (N, 3) end, mm relative to the wrist."""
    arm = F.normalize(elbow, dim=1) + rng.normal(0.7, len(elbow), 3)
    return elbow + F.normalize(arm, dim=1) * _UPPER_ARM_MM


def dress(rng: Rng, level: Level, tones: Tensor) -> Looks:
    """Looks of N hands in images of people with skin `tones` (N, 3); some hands belong to somebody else."""
    count = len(tones)
    other_tone = rng.chance(0.15, count, 1)
    return sample_looks(rng, count, level.dress, torch.where(other_tone, skin_tones(rng, count), tones))


def draw_hands(cloud: _Cloud, hands: Hands3D, looks: Looks, cameras: Cameras, light: Light, image_index: Tensor,
               shape: tuple[int, int, int]) -> Layer:  # fmt: skip
    """Draw the spheres of N hands and their objects (`gather`) into images of `shape` (B, H, W)."""
    count, height, width = shape
    cloud, buffers = _rasterise(cloud, cameras, image_index, shape)
    spots = find_spots(buffers, _frames(hands, cameras.offset), cloud.owner, cloud.bone, cloud.material,
                       torch.cat([cameras.scale[:, None], cameras.principal], 1), image_index, shape)  # fmt: skip
    flesh = shade(buffers, spots, light, looks, cloud.color, shape)
    flesh = flesh.reshape(count, height, width, 3).permute(0, 3, 1, 2)
    return Layer(flesh, buffers.coverage.reshape(count, 1, height, width), buffers, cloud)


def project(hands: Hands3D, cameras: Cameras) -> Tensor:
    """The joints of N hands (N, 21, 3): x, y px and depth mm."""
    joints = hands.joints + cameras.offset[:, None]
    points = joints[..., :2] / joints[..., 2:] * cameras.scale[:, None, None] + cameras.principal[:, None]
    return torch.cat([points, joints[..., 2:]], -1)


def annotate(images: Tensor, layer: Layer, hands: Hands3D, cameras: Cameras, image_index: Tensor) -> Rendered:
    """`images` (B, 3, H, W) that show `layer`, with the annotations of its N hands."""
    count, _, height, width = images.shape
    joints = project(hands, cameras)
    points = joints[..., :2]
    state, shown = _visibility(points, joints[..., 2], layer.buffers, layer.cloud, image_index, (count, height, width))
    limit = torch.tensor([width, height, width, height], device=images.device, dtype=torch.float32)
    boxes = torch.minimum(cameras.boxes.clamp(min=0), limit)
    keypoints = torch.cat([points, state[..., None]], -1)
    return Rendered(images, keypoints, boxes, image_index, shown, hands.is_left, hands.pose, hands.joints)


def draw_scenery(rng: Rng, level: Level, shape: tuple[int, int, int], light: Light, tones: Tensor) -> Tensor:
    """What stands behind the hands, linear RGB (B, 3, H, W), in the light that falls on them."""
    count, height, width = shape
    scenery = backgrounds(rng, count, height, width, level.clutter, light.direction, tones)
    tint = (light.sky + light.key * 0.7) * rng.uniform(0.6, 1.3, count, 1)
    return scenery * tint[:, :, None, None].clamp(0.02, 1.6)


def without_hands(images: Tensor) -> Rendered:
    """`images` (B, 3, H, W) that show no hands."""
    empty = torch.zeros(0, device=images.device)
    points, boxes = empty.reshape(0, 21, 3), empty.reshape(0, 4)
    return Rendered(images, points, boxes, empty.long(), empty, empty.bool(), empty.long(), points)


def _rasterise(
    cloud: _Cloud, cameras: Cameras, image_index: Tensor, shape: tuple[int, int, int]
) -> tuple[_Cloud, Buffers]:
    """The spheres that are far enough from the camera, and what each pixel sees of them."""
    centers = cloud.centers + cameras.offset[cloud.owner]
    far = torch.nonzero(centers[:, 2] - cloud.radii > _NEAREST_MM)[:, 0]
    cloud, centers = only(cloud, far), centers[far]
    z, scale = centers[:, 2], cameras.scale[cloud.owner]
    pixel = centers[:, :2] / z[:, None] * scale[:, None] + cameras.principal[cloud.owner]
    layer = _layers(image_index)
    buffers = splat(pixel, cloud.radii / z * scale, z + layer[cloud.owner], cloud.radii, cloud.axis, cloud.ends,
                    image_index[cloud.owner], shape)  # fmt: skip
    return cloud, _flatten_layers(buffers, layer, cloud.owner)


def gather(rng: Rng, level: Level, hands: Hands3D, spheres: Spheres, looks: Looks) -> _Cloud:
    """The hands' own spheres, sleeves around them, and the objects that they hold or that cover them."""
    count, per_hand = spheres.radii.shape
    everyone = torch.arange(count, device=rng.device)
    owner = everyone.repeat_interleave(per_hand)
    bone = spheres.bone.repeat(count)
    sleeved = (bone == FOREARM) & (spheres.along.repeat(count) >= looks.sleeve_from[owner])
    material = torch.where(sleeved, torch.full_like(bone, SLEEVE), torch.full_like(bone, SKIN))
    width = rng.uniform(1.04, 1.35, count)
    radii = torch.where(sleeved, spheres.radii.flatten() * width[owner] + 2, spheres.radii.flatten())
    centers, axis = spheres.centers.reshape(-1, 3), spheres.axis.reshape(-1, 3)
    parts = [(centers, radii, owner, bone, material, torch.zeros_like(centers), axis, spheres.ends.repeat(count, 1))]
    things = held_things(rng, hands.joints, hands.back[:, PALM], everyone[rng.chance(level.held, count)])
    things += occluders(rng, hands.joints, everyone[rng.chance(level.occlusion, count)])
    for thing in things:
        kind, place = torch.full_like(thing.hand, OBJECT), torch.full_like(thing.hand, FOREARM)
        ends = torch.zeros_like(thing.axis[:, :2])
        parts.append((thing.centers, thing.radii, thing.hand, place, kind, thing.color, thing.axis, ends))
    return _Cloud(*(torch.cat(column) for column in zip(*parts)))


def _look_at(rng: Rng, hands: Hands3D, spheres: Spheres, target: Tensor, extent: Tensor) -> Cameras:
    """Cameras at any distance, placed so that the hands' boxes have centre `target` and long side `extent`, px."""
    middle = hands.joints.mean(1)
    distance = sample_distances(rng, len(target))
    offset = torch.stack([-middle[:, 0], -middle[:, 1], distance - middle[:, 2]], 1)
    low, high = _outline(spheres, offset)
    scale = extent / (high - low).amax(1)
    return look(spheres, offset, scale, target - (high + low) / 2 * scale[:, None])


def sample_distances(rng: Rng, count: int) -> Tensor:
    """Distances (count,) of hands from the camera, mm."""
    return rng.log_uniform(330, 1600, count)


def look(spheres: Spheres, offset: Tensor, scale: Tensor, principal: Tensor) -> Cameras:
    """Cameras of given fields (`Cameras`) and the boxes that they see of N hands."""
    low, high = _outline(spheres, offset)
    boxes = torch.cat([low, high], 1) * scale[:, None] + principal.repeat(1, 2)
    return Cameras(offset, scale, principal, boxes)


def _outline(spheres: Spheres, offset: Tensor) -> tuple[Tensor, Tensor]:
    """Lowest and highest x, y (N, 2) of hands without their forearms, at a depth of 1."""
    body = (spheres.bone != FOREARM).nonzero()[:, 0]
    placed = spheres.centers[:, body] + offset[:, None]
    spread = (spheres.radii[:, body] / placed[..., 2])[..., None]
    flat = placed[..., :2] / placed[..., 2:]
    return (flat - spread).amin(1), (flat + spread).amax(1)


def _frames(hands: Hands3D, offset: Tensor) -> Tensor:
    """(N * 22, 13): where each bone starts in camera space, its direction, back, side and length."""
    side = torch.cross(hands.along, hands.back, dim=-1)
    columns = [hands.start + offset[:, None], hands.along, hands.back, side, hands.length[..., None]]
    return torch.cat(columns, -1).flatten(0, 1)


def _layers(image_index: Tensor) -> Tensor:
    """Depth (N,) added to each hand, mm: within an image whole hands lie in front of those before them."""
    rank = torch.zeros(len(image_index), device=image_index.device)
    everyone = torch.arange(len(image_index), device=image_index.device)
    for index in range(1, int(torch.bincount(image_index).max())):
        rank = rank + (everyone >= index) * (torch.roll(image_index, index) == image_index)
    return -rank * _LAYER_MM


def _flatten_layers(buffers: Buffers, layer: Tensor, owner: Tensor) -> Buffers:
    """Depths in each hand's own space again."""
    filled = buffers.winner >= 0
    shift = layer[owner[buffers.winner.clamp(min=0)]]
    depth = torch.where(filled, buffers.depth - shift, buffers.depth)
    return Buffers(depth, buffers.coverage, buffers.winner, buffers.normal)


def cast_on_wall(rng: Rng, scenery: Tensor, cover: Tensor, light: Light) -> Tensor:
    """Darken `scenery` (B, 3, H, W) by the hands' shadow where a wall is near: some of the images, drawn at random.

    cover (B, 1, H, W): coverage by hands and objects.
    """
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
    points: Tensor, depth: Tensor, buffers: Buffers, cloud: _Cloud, image_index: Tensor, shape: tuple[int, int, int]
) -> tuple[Tensor, Tensor]:
    """OUTSIDE, HIDDEN or VISIBLE (N, 21), by the pixel at each joint, and `Rendered.shown` (N,)."""
    _, height, width = shape
    x, y = points[..., 0].round().long(), points[..., 1].round().long()
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    place = (image_index[:, None] * height + y.clamp(0, height - 1)) * width + x.clamp(0, width - 1)
    winner = buffers.winner[place]
    front, empty = winner.clamp(min=0), winner < 0
    own = cloud.owner[front] == torch.arange(len(points), device=points.device)[:, None]
    near = buffers.depth[place] > depth - _HIDDEN_BEHIND_MM
    state = torch.where(empty | (own & near), torch.full_like(depth, VISIBLE), torch.full_like(depth, HIDDEN))
    of_hand = (cloud.material[front] != OBJECT) & (near | (cloud.bone[front] != FOREARM))
    shown = inside & (empty | (own & of_hand))
    return torch.where(inside, state, torch.full_like(depth, OUTSIDE)), shown.float().mean(1)
