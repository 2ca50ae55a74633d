"""What stands behind the hands: gradients, noise, stripes, shapes, and skin-coloured things (faces, bodies, wood).

Everything is drawn on batches (B, 3, H, W) of linear light in 0..1, with shapes shaded like solid bodies, so that
neither colour nor shading alone tells a hand from what is behind it. The painters work in place on the rows `index`
(n,) of images (B, 3, H, W); light (n, 3) is the direction toward the light in camera space, tone (n, 3) a skin colour.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .paint import any_colors, ellipse, grid, lit, noise, paint, skin_tones, soft, solid
from .people import person
from .rng import Rng

_PIECES = 30
_GRID = 24  # cells after which a pattern repeats


def wall(rng: Rng, count: int, height: int, width: int) -> Tensor:
    """Plain, graded and mottled walls: linear RGB (count, 3, H, W)."""
    x, y = grid(count, height, width, rng.device)
    first, second = any_colors(rng, count), any_colors(rng, count)
    near = rng.chance(0.6, count, 1)
    second = torch.where(near, first * (1 + rng.normal(0.25, count, 3)).clamp(0.2, 2), second)
    angle = rng.uniform(0, 6.2832, count)[:, None, None]
    ramp = (
        (x * angle.cos() + y * angle.sin()) * rng.uniform(0.3, 3.0, count, 1, 1) + 0.5 + rng.normal(0.3, count, 1, 1)
    ).clamp(0, 1)
    images = torch.lerp(first[:, :, None, None], second[:, :, None, None], ramp[:, None])
    for cells, strongest in ((3, 0.5), (9, 0.5), (32, 0.4), (110, 0.2)):
        strength = rng.uniform(0, 1, count, 1, 1, 1) ** 3 * strongest
        images = images * (strength * noise(rng, count, 1, height, width, cells)).clamp(max=2).exp()
    return images


def stripes(rng: Rng, images: Tensor, index: Tensor) -> None:
    """Paint wood, blinds, cloth: warped sine stripes over the whole image."""
    count, (height, width) = len(index), images.shape[2:]
    x, y = grid(count, height, width, rng.device)
    angle = rng.uniform(0, 3.1416, count)[:, None, None]
    phase = (x * angle.cos() + y * angle.sin()) * rng.log_uniform(4, 60, count, 1, 1)
    phase = phase + noise(rng, count, 1, height, width, 5)[:, 0] * rng.uniform(0, 3, count, 1, 1)
    wave = (phase.sin() * rng.log_uniform(0.6, 6, count, 1, 1)).clamp(-1, 1) * 0.5 + 0.5
    color = torch.where(rng.chance(0.4, count, 1), skin_tones(rng, count), any_colors(rng, count))
    paint(images, index, wave * rng.uniform(0.1, 0.9, count, 1, 1), color[:, :, None, None])


def pieces(rng: Rng, images: Tensor, index: Tensor, tone: Tensor) -> None:
    """Paint shelves, leaves, crowds: pieces with sharp edges over the whole image, each with a colour and a gradient.

    A pixel belongs to the nearest of some weighted points (a power diagram), in stretched and warped coordinates.
    """
    count, (height, width) = len(index), images.shape[2:]
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
    colors = torch.lerp(colors, plain, rng.uniform(0, 0.9, count, 1, 1))  # from many colours to shades of one
    flat = colors.permute(0, 2, 1).gather(2, owner.flatten(1)[:, None].expand(-1, 3, -1))
    images[index] = images[index] * 0.15 + flat.reshape(count, 3, height, width) * (1 + slope).clamp(0.2, 2)


def shape(rng: Rng, images: Tensor, index: Tensor, light: Tensor, tone: Tensor) -> None:
    """Paint a box, an ellipsoid or a rod into each image, often in skin colour, flat or shaded."""
    count, (height, width) = len(index), images.shape[2:]
    x, y = grid(count, height, width, rng.device)
    rod = rng.chance(0.45, count)
    long = rng.log_uniform(0.12, 1.1, count)
    short = torch.where(rod, rng.log_uniform(0.02, 0.2, count), long * rng.uniform(0.3, 1, count))
    angle = rng.uniform(0, 3.1416, count)
    cx, cy = rng.uniform(-1.1, 1.1, count), rng.uniform(-1.1, 1.1, count)
    u, v, round_value = ellipse(x, y, cx, cy, long, short, angle)
    boxed = rng.chance(0.5, count)
    square_value = torch.maximum(u.abs(), v.abs()).square()
    value = torch.where(boxed[:, None, None], square_value, round_value)
    sharp = short * min(height, width) * 0.25 * rng.log_uniform(0.08, 1, count)
    color = torch.where(rng.chance(0.4, count, 1), tone, any_colors(rng, count))
    rim = torch.where((boxed & rod)[:, None, None], v.square(), round_value)
    shade = torch.where((boxed & ~rod)[:, None, None], 1 + 0.3 * u, solid(u, v, rim, light, angle))
    paint(images, index, soft(value, sharp), color[:, :, None, None] * shade[:, None])


def motifs(rng: Rng, images: Tensor, index: Tensor) -> None:
    """Paint flags, tiles, windows, lamps, flowers, buttons: a small motif in each cell of a jittered grid.

    A motif is a star with round or pointed arms, a disc or a box, filled or a ring, of the grid's own kind; in half of
    the images the grid fills an ellipse only.
    """
    count, (height, width) = len(index), images.shape[2:]
    x, y = grid(count, height, width, rng.device)
    cells, angle = rng.log_uniform(1.5, 18, count, 1, 1), rng.uniform(0, 3.1416, count, 1, 1)
    angle = torch.where(rng.chance(0.5, count, 1, 1), angle * 0.08, angle)
    u, v = (x * angle.cos() + y * angle.sin()) * cells, (y * angle.cos() - x * angle.sin()) * cells
    cell = (v.floor().long() % _GRID * _GRID + u.floor().long() % _GRID).flatten(1)

    def of_cell(table: Tensor) -> Tensor:
        """Values (n, H, W) of a table (n, _GRID * _GRID)."""
        return table.gather(1, cell).reshape(count, height, width)

    size, wild = _GRID * _GRID, rng.uniform(0, 1, count, 1)
    du = u - u.floor() - 0.5 - of_cell(rng.uniform(-0.35, 0.35, count, size) * wild)
    dv = v - v.floor() - 0.5 - of_cell(rng.uniform(-0.35, 0.35, count, size) * wild)
    rotation = of_cell(rng.uniform(0, 6.2832, count, size) * wild)
    radius = of_cell(rng.uniform(0.6, 1, count, size) ** (2 * wild)) * rng.uniform(0.18, 0.6, count, 1, 1)
    value = _motif(rng, du * rotation.cos() + dv * rotation.sin(), dv * rotation.cos() - du * rotation.sin()) / radius
    value = torch.where(rng.chance(0.2, count, 1, 1), (value - 0.8).abs() / 0.25, value)
    edge = (radius * min(height, width) / cells * 0.5).clamp(min=0.5)
    filled = of_cell((rng.uniform(0, 1, count, size) < rng.uniform(0.3, 1, count, 1)).float())
    mask = ((1 - value) * edge + 0.5).clamp(0, 1) * filled
    cx, cy = rng.uniform(-0.9, 0.9, count), rng.uniform(-0.9, 0.9, count)
    _, _, region = ellipse(x, y, cx, cy, rng.uniform(0.2, 1, count), rng.uniform(0.2, 1, count), angle[:, 0, 0])
    mask = mask * ((region < 1) | rng.chance(0.5, count, 1, 1))
    palette = any_colors(rng, count * size).reshape(count, size, 3)
    palette = torch.lerp(palette, any_colors(rng, count)[:, None], rng.uniform(0, 1, count, 1, 1).sqrt())
    palette = palette * rng.uniform(0.8, 1.8, count, 1, 1)  # lamps are brighter than walls
    paint(images, index, mask, torch.stack([of_cell(channel) for channel in palette.unbind(2)], 1))


def _motif(rng: Rng, u: Tensor, v: Tensor) -> Tensor:
    """Distance (n, H, W) from the middle of a star, a disc or a box, in its own metric."""
    count = len(u)
    v = v / rng.log_uniform(0.25, 1, count, 1, 1)
    arms = rng.integers(0, 7, count)[:, None, None].clamp(min=2)
    depth = rng.uniform(0, 0.6, count, 1, 1) * (arms > 2)
    star = (u.square() + v.square()).sqrt() / (1 + depth * (torch.atan2(v, u) * arms).cos())
    return torch.where(rng.chance(0.4, count, 1, 1), torch.maximum(u.abs(), v.abs()), star)


def folds(rng: Rng, images: Tensor, index: Tensor, light: Tensor, tone: Tensor) -> None:
    """Paint crumpled cloth, petals, bark, fur, old faces: a bulge with sharp creases, often of skin colour.

    Without these, creases and shaded ridges side by side would occur on hands only.
    """
    count, (height, width) = len(index), images.shape[2:]
    x, y = grid(count, height, width, rng.device)
    rx, ry = rng.log_uniform(0.08, 0.7, count), rng.log_uniform(0.08, 0.7, count)
    u, v, value = ellipse(x, y, rng.uniform(-1, 1, count), rng.uniform(-1, 1, count), rx, ry,
                          rng.uniform(0, 3.1416, count))  # fmt: skip
    warp = noise(rng, count, 3, height, width, 14)
    wild = rng.uniform(0, 1.2, count, 1, 1)
    # Creases where a wave has its lowest: along lines, in rings, like spokes, or anyhow.
    waves = torch.stack([u, value.clamp(min=1e-4).sqrt(), torch.atan2(v, u) * 0.6, warp[:, 0]], 1)
    kind = rng.integers(0, 4, count)[:, None, None, None].expand(-1, 1, height, width)
    phase = waves.gather(1, kind)[:, 0] * rng.log_uniform(3, 20, count, 1, 1) + warp[:, 1] * wild
    across = (v * rng.log_uniform(1, 12, count, 1, 1) + warp[:, 2] * wild).sin().abs()
    ridges = phase.sin().abs().sqrt() + rng.uniform(0, 0.7, count, 1, 1) * across.sqrt()
    size = torch.minimum(rx, ry)[:, None, None] * max(height, width) / 2
    depth = (1 - value).clamp(min=0.02).sqrt() * size * rng.uniform(0.3, 1, count, 1, 1)
    depth = depth + ridges * size * rng.uniform(0.03, 0.2, count, 1, 1)
    down, right = torch.gradient(depth, dim=(1, 2))
    shade = lit(right, down, light)
    shade = shade * (1 - rng.uniform(0, 0.5, count, 1, 1) * (1 - ridges).clamp(min=0))
    color = torch.where(rng.chance(0.5, count, 1), tone, any_colors(rng, count))
    sharp = rng.log_uniform(2, 30, count)
    paint(images, index, soft(value * (1 + 0.2 * wild * warp[:, 0]), sharp), color[:, :, None, None] * shade[:, None])


def backgrounds(rng: Rng, count: int, height: int, width: int, clutter: float, light: Tensor, tone: Tensor) -> Tensor:
    """Linear RGB (count, 3, H, W). clutter 0: plain walls; 1: as full as a street or a kitchen.

    light (count, 3): direction toward the light; tone (count, 3): skin colour of the hands in front.
    """
    images = wall(rng, count, height, width)
    if clutter <= 0:
        return images
    everyone = torch.arange(count, device=rng.device)
    amount = rng.uniform(0, 1, count) ** 0.7 * clutter

    def some(share: float) -> Tensor:
        return everyone[rng.chance(share * clutter, count)]

    if len(chosen := some(0.4)):
        pieces(rng, images, chosen, tone[chosen])
    if len(chosen := some(0.3)):
        stripes(rng, images, chosen)
    for share in (0.35, 0.2):
        if len(chosen := some(share)):
            motifs(rng, images, chosen)
    for step in range(9):
        chosen = everyone[rng.chance(0.85, count) & (amount * 10 > step + 0.5)]
        if len(chosen):
            shape(rng, images, chosen, light[chosen], tone[chosen] * rng.uniform(0.6, 1.2, len(chosen), 1))
        if step in (1, 4) and len(chosen := some(0.45)):
            folds(rng, images, chosen, light[chosen], tone[chosen] * rng.uniform(0.6, 1.2, len(chosen), 1))
        if step in (2, 5) and len(chosen := some(0.35)):
            own = rng.chance(0.75, len(chosen), 1)
            skin = torch.where(own, tone[chosen], skin_tones(rng, len(chosen)))
            person(rng, images, chosen, light[chosen], skin)
    _out_of_focus(images, everyone[rng.chance(0.45, count)])
    return images.clamp(0, 1.5)


def _out_of_focus(images: Tensor, index: Tensor) -> None:
    """Blur the rows `index` (n,) of `images` (B, 3, H, W) in place, as depth of field does."""
    if not len(index):
        return
    small = F.avg_pool2d(images[index], 4, ceil_mode=True)
    kernel = torch.ones(3, 1, 3, 3, device=images.device) / 9
    small = F.conv2d(F.pad(small, (1, 1, 1, 1), mode="replicate"), kernel, groups=3)
    images[index] = F.interpolate(small, size=images.shape[2:], mode="bilinear", align_corners=False)
