"""From light to an image file: exposure, white balance, blur, low resolution, noise, JPEG. Batches (B, 3, H, W)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .paint import to_srgb
from .rng import Rng

_QUANTISATION = (  # of luma at quality 50; JPEG standard (ITU-T T.81), table K.1
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_RESOLUTIONS = (0.75, 0.5, 0.33, 0.25, 0.17)  # steps of `coarsen`
_CHROMA_COARSENESS = 1.3  # of chroma's quantisation against luma's
_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


def _dct(device: torch.device) -> Tensor:
    """Orthonormal DCT-II basis (8, 8), a frequency a row."""
    k = torch.arange(8, device=device, dtype=torch.float32)
    basis = torch.cos((2 * k[None] + 1) * k[:, None] * math.pi / 16) * 0.5
    basis[0] /= math.sqrt(2)
    return basis


def jpeg(images: Tensor, quality: Tensor) -> Tensor:
    """What JPEG at `quality` (B,) in 1..100 leaves of sRGB images (B, 3, H, W) in 0..1.

    Quantised 8 x 8 blocks, chroma at half resolution; tables scaled as by libjpeg.
    """
    height, width = images.shape[2:]
    pad = (-width % 16, -height % 16)
    full = F.pad(images, (0, pad[0], 0, pad[1]), mode="replicate") * 255
    matrix = torch.tensor(_YCC, device=images.device)
    ycc = torch.einsum("ij,bjhw->bihw", matrix, full)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality) / 100
    table = torch.tensor(_QUANTISATION, device=images.device, dtype=torch.float32).reshape(8, 8)
    basis = _dct(images.device)

    def quantised(plane: Tensor, factor: float) -> Tensor:
        b, c, h, w = plane.shape
        blocks = plane.reshape(b, c, h // 8, 8, w // 8, 8).permute(0, 1, 2, 4, 3, 5)
        step = (table * factor * scale[:, None, None]).clamp(min=1)[:, None, None, None]
        kept = torch.round(basis @ blocks @ basis.T / step) * step
        return (basis.T @ kept @ basis).permute(0, 1, 2, 4, 3, 5).reshape(b, c, h, w)

    luma = quantised(ycc[:, :1] - 128, 1.0) + 128
    chroma = quantised(F.avg_pool2d(ycc[:, 1:], 2), _CHROMA_COARSENESS)
    chroma = F.interpolate(chroma, scale_factor=2.0, mode="bilinear", align_corners=False)
    rgb = torch.einsum("ij,bjhw->bihw", torch.linalg.inv(matrix), torch.cat([luma, chroma], 1)) / 255
    return rgb[:, :, :height, :width].clamp(0, 1)


def blur(images: Tensor, kernels: Tensor) -> Tensor:
    """Each of the images (B, 3, H, W) filtered with its own kernel (B, k, k); borders are replicated."""
    count, channels, height, width = images.shape
    size = kernels.shape[-1]
    weight = kernels[:, None].repeat_interleave(channels, 0)
    padded = F.pad(images, (size // 2,) * 4, mode="replicate")
    flat = padded.reshape(1, count * channels, *padded.shape[2:])
    return F.conv2d(flat, weight, groups=count * channels).reshape(count, channels, height, width)


def lens_kernels(rng: Rng, count: int, strength: float, size: int = 7) -> Tensor:
    """Defocus and motion: anisotropic Gaussians (count, size, size) of sum 1, nearly the identity for many."""
    axis = torch.arange(size, device=rng.device) - size // 2
    angle = rng.uniform(0, math.pi, count)[:, None, None]
    u = axis[None, None] * angle.cos() + axis[None, :, None] * angle.sin()
    v = axis[None, :, None] * angle.cos() - axis[None, None] * angle.sin()
    wide = 0.25 + rng.uniform(0, 1, count, 1, 1) ** 2 * 2.2 * strength
    narrow = torch.where(rng.chance(0.4, count, 1, 1), wide * 0.3, wide).clamp(min=0.25)
    kernel = (-(u / wide).square() / 2 - (v / narrow).square() / 2).exp()
    return kernel / kernel.sum((1, 2), keepdim=True)


def coarsen(images: Tensor, share: Tensor) -> Tensor:
    """Images (B, 3, H, W) reduced to about `share` (B,) of their resolution and enlarged again.

    In steps, so that images of one step share one call; a share above 0.75 or below 0.12 changes nothing.
    """
    height, width = images.shape[2:]
    out = images.clone()
    for step in _RESOLUTIONS:
        rows = torch.nonzero((share <= step) & (share > step * 0.7))[:, 0]
        if len(rows):
            size = (max(4, round(height * step)), max(4, round(width * step)))
            small = F.interpolate(images[rows], size=size, mode="area")
            out[rows] = F.interpolate(small, size=(height, width), mode="bilinear", align_corners=False)
    return out


def capture(
    rng: Rng, light: Tensor, strength: float, resolution: Tensor | None = None, grain: Rng | None = None
) -> Tensor:
    """Linear RGB (B, 3, H, W) -> sRGB in 0..1 as a camera and a file would give it.

    strength 0: a perfect camera; 1: a bad phone in bad light. resolution (B,): share of the pixels' resolution that
    is left (1 keeps all), for crops of hands that are small in their image. grain: draws the sensor's noise in place of
    `rng`, for frames of one camera, which differ in nothing else.
    """
    count = light.shape[0]
    images = to_srgb(light)
    if strength <= 0:
        return images.clamp(0, 1)
    images = blur(images, lens_kernels(rng, count, strength))
    if resolution is not None:
        images = coarsen(images, resolution)
    # A phone's sharpening, which leaves halos along edges.
    halo = images - F.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    images = images + halo * rng.uniform(0, 1, count, 1, 1, 1) ** 2 * 1.5 * strength
    images = _with_sensor_noise(rng, _graded(rng, images, strength), strength, grain or rng)
    compressed = torch.nonzero(rng.chance(0.7 * strength, count))[:, 0]
    if len(compressed):
        quality = 100 - rng.uniform(0, 1, len(compressed)) ** 1.3 * (25 + 55 * strength)
        images[compressed] = jpeg(images[compressed], quality)
    return images.clamp(0, 1)


def _graded(rng: Rng, images: Tensor, strength: float) -> Tensor:
    """Images (B, 3, H, W) with another contrast, saturation (sometimes none), white balance and brightness."""
    count = len(images)
    mean = images.mean((1, 2, 3), keepdim=True)
    images = mean + (images - mean) * (1 + rng.normal(0.18 * strength, count, 1, 1, 1)).clamp(0.4, 1.7)
    grey = images.mean(1, keepdim=True)
    saturation = (1 + rng.normal(0.22 * strength, count, 1, 1, 1)).clamp(0, 1.8)
    saturation = torch.where(rng.chance(0.04 * strength, count, 1, 1, 1), torch.zeros_like(saturation), saturation)
    images = grey + (images - grey) * saturation
    return images * (1 + rng.normal(0.06 * strength, count, 3, 1, 1)) + rng.normal(0.03 * strength, count, 1, 1, 1)


def _with_sensor_noise(rng: Rng, images: Tensor, strength: float, grain: Rng) -> Tensor:
    """Images (B, 3, H, W) with coloured and grey noise from `grain`, in 0..1; `rng` draws how strong it is."""
    count, _, height, width = images.shape
    noisy = rng.uniform(0, 1, count, 1, 1, 1) ** 3 * 0.09 * strength
    colored = grain.normal(1.0, count, 3, height, width)
    grey = grain.normal(1.0, count, 1, height, width)
    return (images + noisy * (0.6 * colored + 0.6 * grey)).clamp(0, 1)
