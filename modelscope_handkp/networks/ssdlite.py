"""SSDLite-MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381), with mmdet 2.x's state-dict keys."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..model_dir.config import building
from ..model_dir.ssdlite_settings import LevelSettings, SSDLiteSettings

# MobileNetV2's layers: expansion, channels, blocks, stride
LAYERS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
STEM_CHANNELS = 32
LAST_CHANNELS = 1280
BN_EPS = 1e-3
BN_MOMENTUM = 0.03


class ConvBN(nn.Module):
    """Convolution, batch norm and, if asked, ReLU6."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int = 1, padding: int | None = None, groups: int = 1,
                 act: bool = True) -> None:  # fmt: skip
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(cin, cout, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.act = nn.ReLU6(inplace=True) if act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, cin, H, W) -> (N, cout, H / stride, W / stride)."""
        out: Tensor = self.act(self.bn(self.conv(x)))
        return out


class InvertedResidual(nn.Module):
    """Expand, depthwise 3x3, project: (N, cin, H, W) -> (N, cout, H / stride, W / stride)."""

    def __init__(self, cin: int, cout: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = cin * expansion
        self.shortcut = stride == 1 and cin == cout
        self.expand_conv = ConvBN(cin, wide, 1) if expansion != 1 else nn.Identity()
        self.depthwise_conv = ConvBN(wide, wide, 3, stride, groups=wide)
        self.linear_conv = ConvBN(wide, cout, 1, act=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, cin, H, W) -> (N, cout, H / stride, W / stride)."""
        out: Tensor = self.linear_conv(self.depthwise_conv(self.expand_conv(x)))
        return x + out if self.shortcut else out


class DepthwiseSeparable(nn.Module):
    """Depthwise 3x3, then 1x1: (N, cin, H, W) -> (N, cout, about H / stride, W / stride)."""

    def __init__(self, cin: int, cout: int, stride: int, padding: int) -> None:
        super().__init__()
        self.depthwise_conv = ConvBN(cin, cin, 3, stride, padding, groups=cin)
        self.pointwise_conv = ConvBN(cin, cout, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, cin, H, W) -> (N, cout, h, w)."""
        out: Tensor = self.pointwise_conv(self.depthwise_conv(x))
        return out


class MobileNetV2(nn.Module):
    """(N, 3, H, W) -> the outputs of the layers in ``out_indices``, counted from 0; 7 is the last convolution."""

    def __init__(self, out_indices: Sequence[int]) -> None:
        super().__init__()
        self.out_indices = tuple(out_indices)
        self.conv1 = ConvBN(3, STEM_CHANNELS, 3, stride=2)
        cin, layers = STEM_CHANNELS, []
        for number, (expansion, channels, blocks, stride) in enumerate(LAYERS, start=1):
            chain = [InvertedResidual(cin, channels, stride, expansion)]
            chain += [InvertedResidual(channels, channels, 1, expansion) for _ in range(blocks - 1)]
            self.add_module(f"layer{number}", nn.Sequential(*chain))
            layers.append(f"layer{number}")
            cin = channels
        self.conv2 = ConvBN(cin, LAST_CHANNELS, 1)
        self.layers = (*layers, "conv2")

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images (N, 3, H, W) -> the maps of ``out_indices``."""
        x, outputs = self.conv1(x), []
        for index, name in enumerate(self.layers):
            x = getattr(self, name)(x)
            if index in self.out_indices:
                outputs.append(x)
        return outputs


class SSDNeck(nn.Module):
    """Adds smaller maps: each from the one before, ``strides[i]`` times smaller."""

    def __init__(
        self, cin: Sequence[int], cout: Sequence[int], strides: Sequence[int], paddings: Sequence[int]
    ) -> None:
        super().__init__()
        widths = cout[len(cin) - 1 :]
        self.extra_layers = nn.ModuleList(
            nn.Sequential(ConvBN(before, after // 2, 1), DepthwiseSeparable(after // 2, after, stride, padding))
            for before, after, stride, padding in zip(widths[:-1], widths[1:], strides, paddings)
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """The backbone's maps -> those and the added ones."""
        outputs = list(features)
        for layer in self.extra_layers:
            outputs.append(layer(outputs[-1]))
        return outputs


class SSDHead(nn.Module):
    """Maps -> class logits (N, anchors * 2, h, w) and box deltas (N, anchors * 4, h, w), level by level."""

    def __init__(self, channels: Sequence[int], anchors: Sequence[int]) -> None:
        super().__init__()
        self.cls_convs = nn.ModuleList(_predictor(c, count * 2) for c, count in zip(channels, anchors))
        self.reg_convs = nn.ModuleList(_predictor(c, count * 4) for c, count in zip(channels, anchors))

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """The neck's maps -> logits and deltas of each."""
        logits = [conv(x) for conv, x in zip(self.cls_convs, features)]
        return logits, [conv(x) for conv, x in zip(self.reg_convs, features)]


def _predictor(cin: int, cout: int) -> nn.Sequential:
    return nn.Sequential(ConvBN(cin, cin, 3, groups=cin), nn.Conv2d(cin, cout, 1))


class SSDLite(nn.Module):
    """(N, 3, S, S) RGB, normalised -> class logits and box deltas of `SSDHead`; the background is the last class.

    Attributes:
        input_sizes: S, pixels; one or several, at each of which an image is searched.
    """

    def __init__(self, settings: SSDLiteSettings) -> None:
        super().__init__()
        self.backbone = MobileNetV2(settings.out_indices)
        self.neck = SSDNeck(settings.neck_in, settings.neck_out, settings.neck_strides, settings.neck_paddings)
        self.bbox_head = SSDHead(settings.neck_out, [level.anchors for level in settings.levels])
        self.input_sizes = settings.input_sizes
        self._anchors = {size: self._level_anchors(settings.levels, size) for size in self.input_sizes}

    def forward(self, img: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Images (N, 3, S, S) -> logits and deltas of each level."""
        logits, deltas = self.bbox_head(self.neck(self.backbone(img)))
        return logits, deltas

    def level_anchors(self, size: int) -> list[NDArray[np.float32]]:
        """Anchors of each level at an input size, (h * w * anchors, 4) xyxy in its pixels, the anchor innermost."""
        return [anchors.copy() for anchors in self._anchors[size]]

    def anchors(self, size: int) -> NDArray[np.float32]:
        """`level_anchors`, one after another: (3234, 4) at 320 pixels."""
        return np.concatenate(self.level_anchors(size))

    def _level_anchors(self, levels: Sequence[LevelSettings], size: int) -> list[NDArray[np.float32]]:
        """The network itself says how large the maps of its levels are."""
        self.eval()
        with torch.no_grad():
            logits, _ = self(torch.zeros(1, 3, size, size))
        self.train()
        return [
            _grid(_base_anchors(level), level.stride, maps.shape[2], maps.shape[3])
            for maps, level in zip(logits, levels)
        ]


def _base_anchors(level: LevelSettings) -> NDArray[np.float64]:
    """(anchors, 2) width, height: a square, a larger square, then 1/r and r (height / width) for each ratio."""
    low = level.min_size
    squares = [(low, low), (math.sqrt(low * level.max_size),) * 2]
    slopes = [slope for ratio in level.ratios for slope in (1 / ratio, ratio)]
    return np.array(squares + [(low / math.sqrt(slope), low * math.sqrt(slope)) for slope in slopes])


def _grid(base: NDArray[np.float64], stride: float, height: int, width: int) -> NDArray[np.float32]:
    """``base`` around every place of a map of ``height`` x ``width``, (h * w * anchors, 4) xyxy."""
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    centers = (np.stack([x, y], axis=-1)[:, :, None] + 0.5) * stride
    boxes = np.concatenate([centers - base / 2, centers + base / 2], axis=-1)
    return boxes.reshape(-1, 4).astype(np.float32)


def build_ssdlite(settings: SSDLiteSettings) -> SSDLite:
    """The network with PyTorch's own untrained weights, float32, in training mode.

    Raises:
        ConfigError: settings that do not make a network.
    """
    with building("the hand detector's configuration"):
        return SSDLite(settings).float()
