"""Test-time augmentation: flip and rotation test around any engine."""

import functools
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..arrays import Array
from ..engines.base import Engine
from ..model_dir.settings import ViewSettings

OVERLAP_BLOCK = 16  # floats that one step of an in-place CPU copy moves


class MultiView:
    """An engine that averages the heatmaps of several views of each crop; all views go through in one batch.

    Args:
        engine: crops (N, 3, H, W) float32 -> a tuple whose first array are heatmaps (N, K, h, w).
        settings: which views. With ``rotation`` two more views are rotated, one to each side; with ``flip`` the second
            of them is mirrored.
    """

    def __init__(self, engine: Engine, settings: ViewSettings) -> None:
        self.engine = engine
        self.shift = settings.shift
        self.views = [(0.0, False)] + [(0.0, True)] * settings.flip  # degrees, mirrored
        if settings.rotation:
            self.views += [(settings.rotation, False), (-settings.rotation, settings.flip)]

    @property
    def is_one(self) -> bool:
        """Whether there is only the crop itself."""
        return len(self.views) == 1

    def __call__(self, crops: Tensor) -> tuple[Tensor]:
        """Crops (N, 3, H, W), RGB and normalised -> (heatmaps (N, K, h, w),), each in the place of its crop."""
        if self.is_one:
            return (torch.as_tensor(self.engine(crops)[0]),)
        rotated = [rotate(crops, degrees) for degrees, _ in self.views]
        seen = [view.flip(3) if mirrored else view for view, (_, mirrored) in zip(rotated, self.views)]
        together = torch.as_tensor(self.engine(torch.cat(seen))[0])
        heatmaps = together.reshape(len(seen), crops.shape[0], *together.shape[1:])
        return (torch.stack([self._undo(*view, crops) for view in zip(heatmaps, self.views)]).mean(0),)

    def _undo(self, heatmaps: Tensor, view: tuple[float, bool], crops: Tensor) -> Tensor:
        """The heatmaps of one view, mirrored and rotated back to the crops."""
        degrees, mirrored = view
        if mirrored:
            heatmaps = heatmaps.flip(3)
            if self.shift:
                heatmaps = shift_exactly(heatmaps) if self.shift == "exact" else shift_as_easycv(heatmaps)
        center = 1 / heatmaps.shape[3] - 1 / crops.shape[3], 1 / heatmaps.shape[2] - 1 / crops.shape[2]
        return rotate(heatmaps, -degrees, center)


def rotate(maps: Tensor, degrees: float, center: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    """Images or heatmaps (N, C, H, W), rotated counter-clockwise about a point, bilinear; 0 beyond the border.

    Args:
        degrees: 0 gives the maps themselves.
        center: x, y from the middle, in half sides. A crop's middle lies in its heatmap 1/w - 1/W right of the middle,
            since heatmap pixel x stands for crop pixel x W/w.
    """
    if not degrees:
        return maps
    grid = torch.from_numpy(_grid(int(maps.shape[2]), int(maps.shape[3]), degrees, center)).to(maps)
    return F.grid_sample(maps, grid.expand(maps.shape[0], -1, -1, -1), align_corners=False)


@functools.lru_cache(maxsize=32)
def _grid(height: int, width: int, degrees: float, center: tuple[float, float]) -> Array:
    """(1, height, width, 2): where each pixel of a rotated map comes from, as `F.grid_sample` takes it.

    A constant, so that exported networks need no operator that makes it.
    """
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rows = torch.tensor([[cos, -sin * height / width], [sin * width / height, cos]])
    moved = torch.tensor(center) - rows @ torch.tensor(center)
    source = torch.cat([rows, moved[:, None]], dim=1)[None]
    return np.asarray(F.affine_grid(source, [1, 1, height, width], align_corners=False).numpy())


def shift_exactly(heatmaps: Tensor) -> Tensor:
    """(N, K, H, W) one pixel to the right; column 0 stays."""
    return torch.cat([heatmaps[..., :1], heatmaps[..., :-1]], dim=3)


def shift_as_easycv(heatmaps: Tensor) -> Tensor:
    """`shift_exactly` with the flaw that the hosted model's published numbers were made with.

    EasyCV copies ``heatmaps[..., :-1]`` onto ``heatmaps[..., 1:]`` in place, source and target overlapping. The copy
    runs in blocks of `OVERLAP_BLOCK` columns: the first column of each further block gets its neighbour's value, and
    all columns after the last whole block get one and the same. 64 columns lose their right quarter, 32 their half.
    """
    last = int(heatmaps.shape[3]) - 1
    whole = last // OVERLAP_BLOCK * OVERLAP_BLOCK
    parts = [heatmaps[..., :1]]
    for start in range(0, whole, OVERLAP_BLOCK):
        before = max(start - 1, 0)
        parts += [heatmaps[..., before : before + 1], heatmaps[..., start + 1 : start + OVERLAP_BLOCK]]
    stuck = max(whole - 1, 0)
    parts.append(heatmaps[..., stuck : stuck + 1].expand(-1, -1, -1, last - whole))
    return torch.cat(parts, dim=3)
