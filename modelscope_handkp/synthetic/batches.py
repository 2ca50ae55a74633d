"""Batches of crops and of whole images: where hands go and how large they are.

`render_crops` gives batches as a keypoint network sees them, `render_batch` whole images with any number of hands,
`render_image` one such image as OpenCV would have read it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..arrays import Array, Image
from ..geometry.boxes import BOX_PADDING
from .levels import Level, get_level
from .poses import get_gesture_poses
from .rng import Rng
from .scene import Rendered, only, render

LEAST_SHOWN = 0.25  # share of a hand's joints; people do not annotate what shows less
_CLEAR, _TRIES = 0.9, 16  # share of a hand's joints that nothing covers; renderings of an image until that is so


def render_crops(rng: Rng, count: int, size: int = 128, level: str | Level = "medium", jitter: float = 1.0,
                 gesture: str | None = None) -> Rendered:  # fmt: skip
    """`count` square crops with one hand each (sometimes a second one near it), as a detector's boxes would cut them.

    Hand i is the annotated one of image i. Its box fills 1 / 1.25 of the crop of `size` px; `jitter` 1 moves and scales
    it as an inexact detector would, 0 leaves it exact. `level`: see `Level`; gesture: as in `render_batch`; values as
    in `Rendered`.

    Raises:
        InputError: no level or no gesture has that name.
    """
    level = get_level(level)
    fill = size / BOX_PADDING
    extent = fill * (rng.normal(0.13 * jitter, count)).exp().clamp(0.65, 1.4)
    middle = (size - 1) / 2 + rng.normal(0.055 * jitter * size, count, 2)
    also = torch.nonzero(rng.chance(0.16 * level.clutter, count))[:, 0]
    side = rng.uniform(0, 6.2832, len(also))
    away = torch.stack([side.cos(), side.sin()], 1) * fill * rng.uniform(0.4, 0.9, len(also), 1)
    image_index = torch.cat([also, torch.arange(count, device=rng.device)])
    target = torch.cat([middle[also] + away, middle])
    extents = torch.cat([extent[also] * rng.uniform(0.7, 1.2, len(also)), extent])
    natural = rng.log_uniform(max(level.hand_px[0], 16.0), 260, count)
    resolution = (natural / fill).clamp(max=1.0) if level.camera > 0 else None
    full = render(rng, level, (size, size), count, image_index, target, extents, resolution, gesture=gesture)
    return only(full, slice(len(also), None))


def scatter_hands(rng: Rng, level: Level, size: tuple[int, int], amounts: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Places and sizes of `amounts[i]` hands in image i of `size` (width, height) px, apart where there is room.

    Returns image_index (N,), the centres (N, 2) and the long sides (N,) of the hands' boxes, px.
    """
    largest = min(level.hand_px[1], 0.85 * min(size))
    smallest = min(level.hand_px[0], largest * 0.9)
    image_index, targets, extents = [], [], []
    for index, amount in enumerate(amounts):
        taken: list[tuple[float, float, float]] = []
        ceiling = largest / max(1.0, (amount * 0.55) ** 0.5)
        for extent in rng.log_uniform(smallest, max(ceiling, smallest * 1.1), amount).tolist() if amount else []:
            taken.append((*_free_place(rng, size, extent, taken), extent))
        for x, y, extent in taken:
            image_index.append(index)
            targets.append((x, y))
            extents.append(extent)
    device = rng.device
    places = torch.tensor(targets, device=device).reshape(-1, 2)
    return torch.tensor(image_index, dtype=torch.int64, device=device), places, torch.tensor(extents, device=device)


def _free_place(
    rng: Rng, size: tuple[int, int], extent: float, taken: list[tuple[float, float, float]]
) -> tuple[float, float]:
    """The first of a few random centres whose square of side `extent` touches none of `taken` (x, y, side), or else
    the one with the widest gap to them."""
    width, height = size
    best, best_gap = (width / 2, height / 2), -math.inf
    for u, v in rng.uniform(0, 1, 8, 2).tolist():
        x, y = extent * 0.4 + u * (width - extent * 0.8), extent * 0.4 + v * (height - extent * 0.8)
        gap = min([max(abs(x - a), abs(y - b)) - (extent + c) / 2 for a, b, c in taken], default=math.inf)
        if gap > best_gap:
            best, best_gap = (x, y), gap
        if gap > 0:
            break
    return best


def render_batch(
    rng: Rng,
    amounts: list[int],
    size: tuple[int, int] = (320, 320),
    level: str | Level = "medium",
    backdrops: Tensor | None = None,
    gesture: str | None = None,
) -> Rendered:
    """Whole images with `amounts[i]` hands in image i; size (width, height) px.

    backdrops (len(amounts), 3, H, W), sRGB in 0..1: images, such as photographs without hands, to show the hands in
    front of; None draws them. Hands of which less than a quarter shows, behind others or objects, are drawn and not
    annotated. gesture: one of poses.GESTURE_POSES, that all hands show; None: any poses.

    Raises:
        InputError: no level or no gesture has that name.
    """
    level = get_level(level)
    image_index, target, extent = scatter_hands(rng, level, size, amounts)
    result = render(rng, level, size, len(amounts), image_index, target, extent, backdrops=backdrops, gesture=gesture)
    return only(result, result.shown >= LEAST_SHOWN)


def render_image(
    seed: int,
    size: tuple[int, int] = (640, 480),
    hands: int = 1,
    level: str | Level = "medium",
    gesture: str | None = None,
) -> tuple[Image, Array, Array]:
    """One image (H, W, 3) uint8 BGR, its keypoints (N, 21, 3): x, y px and 0, 1 or 2 as in `Rendered`, and boxes
    (N, 4) xyxy px; N is `hands`, or less where some do not show (`render_batch`).

    size (width, height) px. Same seed, same image. At a level without occlusion hands and arms do not cover one
    another, either, if there is room. gesture: as in `render_batch`.

    Raises:
        InputError: no level or no gesture has that name.
    """
    rng, level = Rng(seed), get_level(level)
    if gesture is not None:
        get_gesture_poses(gesture)  # also where there are no hands
    with torch.no_grad():
        for _ in range(_TRIES if hands > 1 and not level.occlusion else 1):
            result = render_batch(rng, [hands], size, level, None, gesture)
            if len(result.shown) == hands and (result.shown >= _CLEAR).all():
                break
    return to_bgr(result.images)[0], result.keypoints.numpy(), result.boxes.numpy()


def to_bgr(images: Tensor) -> Image:
    """(B, 3, H, W) RGB in 0..1 -> (B, H, W, 3) uint8 BGR."""
    scaled: Image = (images.flip(1).permute(0, 2, 3, 1) * 255 + 0.5).to(torch.uint8).contiguous().cpu().numpy()
    return scaled
