"""People behind the hands: clothed bodies and faces, so that a detector does not take them for hands.

A face is drawn in coordinates of its own: u to its side, v toward the chin, 1 at the chin. Relief (brow, nose, lips,
cheeks) is shaded by the light; colour is painted over the skin.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .paint import any_colors, ellipse, grid, lit, noise, paint, soft, solid
from .rng import Rng

_LIPS = (0.85, 0.42, 0.42)  # share of the skin's colour
_FACE_WIDTH, _EYE_U, _EYE_V, _MOUTH_V = 0.76, 0.31, -0.12, 0.52


def person(rng: Rng, images: Tensor, index: Tensor, light: Tensor, tone: Tensor) -> None:
    """Paint a clothed body, a neck and a head into rows `index` of `images`, anywhere, at any size.

    light (n, 3): direction toward the light; tone (n, 3): skin colour, linear RGB.
    """
    count, (height, width) = len(index), images.shape[2:]
    x, y = grid(count, height, width, rng.device)
    size = rng.log_uniform(0.1, 0.8, count)
    fx, fy = rng.uniform(-0.8, 0.8, count), rng.uniform(-0.8, 0.6, count)
    lean = rng.normal(0.3, count)
    sharp = size * min(height, width) * 0.25 * rng.log_uniform(0.1, 1, count)
    down_x, down_y = -lean.sin(), lean.cos()

    def part(along: float, rx: float, ry: float, color: Tensor) -> None:
        cx, cy = fx + size * along * down_x, fy + size * along * down_y
        u, v, value = ellipse(x, y, cx, cy, size * rx, size * ry, lean)
        paint(images, index, soft(value, sharp), color * solid(u, v, value, light, lean)[:, None])

    part(2.9, 1.7, 1.9, _cloth(rng, tone, height, width))
    part(1.1, 0.45, 0.6, (tone * 0.75)[:, :, None, None])
    u, v, _ = ellipse(x, y, fx, fy, size, size, lean)
    _head(rng, images, index, u, v, light, tone, sharp)


def _cloth(rng: Rng, tone: Tensor, height: int, width: int) -> Tensor:
    """Colour (n, 3, H, W) of clothes: plain, striped or mottled, sometimes bare skin."""
    count = len(tone)
    x, y = grid(count, height, width, rng.device)
    first, second = any_colors(rng, count), any_colors(rng, count)
    first = torch.where(rng.chance(0.15, count, 1), tone, first)
    angle, pace = rng.uniform(0, 3.1416, count, 1, 1), rng.log_uniform(15, 90, count, 1, 1)
    stripes = ((x * angle.cos() + y * angle.sin()) * pace).sin().sign().clamp(min=0)
    pattern = torch.where(rng.chance(0.5, count, 1, 1), stripes, noise(rng, count, 1, height, width, 40)[:, 0])
    share = pattern.clamp(0, 1) * (rng.uniform(0, 0.8, count, 1, 1) * rng.chance(0.5, count, 1, 1))
    return torch.lerp(first[:, :, None, None], second[:, :, None, None], share[:, None])


def _blob(u: Tensor, v: Tensor, at_u: float, at_v: float, wide: float, high: float) -> Tensor:
    """A Gaussian bump, 1 at its centre."""
    return (-((u - at_u) / wide).square() - ((v - at_v) / high).square()).exp()


def _within(value: Tensor, sharpness: float) -> Tensor:
    """1 where `value` is under 1, 0 where it is over, softly."""
    return ((1 - value) * sharpness + 0.5).clamp(0, 1)


def _head(rng: Rng, images: Tensor, index: Tensor, u: Tensor, v: Tensor, light: Tensor, tone: Tensor,
          sharp: Tensor) -> None:  # fmt: skip
    """Paint hair and a face around (0, 0); u, v (n, H, W)."""
    count, (height, width) = len(index), images.shape[2:]
    hair = any_colors(rng, count) * rng.uniform(0.05, 0.6, count, 1)
    strands = 1 + 0.35 * (torch.atan2(v + 0.3, u) * 30 + 3 * noise(rng, count, 1, height, width, 16)[:, 0]).sin()
    hair_color = hair[:, :, None, None] * strands[:, None]
    bald = rng.chance(0.15, count, 1, 1)
    long_hair = rng.uniform(0, 1.4, count, 1, 1) * rng.chance(0.4, count, 1, 1)
    behind = (u / 0.92).square() + ((v + 0.25).clamp(max=0) / 0.95 + (v - long_hair).clamp(min=0) / 0.4).square()
    paint(images, index, soft(behind, sharp) * ~bald, hair_color)

    outline = (u / (_FACE_WIDTH * (1 - 0.16 * v.clamp(-1, 1)))).square() + v.square()
    # A face that looks aside has its features aside.
    yaw = rng.normal(0.22, count, 1, 1)
    f = u - yaw * (1 - outline).clamp(min=0).sqrt()
    color = complexion(rng, f, v, tone, hair)
    wrinkles = noise(rng, count, 1, height, width, 50)[:, 0].abs().sqrt() * rng.uniform(0, 0.03, count, 1, 1)
    folds = _blob(f.abs() - 0.22 - 0.35 * (v - 0.3), v, 0, 0.4, 0.03, 0.2) * rng.uniform(0, 0.04, count, 1, 1)
    shade = _relief(f, v, outline, wrinkles - folds, light)
    fringe = v + rng.uniform(0.3, 0.75, count, 1, 1) - 0.6 * f.square() - 0.15 * (f * 9 + yaw * 20).sin()
    under_hair = (-fringe * 8).clamp(0, 1) * ~bald
    color = torch.lerp(color, hair_color, under_hair[:, None])
    paint(images, index, soft(outline, sharp), color * shade[:, None])


def _relief(f: Tensor, v: Tensor, outline: Tensor, wrinkles: Tensor, light: Tensor) -> Tensor:
    """Brightness (n, H, W) of a head with sockets, a nose, lips, cheeks and `wrinkles`, under `light` (n, 3)."""
    side = f.abs()
    bumps = 0.22 * _blob(f, v, 0, 0.18, 0.13, 0.2) + 0.1 * _blob(f, v, 0, 0.0, 0.08, 0.3)
    bumps = bumps - 0.09 * _blob(side, v, _EYE_U, _EYE_V, 0.16, 0.12) + 0.05 * _blob(side, v, 0.4, 0.2, 0.2, 0.2)
    bumps = bumps + 0.05 * _blob(f, v, 0, _MOUTH_V, 0.22, 0.08) + 0.06 * _blob(f, v, 0, 0.82, 0.2, 0.12)
    depth = (1 - outline).clamp(min=0.02).sqrt() + bumps + wrinkles
    return lit(_slope(depth, f, 2), _slope(depth, v, 1), light)


def _slope(depth: Tensor, along: Tensor, dim: int) -> Tensor:
    """Change of `depth` with `along`, which grows with dimension `dim` of the image for a face that is upright."""
    step = torch.gradient(along, dim=dim)[0]
    return torch.gradient(depth, dim=dim)[0] / torch.where(step.abs() < 1e-4, torch.full_like(step, 1e-4), step)


class _Skin:
    """A face's colour (n, 3, H, W), painted feature by feature; f, v: see `complexion`."""

    def __init__(self, f: Tensor, v: Tensor, tone: Tensor) -> None:
        self.f, self.v, self.side = f, v, f.abs()
        self.color = tone[:, :, None, None].expand(-1, -1, *f.shape[1:])

    def mix(self, other: Tensor, mask: Tensor) -> None:
        """Blend the colours `other` (n, 3) in by `mask` (n, H, W), 0 to 1."""
        self.color = torch.lerp(self.color, other[:, :, None, None].expand_as(self.color), mask[:, None])


def complexion(rng: Rng, f: Tensor, v: Tensor, tone: Tensor, hair: Tensor) -> Tensor:
    """Colour (n, 3, H, W), linear RGB, of skin, cheeks, brows, eyes, mouth, beard and glasses.

    f, v (n, H, W): coordinates of the face, 0 in its middle, 1 at its right side and its chin; tone, hair (n, 3).
    """
    count, skin = len(tone), _Skin(f, v, tone)
    side = skin.side
    lips, dark = tone * torch.tensor(_LIPS, device=tone.device), (hair * 0.3).clamp(max=0.05)
    red = _blob(side, v, 0.42, 0.22, 0.18, 0.16) + _blob(f, v, 0, 0.2, 0.1, 0.1)
    skin.mix(lips, 0.25 * red.clamp(max=1))
    beard = ((v - 0.3 - 0.3 * (0.4 - side).clamp(min=0)) * 6).clamp(0, 1) * rng.uniform(0.3, 0.9, count, 1, 1)
    skin.mix(hair, beard * rng.chance(0.2, count, 1, 1))
    brow = ((v + 0.31 - 0.5 * (side - 0.33).square()) / rng.uniform(0.03, 0.07, count, 1, 1)).square()
    skin.mix(hair, 0.85 * _within(brow + ((side - 0.33) / 0.22) ** 8, 3))
    skin.mix(dark, 0.7 * _blob(side, v, 0.08, 0.3, 0.035, 0.025))  # nostrils
    _eyes(rng, skin, dark)
    _mouth(rng, skin, lips, dark)
    return skin.color


def _eyes(rng: Rng, skin: _Skin, dark: Tensor) -> None:
    """Paint lids, white and iris, sometimes glasses."""
    count = len(dark)
    u, v = skin.side - _EYE_U, skin.v - _EYE_V
    opened, look = rng.uniform(0.02, 0.07, count, 1, 1), rng.normal(0.03, count, 1, 1)
    white = _within((u / 0.14).square() + (v / opened).square(), 3)
    skin.mix(dark, 0.7 * _within((u / 0.16).square() + ((v + 0.02) / (opened + 0.03)).square(), 3))
    skin.mix(torch.full_like(dark, 0.6), white)
    iris = ((skin.f.sign() * u - look) / 0.06).square() + (v / 0.06).square()
    skin.mix(any_colors(rng, count) * 0.15, _within(iris, 3) * white)
    rim = ((u / 0.2).square() + ((v - 0.02) / 0.16).square()).sqrt()
    bridge = _within((v / 0.02).square() + (skin.side / 0.13) ** 8, 3)
    glasses = torch.maximum(_within(((rim - 1) / 0.1).square(), 3), bridge)
    skin.mix(any_colors(rng, count) * 0.3, 0.9 * glasses * rng.chance(0.25, count, 1, 1))


def _mouth(rng: Rng, skin: _Skin, lips: Tensor, dark: Tensor) -> None:
    """Paint lips that smile or not, with teeth between them or closed."""
    count = len(lips)
    smile, half = rng.normal(0.25, count, 1, 1), rng.uniform(0.16, 0.32, count, 1, 1)
    bent, fade = skin.v - _MOUTH_V + smile * skin.f.square(), (skin.f / half) ** 4
    gap = rng.uniform(0, 0.07, count, 1, 1) * rng.chance(0.4, count, 1, 1)
    skin.mix(lips, 0.8 * _within((bent / (0.06 + gap)).square() + fade, 3))
    skin.mix(torch.full_like(lips, 0.55), _within((bent / (gap + 1e-3)).square() + fade * 1.2, 3))
    skin.mix(dark, 0.7 * _within((bent / 0.014).square() + fade, 3) * (gap == 0))
