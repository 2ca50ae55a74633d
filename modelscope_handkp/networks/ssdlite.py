"""SSDLite-MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381), with mmdet 2.x's state-dict keys."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..errors import ConfigError
from ..model_dir.config import check_weights, require

# MobileNetV2's layers: expansion, channels, blocks, stride
LAYERS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
STEM_CHANNELS = 32
LAST_CHANNELS = 1280
BN_EPS = 1e-3
BN_MOMENTUM = 0.03
MAX_INPUT, MAX_STRIDE = 1024, 8  # of a configuration: pixels of the input, and from one level to the next
MAX_SCALES = 4  # input sizes at which a picture is looked at


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
        out: Tensor = self.act(self.bn(self.conv(x)))
        return out


class InvertedResidual(nn.Module):
    def __init__(self, cin: int, cout: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = cin * expansion
        self.shortcut = stride == 1 and cin == cout
        self.expand_conv = ConvBN(cin, wide, 1) if expansion != 1 else nn.Identity()
        self.depthwise_conv = ConvBN(wide, wide, 3, stride, groups=wide)
        self.linear_conv = ConvBN(wide, cout, 1, act=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear_conv(self.depthwise_conv(self.expand_conv(x)))
        return x + out if self.shortcut else out


class DepthwiseSeparable(nn.Module):
    def __init__(self, cin: int, cout: int, stride: int, padding: int) -> None:
        super().__init__()
        self.depthwise_conv = ConvBN(cin, cin, 3, stride, padding, groups=cin)
        self.pointwise_conv = ConvBN(cin, cout, 1)

    def forward(self, x: Tensor) -> Tensor:
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
        logits = [conv(x) for conv, x in zip(self.cls_convs, features)]
        return logits, [conv(x) for conv, x in zip(self.reg_convs, features)]


def _predictor(cin: int, cout: int) -> nn.Sequential:
    return nn.Sequential(ConvBN(cin, cin, 3, groups=cin), nn.Conv2d(cin, cout, 1))


class SSDLite(nn.Module):
    """(N, 3, S, S) RGB, normalised -> class logits and box deltas of `SSDHead`; the background is the last class.

    Attributes:
        input_sizes: S, pixels; one or several, at each of which a picture is to be looked at.
    """

    def __init__(self, backbone: MobileNetV2, neck: SSDNeck, bbox_head: SSDHead, generator: dict[str, Any],
                 input_sizes: Sequence[int]) -> None:  # fmt: skip
        super().__init__()
        self.backbone, self.neck, self.bbox_head = backbone, neck, bbox_head
        self.input_sizes = tuple(input_sizes)
        self._anchors = {size: self._level_anchors(generator, size) for size in self.input_sizes}

    def forward(self, img: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        logits, deltas = self.bbox_head(self.neck(self.backbone(img)))
        return logits, deltas

    def level_anchors(self, size: int) -> list[NDArray[np.float32]]:
        """Anchors of each level at an input size, (h * w * anchors, 4) xyxy in its pixels, the anchor innermost."""
        return [anchors.copy() for anchors in self._anchors[size]]

    def _level_anchors(self, generator: dict[str, Any], size: int) -> list[NDArray[np.float32]]:
        """The network itself says how large its levels are."""
        self.eval()
        with torch.no_grad():
            logits, _ = self(torch.zeros(1, 3, size, size))
        self.train()
        return [
            _grid(_base_anchors(low, high, ratios), stride, level.shape[2], level.shape[3])
            for level, stride, low, high, ratios in zip(logits, *_anchor_settings(generator))
        ]

    def anchors(self, size: int) -> NDArray[np.float32]:
        """`level_anchors`, one after another: (3234, 4) at 320 pixels."""
        return np.concatenate(self.level_anchors(size))


def _anchor_settings(generator: dict[str, Any]) -> tuple[Any, Any, Any, Any]:
    strides, low, high, ratios = (require(generator, key) for key in ("strides", "min_sizes", "max_sizes", "ratios"))
    if not len(strides) == len(low) == len(high) == len(ratios):
        raise ConfigError("the anchor_generator's strides, ratios, min_sizes and max_sizes differ in length.")
    return strides, low, high, ratios


def _base_anchors(low: float, high: float, ratios: Sequence[float]) -> NDArray[np.float64]:
    """(anchors, 2) width, height: a square, a larger square, then 1/r and r (height / width) for each ratio."""
    squares = [(low, low), (math.sqrt(low * high),) * 2]
    slopes = [slope for ratio in ratios for slope in (1 / ratio, ratio)]
    return np.array(squares + [(low / math.sqrt(slope), low * math.sqrt(slope)) for slope in slopes])


def _grid(base: NDArray[np.float64], stride: float, height: int, width: int) -> NDArray[np.float32]:
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    centers = (np.stack([x, y], axis=-1)[:, :, None] + 0.5) * stride
    boxes = np.concatenate([centers - base / 2, centers + base / 2], axis=-1)
    return boxes.reshape(-1, 4).astype(np.float32)


def build_detector(config: dict[str, Any]) -> SSDLite:
    """The network that a ``detection/config.py`` describes, with PyTorch's own untrained weights.

    Raises:
        ConfigError: a missing key, or an architecture that is not known here, named.
    """
    known = {"model.type": "SingleStageDetector", "model.backbone.type": "MobileNetV2", "model.neck.type": "SSDNeck",
             "model.bbox_head.type": "SSDHead", "model.bbox_head.num_classes": 1}  # fmt: skip
    for key, value in known.items():
        if require(config, key) != value:
            raise ConfigError(
                f"the hand detector's {key} {require(config, key)!r:.80} is not supported (only {value!r} is); pass "
                "detector=, any callable image -> (boxes, scores)."
            )
    neck, head = require(config, "model.neck"), require(config, "model.bbox_head")
    generator = require(head, "anchor_generator")
    try:
        anchors = [2 + 2 * len(ratios) for ratios in _anchor_settings(generator)[3]]
        _check_levels(neck, head, anchors)
        return SSDLite(
            MobileNetV2(require(config, "model.backbone.out_indices")),
            SSDNeck(
                *(require(neck, key) for key in ("in_channels", "out_channels", "level_strides", "level_paddings"))
            ),
            SSDHead(require(head, "in_channels"), anchors),
            generator,
            _input_sizes(config),
        )
    except ConfigError:
        raise
    except Exception as error:  # Python and torch raise anything on values of a wrong kind
        raise ConfigError(
            f"the hand detector's configuration cannot be built: {type(error).__name__}: {error}."
        ) from error


def _check_levels(neck: dict[str, Any], head: dict[str, Any], anchors: Sequence[int]) -> None:
    widths, steps = require(neck, "out_channels"), require(neck, "level_strides") + require(neck, "level_paddings")
    if require(head, "in_channels") != widths or len(anchors) != len(widths):
        raise ConfigError(f"the hand detector's neck gives widths {widths}; its head and anchors do not fit.")
    if not all(0 <= step <= MAX_STRIDE for step in steps):
        raise ConfigError(
            f"the hand detector's level_strides and level_paddings are at most {MAX_STRIDE}, got {steps}."
        )
    check_weights(sum(width * (width + 6 * count) for width, count in zip(widths, anchors)), "the hand detector")


def _input_sizes(config: dict[str, Any]) -> list[int]:
    """Of ``img_scale``: one (S, S), or a list of several, as mmdet takes it."""
    scales = require(require(config, "test_pipeline")[0], "img_scale")
    if not isinstance(scales[0], (list, tuple)):
        scales = [scales]
    if len(scales) > MAX_SCALES:
        raise ConfigError(f"the hand detector's img_scale has {len(scales)} sizes, at most {MAX_SCALES} are supported.")
    for width, height in scales:
        if width != height or not 0 < width <= MAX_INPUT:
            raise ConfigError(f"the hand detector's img_scale {width} x {height} is not square, or above {MAX_INPUT}.")
    return [int(width) for width, _ in scales]
