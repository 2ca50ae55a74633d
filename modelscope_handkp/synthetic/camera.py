"""From light to a picture file: exposure, white balance, blur, low resolution, noise, JPEG. Batches (B, 3, H, W)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .paint import to_srgb
from .rng import Rng

_LUMA = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def _dct(device: torch.device) -> Tensor:
    k = torch.arange(8, device=device, dtype=torch.float32)
    basis = torch.cos((2 * k[None] + 1) * k[:, None] * math.pi / 16) * 0.5
    basis[0] /= math.sqrt(2)
    return basis


def jpeg(picture: Tensor, quality: Tensor) -> Tensor:
    """What JPEG at `quality` (B,) in 1..100 leaves of sRGB pictures (B, 3, H, W) in 0..1."""
    height, width = picture.shape[2:]
    pad = (-width % 16, -height % 16)
    full = F.pad(picture, (0, pad[0], 0, pad[1]), mode="replicate") * 255
    matrix = torch.tensor(_YCC, device=picture.device)
    ycc = torch.einsum("ij,bjhw->bihw", matrix, full)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    table = torch.tensor(_LUMA, device=picture.device, dtype=torch.float32).reshape(8, 8)
    basis = _dct(picture.device)

    def squeeze(plane: Tensor, factor: float) -> Tensor:
        b, c, h, w = plane.shape
        blocks = plane.reshape(b, c, h // 8, 8, w // 8, 8).permute(0, 1, 2, 4, 3, 5)
        step = (table * factor * scale[:, None, None]).clamp(min=1)[:, None, None, None]
        kept = torch.round(basis @ blocks @ basis.T / step) * step
        return (basis.T @ kept @ basis).permute(0, 1, 2, 4, 3, 5).reshape(b, c, h, w)

    luma = squeeze(ycc[:, :1] - 128, 1.0) + 128
    chroma = squeeze(F.avg_pool2d(ycc[:, 1:], 2), 1.3)
    chroma = F.interpolate(chroma, scale_factor=2.0, mode="bilinear", align_corners=False)
    rgb = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(matrix), torch.cat([luma, chroma], 1)) / 255
    return rgb[:, :, :height, :width].clamp(0, 1)


def _blur(picture: Tensor, kernels: Tensor) -> Tensor:
    """Each picture (B, 3, H, W) with its own kernel (B, k, k)."""
    count, channels, height, width = picture.shape
    size = kernels.shape[-1]
    weight = kernels[:, None].repeat_interleave(channels, 0)
    padded = F.pad(picture, (size // 2,) * 4, mode="replicate")
    flat = padded.reshape(1, count * channels, *padded.shape[2:])
    return F.conv2d(flat, weight, groups=count * channels).reshape(count, channels, height, width)


def _kernels(rng: Rng, count: int, strength: float, size: int = 7) -> Tensor:
    """Defocus and motion: anisotropic Gaussians (count, size, size), identity for many."""
    axis = torch.arange(size, device=rng.device) - size // 2
    angle = rng.uniform(0, math.pi, count)[:, None, None]
    u = axis[None, None] * angle.cos() + axis[None, :, None] * angle.sin()
    v = axis[None, :, None] * angle.cos() - axis[None, None] * angle.sin()
    wide = 0.25 + rng.uniform(0, 1, count, 1, 1) ** 2 * 2.2 * strength
    narrow = torch.where(rng.chance(0.4, count, 1, 1), wide * 0.3, wide).clamp(min=0.25)
    kernel = (-(u / wide).square() / 2 - (v / narrow).square() / 2).exp()
    return kernel / kernel.sum((1, 2), keepdim=True)


def _coarse(rng: Rng, picture: Tensor, lowest: Tensor) -> Tensor:
    """Down to a share `lowest` (B,) of the resolution and back, in steps that share one call."""
    height, width = picture.shape[2:]
    out = picture.clone()
    for share in (0.75, 0.5, 0.33, 0.25, 0.17):
        rows = torch.nonzero((lowest <= share) & (lowest > share * 0.7))[:, 0]
        if len(rows):
            size = (max(4, round(height * share)), max(4, round(width * share)))
            small = F.interpolate(picture[rows], size=size, mode="area")
            out[rows] = F.interpolate(small, size=(height, width), mode="bilinear", align_corners=False)
    return out


def photograph(rng: Rng, light: Tensor, strength: float, resolution: Tensor | None = None) -> Tensor:
    """Linear RGB (B, 3, H, W) -> sRGB in 0..1 as a camera and a file would give it.

    strength 0: a perfect camera; 1: a bad phone in bad light. resolution (B,): share of the pixels' resolution that
    is left (1 keeps all), for crops of hands that are small in their picture.
    """
    count = light.shape[0]
    picture = to_srgb(light)
    if strength <= 0:
        return picture.clamp(0, 1)
    picture = _blur(picture, _kernels(rng, count, strength))
    if resolution is not None:
        picture = _coarse(rng, picture, resolution)
    # A phone's sharpening, which leaves halos along edges.
    halo = picture - F.avg_pool2d(picture, 3, 1, 1, count_include_pad=False)
    picture = picture + halo * rng.uniform(0, 1, count, 1, 1, 1) ** 2 * 1.5 * strength
    mean = picture.mean((1, 2, 3), keepdim=True)
    picture = mean + (picture - mean) * (1 + rng.normal(0.18 * strength, count, 1, 1, 1)).clamp(0.4, 1.7)
    grey = picture.mean(1, keepdim=True)
    saturation = (1 + rng.normal(0.22 * strength, count, 1, 1, 1)).clamp(0, 1.8)
    saturation = torch.where(rng.chance(0.04 * strength, count, 1, 1, 1), torch.zeros_like(saturation), saturation)
    picture = grey + (picture - grey) * saturation
    picture = picture * (1 + rng.normal(0.06 * strength, count, 3, 1, 1)) + rng.normal(0.03 * strength, count, 1, 1, 1)
    noisy = rng.uniform(0, 1, count, 1, 1, 1) ** 3 * 0.09 * strength
    height, width = picture.shape[2:]
    grain = rng.normal(1.0, count, 3, height, width)
    mono = rng.normal(1.0, count, 1, height, width)
    picture = (picture + noisy * (0.6 * grain + 0.6 * mono)).clamp(0, 1)
    packed = torch.nonzero(rng.chance(0.7 * strength, count))[:, 0]
    if len(packed):
        quality = 100 - rng.uniform(0, 1, len(packed)) ** 1.3 * (25 + 55 * strength)
        picture[packed] = jpeg(picture[packed], quality)
    return picture.clamp(0, 1)
