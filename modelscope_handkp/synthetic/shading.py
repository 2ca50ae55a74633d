"""Shading: colour of every covered pixel from its normal, its place on the hand, shadows and occlusion."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .appearance import Light, Looks
from .kinematics import FOREARM, NUM_BONES, PALM
from .surface import OBJECT, SKIN, SLEEVE, Buffers

_SHADOW_STEPS_MM = (5.0, 10.0, 17.0, 26.0, 38.0, 55.0)
_SHADOW_THICKNESS_MM = 70.0  # what lies farther in front of the ray casts no shadow
_SCATTER = (0.28, 0.14, 0.10)  # R, G, B: how far light reaches around skin
_BLUSH = (0.97, 0.80, 0.80)  # R, G, B of reddened skin against other skin
_PALM_FADES = 0.08  # of the forearm, where the palm's colour ends


def _smooth(value: Tensor, sharpness: float) -> Tensor:
    """Rises from 0 to 1 around 0."""
    return torch.sigmoid(value * sharpness)


def _bump(value: Tensor, width: float) -> Tensor:
    """1 at 0, falling to 0 over `width`."""
    return (-(value / width).square()).exp()


def _screen_shadow(depth: Tensor, at: Spots, toward: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """How far (F,), 0 to 1, other surfaces cover the path to the light, marched through the depth buffer.

    depth (B*H*W,) mm; toward (F, 3): unit direction to the light.
    """
    _, height, width = shape
    base = at.pixel - (at.y * width + at.x)
    blocked = torch.zeros_like(at.along)
    for index, step in enumerate(_SHADOW_STEPS_MM):
        moved = at.point + toward * step
        factor = at.scale / moved[:, 2].clamp(min=1.0)
        dx = (moved[:, 0] * factor - at.point[:, 0] * at.scale / at.point[:, 2]).round().long()
        dy = (moved[:, 1] * factor - at.point[:, 1] * at.scale / at.point[:, 2]).round().long()
        place = base + (at.y + dy).clamp(0, height - 1) * width + (at.x + dx).clamp(0, width - 1)
        gap = moved[:, 2] - depth[place]
        hit = (gap / (2.0 + 0.2 * step) - 0.5).clamp(0, 1) * (gap < _SHADOW_THICKNESS_MM)
        blocked = torch.maximum(blocked, hit * (1 - 0.1 * index))
    return blocked


def _occlusion(buffers: Buffers, shape: tuple[int, int, int]) -> Tensor:
    """Ambient light (B*H*W,) left where the surface lies behind its neighbourhood, at two widths."""
    count, height, width = shape
    solid = (buffers.winner >= 0).float().reshape(count, 1, height, width)
    depth = buffers.depth.reshape(count, 1, height, width) * solid
    both = F.avg_pool2d(torch.cat([depth, solid], 1), 2, ceil_mode=True, count_include_pad=False)
    smooth = torch.full((2, 1, 5, 1), 0.2, device=depth.device)
    total = torch.ones_like(both[:, :1])
    own = both[:, :1] / both[:, 1:].clamp(min=1e-3)
    for dilation, strength in ((1, 0.045), (3, 0.02)):
        pad = 2 * dilation
        mean = F.conv2d(both, smooth, padding=(pad, 0), dilation=dilation, groups=2)
        mean = F.conv2d(mean, smooth.transpose(2, 3), padding=(0, pad), dilation=dilation, groups=2)
        behind = (own - mean[:, :1] / mean[:, 1:].clamp(min=1e-3)).clamp(0, 40)
        total = total * (-behind * strength * mean[:, 1:]).exp()
    full = F.interpolate(total, scale_factor=2.0, mode="bilinear", align_corners=False)
    return full[:, :, :height, :width].reshape(-1)


@dataclass(frozen=True)
class Spots:
    """The F covered pixels.

    pixel (F,) flat index; x, y (F,) px; sphere, hand, bone, material, image_index (F,) of what is seen there; point
    (F, 3) mm and normal (F, 3) in camera space; scale (F,) px at a depth of 1 mm; along (F,) place on the bone in its
    length; lengthwise and across (F,) mm; facing (F,): 1 toward the hand's back, -1 toward its palm; local (F, 3) mm
    from the bone's start.
    """

    pixel: Tensor
    x: Tensor
    y: Tensor
    sphere: Tensor
    hand: Tensor
    bone: Tensor
    material: Tensor
    image_index: Tensor
    point: Tensor
    normal: Tensor
    scale: Tensor
    along: Tensor
    lengthwise: Tensor
    across: Tensor
    facing: Tensor
    local: Tensor


def find_spots(buffers: Buffers, frames: Tensor, hand: Tensor, bone: Tensor, material: Tensor, camera: Tensor,
               image_index: Tensor, shape: tuple[int, int, int]) -> Spots:  # fmt: skip
    """Where on which bone each covered pixel lies.

    frames (N * 22, 13): start, along, back, side, length of each hand's bones in camera space, mm; hand, bone,
    material (M,) of each sphere; camera (N, 3): scale, principal point x, y, px, and image_index (N,) of
    each hand; shape (B, H, W).
    """
    _, height, width = shape
    pixel = torch.nonzero(buffers.winner >= 0)[:, 0]
    sphere = buffers.winner[pixel]
    owner, part = hand[sphere], bone[sphere]
    own_image = image_index[owner]
    depth, normal = buffers.depth[pixel], buffers.normal[pixel]
    inside = pixel - own_image * (height * width)
    y = torch.div(inside, width, rounding_mode="floor")
    x = inside - y * width
    scale, cx, cy = camera[owner].unbind(1)
    point = torch.stack([(x - cx) / scale * depth, (y - cy) / scale * depth, depth], 1)
    frame = frames[owner * NUM_BONES + part]
    local = point - frame[:, :3]
    lengthwise, facing = (local * frame[:, 3:6]).sum(1), (normal * frame[:, 6:9]).sum(1)
    across = (local * frame[:, 9:12]).sum(1)
    return Spots(pixel, x, y, sphere, owner, part, material[sphere], own_image, point, normal, scale,
                 lengthwise / frame[:, 12], lengthwise, across, facing, local)  # fmt: skip


def shade(buffers: Buffers, at: Spots, light: Light, looks: Looks, object_color: Tensor,
          shape: tuple[int, int, int]) -> Tensor:  # fmt: skip
    """Linear RGB (B*H*W, 3) of the covered pixels, zero elsewhere.

    object_color (M, 3): linear RGB of each sphere that is an object; shape (B, H, W).
    """
    color, skin_like, nail = _albedo(at, looks, object_color)
    toward, key = light.direction[at.image_index], light.key[at.image_index]
    lit = (at.normal * toward).sum(1, keepdim=True)
    # Light scatters in skin: the edge of its shade is softer in red than in blue.
    wrap = skin_like[:, None] * torch.tensor(_SCATTER, device=color.device)
    diffuse = ((lit + wrap) / (1 + wrap)).clamp(min=0)
    blocked = _screen_shadow(buffers.depth, at, toward, shape)
    open_way = 1 - blocked * light.shadow[at.image_index]
    ambient_left = _occlusion(buffers, shape)[at.pixel]
    up = (0.5 - 0.5 * at.normal[:, 1:2]).clamp(0, 1)
    ambient = light.sky[at.image_index] * up + light.ground[at.image_index] * (1 - up)
    gloss = light.gloss[at.image_index]
    half = F.normalize(toward - F.normalize(at.point, dim=1), dim=1)
    sharpness = 12.0 + 30.0 * gloss + 40.0 * nail
    gleam = ((at.normal * half).sum(1).clamp(min=1e-4).log() * sharpness).exp() * gloss * (1 + 2.5 * nail)
    gleam = gleam * (lit[:, 0] > 0)
    result = color * (key * diffuse * open_way[:, None] + ambient * ambient_left[:, None])
    result = result + key * (gleam * open_way)[:, None]
    # Grazing rims of skin catch a little of the sky.
    rim = (1 + at.normal[:, 2]).clamp(0, 1) ** 3
    result = result + 0.06 * rim[:, None] * ambient * skin_like[:, None]
    shaded = torch.zeros(shape[0] * shape[1] * shape[2], 3, device=color.device)
    shaded[at.pixel] = result
    return shaded


def _albedo(at: Spots, looks: Looks, object_color: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Colour (F, 3) of skin, cloth and objects before lighting; how far (F,) each is skin, and nail (F,)."""
    bare = (~looks.gloved[at.hand]).float()
    wave = looks.texture[at.hand]
    color = _skin(at, looks, bare)
    mottle = _mottle(at.local, wave)
    color = color * (1 + 0.06 * mottle)[:, None]
    distal = (at.bone < PALM) & (at.bone % 4 == 3)
    nail = _smooth(at.facing - 0.62, 14.0) * _smooth(at.along - 0.46, 22.0) * _smooth(1.05 - at.along, 22.0)
    nail = nail * distal * bare
    color = torch.lerp(color, looks.nail[at.hand], nail[:, None] * 0.85)

    band = looks.band[at.hand]
    ring = (at.bone == band[:, 0]) & ((at.along - band[:, 1]).abs() < band[:, 2])
    color = torch.where(ring[:, None], looks.band_color[at.hand], color)
    folds = 1 + 0.12 * (at.along * 40 + wave[:, 3] + 2 * (at.across * 0.05).sin()).sin() * (wave[:, 4] > 2)
    striped = 0.5 + 0.5 * (at.along * 110).sin().sign().clamp(0, 1)
    cloth = folds * torch.where(wave[:, 5] > 5, striped, torch.ones_like(striped))
    color = torch.where((at.material == SLEEVE)[:, None], looks.sleeve[at.hand] * cloth[:, None], color)
    thing = object_color[at.sphere] * (1 + 0.05 * mottle)[:, None]
    color = torch.where((at.material >= OBJECT)[:, None], thing, color)
    return color, ((at.material == SKIN) & ~ring).float() * bare, nail


def _skin(at: Spots, looks: Looks, bare: Tensor) -> Tensor:
    """Skin (F, 3): paler palms, red tips and knuckles, creases of the joints, lines of the palm; `bare` (F,) share."""
    on_finger = at.bone < PALM
    at_wrist = torch.where(at.bone == FOREARM, (1 - at.along / _PALM_FADES).clamp(0, 1), torch.ones_like(at.along))
    palmar = _smooth(-at.facing - 0.15, 5.0) * at_wrist
    color = torch.lerp(looks.skin[at.hand], looks.palm[at.hand], palmar[:, None])
    dorsal = at.facing.clamp(min=0)
    distal = on_finger & (at.bone % 4 == 3)
    red = 0.5 * _smooth(at.along - 0.7, 8.0) * distal + 0.35 * _bump(at.along, 0.22) * dorsal * on_finger
    blush = torch.tensor(_BLUSH, device=color.device)
    color = color * (1 + (blush - 1) * (red * bare * 0.9)[:, None])
    crease = (_bump(at.along - 0.02, 0.04) + _bump(at.along - 0.98, 0.04)) * on_finger * (0.2 - at.facing).clamp(0, 1)
    wrinkle = (_bump(at.along, 0.13) + _bump(at.along - 1, 0.13)) * on_finger * dorsal
    wrinkle = wrinkle * (0.5 + 0.5 * (at.along * 90).sin())
    bow = 0.006 * (at.across - 10).square()
    lines = _bump(at.lengthwise - 72 + bow, 1.3) + _bump(at.lengthwise - 58 - 0.35 * at.across, 1.3)
    lines = lines + _bump(((at.across + 27).square() + (at.lengthwise - 28).square()).sqrt() - 33, 1.4)
    lines = lines * (at.bone == PALM) * (-at.facing).clamp(0, 1)
    return color * (1 - bare * (0.38 * crease + 0.22 * wrinkle + 0.32 * lines).clamp(0, 0.7))[:, None]


def _mottle(local: Tensor, wave: Tensor) -> Tensor:
    """Uneven colour (F,), about -1 to 1, that moves with the hand."""
    x, y, z = local.unbind(1)
    broad = (x * 0.21 + wave[:, 0]).sin() * (y * 0.17 + wave[:, 1]).sin() * (z * 0.19 + wave[:, 2]).sin()
    return broad + 0.6 * (x * 0.7 + wave[:, 3]).sin() * (y * 0.8 + wave[:, 4]).sin()
