"""What stands behind the hands: gradients, noise, stripes, shapes, and skin-coloured things (faces, bodies, wood).

Everything is drawn on batches (B, 3, H, W) of linear light in 0..1, with shapes shaded like solid bodies, so that
neither colour nor shading alone tells a hand from what is behind it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .rng import Rng

_SKIN_SRGB = (
    (255, 224, 204), (243, 205, 178), (233, 187, 155), (219, 168, 134), (200, 145, 110), (172, 117, 84),
    (141, 92, 64), (110, 70, 50), (82, 52, 39), (60, 40, 33),
)  # fmt: skip


_PIECES = 30


def to_linear(srgb: Tensor) -> Tensor:
    """sRGB in 0..1 -> linear light, by the power that stands for the curve (2.2)."""
    return srgb.clamp(min=0) ** 2.2


def to_srgb(linear: Tensor) -> Tensor:
    return linear.clamp(min=1e-6) ** (1 / 2.2)


def skin_tones(rng: Rng, count: int) -> Tensor:
    """Linear RGB (count, 3), from pale to dark, with a little freedom in hue and brightness."""
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


def _paint(picture: Tensor, index: Tensor, mask: Tensor, color: Tensor) -> None:
    """Blend `color` (n, 3, H, W or 1, 1) into rows `index` of `picture` where `mask` (n, H, W), in place."""
    part = picture[index]
    picture[index] = part + (color - part) * mask[:, None]


def _ellipse(
    x: Tensor, y: Tensor, cx: Tensor, cy: Tensor, rx: Tensor, ry: Tensor, angle: Tensor, power: float = 2.0
) -> tuple[Tensor, Tensor, Tensor]:
    """Local coordinates u, v (n, H, W), 1 at the rim, and the implicit value (1 at the rim)."""
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    dx, dy = x - cx[:, None, None], y - cy[:, None, None]
    u = (dx * cos + dy * sin) / rx[:, None, None]
    v = (dy * cos - dx * sin) / ry[:, None, None]
    value = (u.square() + v.square()) if power == 2.0 else torch.maximum(u.abs(), v.abs()).square()
    return u, v, value


def _soft(value: Tensor, sharpness: Tensor) -> Tensor:
    return ((1 - value) * sharpness[:, None, None]).clamp(0, 1)


def _solid(u: Tensor, v: Tensor, value: Tensor, light: Tensor, angle: Tensor) -> Tensor:
    """Brightness (n, H, W) of an ellipsoid with rim coordinates u, v under `light` (n, 3)."""
    cos, sin = angle.cos()[:, None], angle.sin()[:, None]
    lx = light[:, :1] * cos + light[:, 1:2] * sin
    ly = light[:, 1:2] * cos - light[:, :1] * sin
    depth = (1 - value).clamp(min=0).sqrt()
    dot = u * lx[..., None] + v * ly[..., None] - depth * light[:, 2, None, None]
    return 0.35 + 0.75 * dot.clamp(min=0)


def _base(rng: Rng, count: int, height: int, width: int) -> Tensor:
    """Plain, graded and mottled walls."""
    x, y = grid(count, height, width, rng.device)
    first, second = any_colors(rng, count), any_colors(rng, count)
    near = rng.chance(0.6, count, 1)
    second = torch.where(near, first * (1 + rng.normal(0.25, count, 3)).clamp(0.2, 2), second)
    angle = rng.uniform(0, 6.2832, count)[:, None, None]
    ramp = (
        (x * angle.cos() + y * angle.sin()) * rng.uniform(0.3, 3.0, count, 1, 1) + 0.5 + rng.normal(0.3, count, 1, 1)
    ).clamp(0, 1)
    picture = torch.lerp(first[:, :, None, None], second[:, :, None, None], ramp[:, None])
    for cells, strongest in ((3, 0.5), (9, 0.5), (32, 0.4), (110, 0.2)):
        strength = rng.uniform(0, 1, count, 1, 1, 1) ** 3 * strongest
        tint = 1 + strength * noise(rng, count, 1, height, width, cells)
        picture = picture * tint.clamp(min=0.05)
    return picture


def _stripes(rng: Rng, picture: Tensor, index: Tensor) -> None:
    """Wood, blinds, cloth: warped sine stripes over the whole picture."""
    count, (height, width) = len(index), picture.shape[2:]
    x, y = grid(count, height, width, rng.device)
    angle = rng.uniform(0, 3.1416, count)[:, None, None]
    phase = (x * angle.cos() + y * angle.sin()) * rng.log_uniform(4, 60, count, 1, 1)
    phase = phase + noise(rng, count, 1, height, width, 5)[:, 0] * rng.uniform(0, 3, count, 1, 1)
    wave = (phase.sin() * rng.log_uniform(0.6, 6, count, 1, 1)).clamp(-1, 1) * 0.5 + 0.5
    color = torch.where(rng.chance(0.4, count, 1), skin_tones(rng, count), any_colors(rng, count))
    _paint(picture, index, wave * rng.uniform(0.1, 0.9, count, 1, 1), color[:, :, None, None])


def _pieces(rng: Rng, picture: Tensor, index: Tensor, tone: Tensor) -> None:
    """Shelves, leaves, crowds: the whole picture in pieces with sharp edges, each with its own colour and gradient.

    A pixel belongs to the nearest of some weighted points (a power diagram), in stretched and warped coordinates.
    """
    count, (height, width) = len(index), picture.shape[2:]
    x, y = grid(count, height, width, rng.device)
    angle, stretch = rng.uniform(0, 3.1416, count)[:, None, None], rng.log_uniform(0.3, 3, count, 1, 1)
    warp = noise(rng, count, 2, height, width, 12) * rng.uniform(0, 0.4, count, 1, 1, 1) ** 2
    u = (x * angle.cos() + y * angle.sin()) * stretch + warp[:, 0]
    v = y * angle.cos() - x * angle.sin() + warp[:, 1]
    du = u[:, None] - rng.uniform(-1.2, 1.2, count, _PIECES, 1, 1) * stretch[:, None]
    dv = v[:, None] - rng.uniform(-1.2, 1.2, count, _PIECES, 1, 1)
    square = rng.chance(0.4, count, 1, 1, 1)
    distance = torch.where(square, torch.maximum(du.abs(), dv.abs()).square(), du.square() + dv.square())
    owner = (distance - rng.uniform(0, 0.5, count, _PIECES, 1, 1) ** 3).argmin(1, keepdim=True)
    slope = (du * rng.normal(0.6, count, _PIECES, 1, 1) + dv * rng.normal(0.6, count, _PIECES, 1, 1)).gather(1, owner)
    of_skin = rng.chance(0.15, count, _PIECES, 1)
    colors = torch.where(of_skin, tone[:, None], any_colors(rng, count * _PIECES).reshape(count, _PIECES, 3))
    plain = any_colors(rng, count)[:, None]
    colors = torch.lerp(colors, plain, rng.uniform(0, 0.9, count, 1, 1))  # from motley to one colour's shades
    flat = colors.permute(0, 2, 1).gather(2, owner.flatten(1)[:, None].expand(-1, 3, -1))
    picture[index] = picture[index] * 0.15 + flat.reshape(count, 3, height, width) * (1 + slope).clamp(0.2, 2)


def _shape(rng: Rng, picture: Tensor, index: Tensor, light: Tensor, tone: Tensor, spread: float = 1.1) -> None:
    """One box or ellipsoid or rod a picture, often in skin colour, flat or shaded."""
    count, (height, width) = len(index), picture.shape[2:]
    x, y = grid(count, height, width, rng.device)
    rod = rng.chance(0.45, count)
    long = rng.log_uniform(0.12, 1.1, count)
    short = torch.where(rod, rng.log_uniform(0.02, 0.2, count), long * rng.uniform(0.3, 1, count))
    angle = rng.uniform(0, 3.1416, count)
    cx, cy = rng.uniform(-spread, spread, count), rng.uniform(-spread, spread, count)
    u, v, round_value = _ellipse(x, y, cx, cy, long, short, angle)
    boxed = rng.chance(0.5, count)
    square_value = torch.maximum(u.abs(), v.abs()).square()
    value = torch.where(boxed[:, None, None], square_value, round_value)
    sharp = short * min(height, width) * 0.25 * rng.log_uniform(0.08, 1, count)
    color = torch.where(rng.chance(0.4, count, 1), tone, any_colors(rng, count))
    rim = torch.where((boxed & rod)[:, None, None], v.square(), round_value)
    shade = torch.where((boxed & ~rod)[:, None, None], 1 + 0.3 * u, _solid(u, v, rim, light, angle))
    _paint(picture, index, _soft(value, sharp), color[:, :, None, None] * shade[:, None])


def _person(rng: Rng, picture: Tensor, index: Tensor, light: Tensor, tone: Tensor) -> None:
    """A clothed body, a neck, a face with hair, eyes, brows and mouth: shaded ellipsoids, anywhere, at any size."""
    count, (height, width) = len(index), picture.shape[2:]
    x, y = grid(count, height, width, rng.device)
    size = rng.log_uniform(0.12, 0.75, count)
    fx, fy = rng.uniform(-0.8, 0.8, count), rng.uniform(-0.8, 0.6, count)
    lean = rng.normal(0.3, count)
    sharp = size * min(height, width) * 0.25 * rng.log_uniform(0.1, 1, count)
    down_x, down_y = -lean.sin(), lean.cos()

    def part(
        along: float, side: float, rx: float, ry: float, color: Tensor, shaded: bool = True, bulk: float = 1.0
    ) -> None:
        cx = fx + size * (along * down_x + side * lean.cos())
        cy = fy + size * (along * down_y + side * lean.sin())
        u, v, value = _ellipse(x, y, cx, cy, size * rx, size * ry, lean)
        shade = _solid(u, v, value, light, lean)[:, None] if shaded else 1.0
        _paint(picture, index, _soft(value, sharp * bulk), color[:, :, None, None] * shade)

    cloth, hair = any_colors(rng, count), any_colors(rng, count) * 0.3
    cloth = torch.where(rng.chance(0.15, count, 1), tone, cloth)
    part(2.9, 0.0, 1.7, 1.9, cloth)
    part(1.1, 0.0, 0.45, 0.6, tone * 0.85)
    part(-0.25, 0.0, 0.92, 1.1, hair)
    part(0.0, 0.0, 0.76, 1.0, tone)
    for side in (-1, 1):
        part(-0.1, side * 0.3, 0.13, 0.06, torch.full((count, 3), 0.6, device=rng.device), False, 0.3)
        part(-0.1, side * 0.3, 0.05, 0.06, hair * 0.3, False, 0.2)
        part(-0.26, side * 0.3, 0.18, 0.04, hair, False, 0.2)
    part(0.2, 0.0, 0.11, 0.2, tone * 1.05, True, 0.3)
    part(0.52, 0.0, 0.24, 0.07, tone * torch.tensor([0.8, 0.4, 0.4], device=rng.device), False, 0.3)


def backgrounds(rng: Rng, count: int, height: int, width: int, clutter: float, light: Tensor, tone: Tensor) -> Tensor:
    """Linear RGB (count, 3, H, W). clutter 0: plain walls; 1: as full as a picture of a street or a kitchen.

    light (count, 3): direction toward the light; tone (count, 3): skin colour of the hands in front.
    """
    picture = _base(rng, count, height, width)
    if clutter <= 0:
        return picture
    everyone = torch.arange(count, device=rng.device)
    amount = rng.uniform(0, 1, count) ** 0.7 * clutter
    broken = everyone[rng.chance(0.4 * clutter, count)]
    if len(broken):
        _pieces(rng, picture, broken, tone[broken])
    striped = everyone[rng.chance(0.3 * clutter, count)]
    if len(striped):
        _stripes(rng, picture, striped)
    for step in range(9):
        some = everyone[rng.chance(0.85, count) & (amount * 10 > step + 0.5)]
        if len(some):
            _shape(rng, picture, some, light[some], tone[some] * rng.uniform(0.6, 1.2, len(some), 1))
        if step in (2, 5):
            some = everyone[rng.chance(0.28 * clutter, count)]
            if len(some):
                own = rng.chance(0.75, len(some), 1)
                _person(rng, picture, some, light[some], torch.where(own, tone[some], skin_tones(rng, len(some))))
    # Depth of field: half the backgrounds are out of focus.
    blurred = everyone[rng.chance(0.45, count)]
    if len(blurred):
        small = F.avg_pool2d(picture[blurred], 4, ceil_mode=True)
        kernel = torch.ones(3, 1, 3, 3, device=rng.device) / 9
        small = F.conv2d(F.pad(small, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
        picture[blurred] = F.interpolate(small, size=(height, width), mode="bilinear", align_corners=False)
    return picture.clamp(0, 1.5)
