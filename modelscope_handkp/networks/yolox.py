"""YOLOX (Ge et al. 2021, arXiv:2107.08430): CSPDarknet, PAFPN and a decoupled head, with YOLOX's state-dict keys."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..model_dir.config import building
from ..model_dir.yolox_settings import YOLOXSettings

STRIDES = (8, 16, 32)  # input pixels from one place to the next, level by level
BOX_CHANNELS = 5  # of a level: centre x, centre y, width, height, objectness; the classes follow
STEM_CHANNELS = 64  # at width 1; each stage doubles them
STAGE_BLOCKS = 3  # at depth 1
POOLS = (5, 9, 13)  # kernels of the spatial pyramid pooling
BN_EPS = 1e-3
BN_MOMENTUM = 0.03


class ConvBN(nn.Module):
    """Convolution, batch norm and SiLU."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(cout, eps=BN_EPS, momentum=BN_MOMENTUM)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(N, cin, H, W) -> (N, cout, H / stride, W / stride)."""
        out: Tensor = self.act(self.bn(self.conv(x)))
        return out


class DepthwiseSeparable(nn.Module):
    """A depthwise convolution, then 1x1: (N, cin, H, W) -> (N, cout, H / stride, W / stride)."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.dconv = ConvBN(cin, cin, kernel, stride, groups=cin)
        self.pconv = ConvBN(cin, cout, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, cin, H, W) -> (N, cout, H / stride, W / stride)."""
        out: Tensor = self.pconv(self.dconv(x))
        return out


def _conv3x3(cin: int, cout: int, stride: int, depthwise: bool) -> nn.Module:
    return DepthwiseSeparable(cin, cout, 3, stride) if depthwise else ConvBN(cin, cout, 3, stride)


class Bottleneck(nn.Module):
    """1x1, then 3x3, around both a shortcut if asked: (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int, shortcut: bool, depthwise: bool) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.conv1 = ConvBN(channels, channels, 1)
        self.conv2 = _conv3x3(channels, channels, 1, depthwise)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        out: Tensor = self.conv2(self.conv1(x))
        return x + out if self.shortcut else out


class CSPLayer(nn.Module):
    """Half of the channels through ``blocks`` bottlenecks, half past them: (N, cin, H, W) -> (N, cout, H, W)."""

    def __init__(self, cin: int, cout: int, blocks: int, depthwise: bool, shortcut: bool = False) -> None:
        super().__init__()
        half = cout // 2
        self.conv1 = ConvBN(cin, half, 1)
        self.conv2 = ConvBN(cin, half, 1)
        self.conv3 = ConvBN(2 * half, cout, 1)
        self.m = nn.Sequential(*(Bottleneck(half, shortcut, depthwise) for _ in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        """(N, cin, H, W) -> (N, cout, H, W)."""
        through, beside = self.conv1(x), self.conv2(x)
        out: Tensor = self.conv3(torch.cat([self.m(through), beside], 1))
        return out


class SpatialPyramidPooling(nn.Module):
    """Each place beside the maxima of its surroundings (He et al. 2015): (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = ConvBN(channels, half, 1)
        self.m = nn.ModuleList(nn.MaxPool2d(kernel, 1, kernel // 2) for kernel in POOLS)
        self.conv2 = ConvBN(half * (1 + len(POOLS)), channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        x = self.conv1(x)
        out: Tensor = self.conv2(torch.cat([x, *(pool(x) for pool in self.m)], 1))
        return out


class Focus(nn.Module):
    """Each 2x2 square of pixels as one place: (N, 3, H, W), H and W even -> (N, cout, H / 2, W / 2)."""

    def __init__(self, cout: int) -> None:
        super().__init__()
        self.conv = ConvBN(4 * 3, cout, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, cout, H / 2, W / 2)."""
        squares = [x[..., row::2, column::2] for column in (0, 1) for row in (0, 1)]
        out: Tensor = self.conv(torch.cat(squares, 1))
        return out


class CSPDarknet(nn.Module):
    """(N, 3, H, W), H and W multiples of 32 -> maps of 4, 8 and 16 times ``channels``, on `STRIDES`."""

    def __init__(self, channels: int, blocks: int, depthwise: bool) -> None:
        super().__init__()
        self.stem = Focus(channels)
        self.dark2 = self._stage(2 * channels, blocks, depthwise)
        self.dark3 = self._stage(4 * channels, 3 * blocks, depthwise)
        self.dark4 = self._stage(8 * channels, 3 * blocks, depthwise)
        wide = 16 * channels
        self.dark5 = nn.Sequential(
            _conv3x3(wide // 2, wide, 2, depthwise),
            SpatialPyramidPooling(wide),
            CSPLayer(wide, wide, blocks, depthwise),
        )

    @staticmethod
    def _stage(channels: int, blocks: int, depthwise: bool) -> nn.Sequential:
        down = _conv3x3(channels // 2, channels, 2, depthwise)
        return nn.Sequential(down, CSPLayer(channels, channels, blocks, depthwise, shortcut=True))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images (N, 3, H, W) -> the maps of dark3, dark4 and dark5."""
        dark3 = self.dark3(self.dark2(self.stem(x)))
        dark4 = self.dark4(dark3)
        return [dark3, dark4, self.dark5(dark4)]


class PAFPN(nn.Module):
    """The backbone and a path aggregation network (Liu et al. 2018): coarse maps into fine ones, and back.

    (N, 3, H, W) -> maps of 4, 8 and 16 times ``channels``, on `STRIDES`.
    """

    def __init__(self, channels: int, blocks: int, depthwise: bool) -> None:
        super().__init__()
        fine, middle, coarse = (multiple * channels for multiple in (4, 8, 16))
        self.backbone = CSPDarknet(channels, blocks, depthwise)
        self.lateral_conv0 = ConvBN(coarse, middle, 1)
        self.C3_p4 = CSPLayer(2 * middle, middle, blocks, depthwise)
        self.reduce_conv1 = ConvBN(middle, fine, 1)
        self.C3_p3 = CSPLayer(2 * fine, fine, blocks, depthwise)
        self.bu_conv2 = _conv3x3(fine, fine, 2, depthwise)
        self.C3_n3 = CSPLayer(2 * fine, middle, blocks, depthwise)
        self.bu_conv1 = _conv3x3(middle, middle, 2, depthwise)
        self.C3_n4 = CSPLayer(2 * middle, coarse, blocks, depthwise)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images (N, 3, H, W) -> the maps of the three levels."""
        dark3, dark4, dark5 = self.backbone(x)
        lateral = self.lateral_conv0(dark5)
        reduced = self.reduce_conv1(self.C3_p4(torch.cat([_doubled(lateral), dark4], 1)))
        fine = self.C3_p3(torch.cat([_doubled(reduced), dark3], 1))
        middle = self.C3_n3(torch.cat([self.bu_conv2(fine), reduced], 1))
        coarse = self.C3_n4(torch.cat([self.bu_conv1(middle), lateral], 1))
        return [fine, middle, coarse]


def _doubled(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


class YOLOXHead(nn.Module):
    """Maps (N, C, h, w) -> (N, 5 + classes, h, w), level by level; boxes and classes have branches of their own."""

    def __init__(self, channels: Sequence[int], width: int, classes: int, depthwise: bool) -> None:
        super().__init__()
        self.stems = nn.ModuleList(ConvBN(cin, width, 1) for cin in channels)
        self.cls_convs, self.reg_convs = (
            nn.ModuleList(nn.Sequential(*(_conv3x3(width, width, 1, depthwise) for _ in range(2))) for _ in channels)
            for _ in range(2)
        )
        self.cls_preds, self.reg_preds, self.obj_preds = (
            nn.ModuleList(nn.Conv2d(width, cout, 1) for _ in channels) for cout in (classes, 4, 1)
        )

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """The three maps -> those of `YOLOX`."""
        return [self._level(level, x) for level, x in enumerate(features)]

    def _level(self, level: int, x: Tensor) -> Tensor:
        x = self.stems[level](x)
        classes = self.cls_preds[level](self.cls_convs[level](x))
        boxes = self.reg_convs[level](x)
        return torch.cat([self.reg_preds[level](boxes), self.obj_preds[level](boxes), classes], 1)


class YOLOX(nn.Module):
    """Images (N, 3, H, W), H and W multiples of 32 -> a map (N, 5 + classes, H / s, W / s) for each s of `STRIDES`.

    The channels of a place are its box's centre x and y from the place's upper left corner, in strides, the logarithms
    of the box's width and height in strides, and the logits of its objectness and of each class.
    """

    def __init__(self, settings: YOLOXSettings) -> None:
        super().__init__()
        channels = int(STEM_CHANNELS * settings.width)
        widths = [multiple * channels for multiple in (4, 8, 16)]
        self.backbone = PAFPN(channels, max(round(STAGE_BLOCKS * settings.depth), 1), settings.depthwise)
        self.head = YOLOXHead(widths, widths[0], settings.num_classes, settings.depthwise)

    def forward(self, img: Tensor) -> list[Tensor]:
        """Images (N, 3, H, W) -> the maps of the three levels."""
        maps: list[Tensor] = self.head(self.backbone(img))
        return maps


def build_yolox(settings: YOLOXSettings) -> YOLOX:
    """The network with PyTorch's own untrained weights, float32, in training mode.

    Raises:
        ConfigError: settings that do not make a network.
    """
    with building("the hand detector's configuration"):
        return YOLOX(settings).float()
