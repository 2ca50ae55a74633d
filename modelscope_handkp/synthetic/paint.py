"""Colours, noise and shapes for batches of images (B, 3, H, W) in linear light, 0..1."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .rng import Rng

_SKIN_SRGB = (
    (255, 224, 204), (243, 205, 178), (233, 187, 155), (219, 168, 134), (200, 145, 110), (172, 117, 84),
    (141, 92, 64), (110, 70, 50), (82, 52, 39), (60, 40, 33),
)  # fmt: skip
_AMBIENT, _KEY = 0.35, 0.75  # brightness of a shape everywhere, and what is added where it faces the light


def to_linear(srgb: Tensor) -> Tensor:
    """sRGB in 0..1 -> linear light, with the power 2.2 for the curve."""
    return srgb.clamp(min=0) ** 2.2


def to_srgb(linear: Tensor) -> Tensor:
    """Linear light -> sRGB, the inverse of `to_linear`."""
    return linear.clamp(min=1e-6) ** (1 / 2.2)


def skin_tones(rng: Rng, count: int) -> Tensor:
    """Linear RGB (count, 3), from pale to dark, with slight changes of hue and brightness."""
    table = torch.tensor(_SKIN_SRGB, device=rng.device) / 255
    place = rng.uniform(0, len(_SKIN_SRGB) - 1.001, count)
    low = place.long()
    tone = torch.lerp(table[low], table[low + 1], (place - low)[:, None])
    tone = tone * (1 + rng.normal(0.03, count, 3)) * (1 + rng.normal(0.06, count, 1))
    return to_linear(tone.clamp(0.02, 1.0))


def any_colors(rng: Rng, count: int) -> Tensor:
    """Linear RGB (count, 3): greys, muted and some vivid colours, dark ones as likely as bright."""
    value = rng.uniform(0.03, 1.0, count, 1)
    saturation = rng.uniform(0, 1, count, 1) ** 2.0
    hue = rng.uniform(0, 1, count, 3)
    return to_linear(value * (1 - saturation * hue))


def noise(rng: Rng, count: int, channels: int, height: int, width: int, cells: int) -> Tensor:
    """Smooth noise (count, channels, height, width), roughly standard normal, `cells` across the longer side."""
    rows, columns = max(2, cells * height // max(height, width)), max(2, cells * width // max(height, width))
    coarse = rng.normal(1.0, count, channels, rows + 1, columns + 1)
    return F.interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)


def grid(count: int, height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """x, y (1, H, W) from -1 to 1 along the longer side."""
    longest = max(height, width) / 2
    y = (torch.arange(height, device=device) - (height - 1) / 2) / longest
    x = (torch.arange(width, device=device) - (width - 1) / 2) / longest
    return x[None, None, :].expand(1, height, width), y[None, :, None].expand(1, height, width)


def paint(images: Tensor, index: Tensor, mask: Tensor, color: Tensor) -> None:
    """Blend `color` (n, 3, H, W or 1, 1) into rows `index` of `images` by `mask` (n, H, W) in 0..1, in place."""
    part = images[index]
    images[index] = part + (color - part) * mask[:, None]


def ellipse(
    x: Tensor, y: Tensor, cx: Tensor, cy: Tensor, rx: Tensor, ry: Tensor, angle: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates u, v (n, H, W) along the axes of ellipses, 1 at the rim, and the implicit value, 1 at the rim.

    x, y (1, H, W): see `grid`; centre cx, cy, radii rx, ry and angle (radians): (n,).
    """
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    dx, dy = x - cx[:, None, None], y - cy[:, None, None]
    u = (dx * cos + dy * sin) / rx[:, None, None]
    v = (dy * cos - dx * sin) / ry[:, None, None]
    return u, v, u.square() + v.square()


def soft(value: Tensor, sharpness: Tensor) -> Tensor:
    """Mask (n, H, W): 0 at the rim and outside (`value` 1 and more), rising to 1 inside by `sharpness` (n,)."""
    return ((1 - value) * sharpness[:, None, None]).clamp(0, 1)


def solid(u: Tensor, v: Tensor, value: Tensor, light: Tensor, angle: Tensor) -> Tensor:
    """Brightness (n, H, W) of an ellipsoid with rim coordinates u, v under `light` (n, 3)."""
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    lx = light[:, :1] * cos + light[:, 1:2] * sin
    ly = light[:, 1:2] * cos - light[:, :1] * sin
    depth = (1 - value).clamp(min=0).sqrt()
    dot = u * lx[..., None] + v * ly[..., None] - depth * light[:, 2, None, None]
    return _AMBIENT + _KEY * dot.clamp(min=0)


def lit(right: Tensor, down: Tensor, light: Tensor) -> Tensor:
    """Brightness (n, H, W) of a surface that comes nearer by `right` and `down` (n, H, W), under `light` (n, 3)."""
    normal = torch.stack([-right, -down, torch.ones_like(right)], 1)
    normal = normal / normal.norm(dim=1, keepdim=True)
    toward = light * torch.tensor([1.0, 1.0, -1.0], device=light.device)  # its z points away from the camera
    brightness: Tensor = _AMBIENT + _KEY * (normal * toward[:, :, None, None]).sum(1).clamp(min=0)
    return brightness
