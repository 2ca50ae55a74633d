"""HRNetV2 (Sun et al. 2019, arXiv:1904.04514), with the state-dict keys of EasyCV and mmpose."""

from collections.abc import Sequence

from torch import Tensor, nn

from ..model_dir.settings import BLOCK_EXPANSION, BackboneSettings, StageSettings

STEM_CHANNELS = 64

Upsample = tuple[str, bool | None]  # mode and align_corners of nn.Upsample


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut: (N, in, H, W) -> (N, channels, H, W)."""

    expansion = BLOCK_EXPANSION["BASIC"]

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(in_channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, channels, H, W)."""
        out: Tensor = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out = self.relu(out + (x if self.downsample is None else self.downsample(x)))
        return out


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions around a shortcut: (N, in, H, W) -> (N, 4 * channels, H, W)."""

    expansion = BLOCK_EXPANSION["BOTTLENECK"]

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        out_channels = channels * self.expansion
        self.conv1 = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _projection(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in, H, W) -> (N, 4 * channels, H, W)."""
        out: Tensor = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        out = self.relu(out + (x if self.downsample is None else self.downsample(x)))
        return out


BLOCKS: dict[str, type[BasicBlock] | type[Bottleneck]] = {"BASIC": BasicBlock, "BOTTLENECK": Bottleneck}


def _projection(in_channels: int, out_channels: int) -> nn.Sequential | None:
    if in_channels == out_channels:
        return None
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels))


def _conv_bn(in_channels: int, out_channels: int, kernel: int, stride: int, relu: bool) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    ]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


def _blocks(block: type[BasicBlock] | type[Bottleneck], in_channels: int, channels: int, count: int) -> nn.Sequential:
    rest = [block(channels * block.expansion, channels) for _ in range(count - 1)]
    return nn.Sequential(block(in_channels, channels), *rest)


class HRModule(nn.Module):
    """One exchange unit: every resolution on its own, then each a sum of all.

    Branch i is (N, channels[i], H / 2**i, W / 2**i), in and out; without ``multiscale`` only branch 0 comes out.
    """

    def __init__(self, stage: StageSettings, multiscale: bool, upsample: Upsample) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            _blocks(BLOCKS[stage.block], wide, channels, count)
            for wide, channels, count in zip(stage.out_channels, stage.num_channels, stage.num_blocks)
        )
        widths = stage.out_channels
        outputs = len(widths) if multiscale else 1
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(_fuse(widths, j, i, upsample) for j in range(len(widths)))  # type: ignore[misc]
            for i in range(outputs)
        )
        self.relu = nn.ReLU(inplace=True)

    def forward(self, inputs: list[Tensor]) -> list[Tensor]:
        """One map a branch -> one map a branch."""
        branches = [branch(x) for branch, x in zip(self.branches, inputs)]
        outputs = []
        for i, row in enumerate(self.fuse_layers):
            total = branches[0] if i == 0 else row[0](branches[0])  # type: ignore[index]
            for j in range(1, len(branches)):
                total = total + (branches[j] if i == j else row[j](branches[j]))  # type: ignore[index]
            outputs.append(self.relu(total))
        return outputs


def _fuse(widths: Sequence[int], source: int, target: int, upsample: Upsample) -> nn.Module | None:
    """From branch ``source`` to the resolution and width of branch ``target``."""
    if source == target:
        return None
    if source > target:
        mode, align_corners = upsample
        grow = nn.Upsample(scale_factor=2 ** (source - target), mode=mode, align_corners=align_corners)
        return nn.Sequential(*_conv_bn(widths[source], widths[target], 1, 1, relu=False), grow)
    steps = target - source
    return nn.Sequential(
        *(_conv_bn(widths[source], widths[source], 3, 2, relu=True) for _ in range(steps - 1)),
        _conv_bn(widths[source], widths[target], 3, 2, relu=False),
    )


class HRNet(nn.Module):
    """(N, 3, H, W) -> four feature maps, branch i (N, channels[i], H / 2**(i + 2), W / 2**(i + 2)).

    Without ``multiscale_output`` only the first. ``out_channels`` lists their channels.
    """

    def __init__(self, settings: BackboneSettings) -> None:
        super().__init__()
        stages, upsample = settings.stages, (settings.upsample_mode, settings.align_corners)
        self.conv1 = nn.Conv2d(3, STEM_CHANNELS, 3, 2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(STEM_CHANNELS)
        self.conv2 = nn.Conv2d(STEM_CHANNELS, STEM_CHANNELS, 3, 2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(STEM_CHANNELS)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = _blocks(
            BLOCKS[stages[0].block], STEM_CHANNELS, stages[0].num_channels[0], stages[0].num_blocks[0]
        )
        self.transition1 = _transition(stages[0].out_channels[:1], stages[1].out_channels)
        self.stage2 = _stage(stages[1], True, upsample)
        self.transition2 = _transition(stages[1].out_channels, stages[2].out_channels)
        self.stage3 = _stage(stages[2], True, upsample)
        self.transition3 = _transition(stages[2].out_channels, stages[3].out_channels)
        self.stage4 = _stage(stages[3], settings.multiscale_output, upsample)
        self.out_channels = stages[3].out_channels if settings.multiscale_output else stages[3].out_channels[:1]

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images (N, 3, H, W) -> the feature maps, largest first."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        features = [self.layer1(x)]
        for transition, stage in (
            (self.transition1, self.stage2),
            (self.transition2, self.stage3),
            (self.transition3, self.stage4),
        ):
            features = stage(_spread(transition, features))
        return features


def _stage(stage: StageSettings, multiscale: bool, upsample: Upsample) -> nn.Sequential:
    last = stage.num_modules - 1
    return nn.Sequential(*(HRModule(stage, multiscale or i < last, upsample) for i in range(stage.num_modules)))


def _transition(before: Sequence[int], after: Sequence[int]) -> nn.ModuleList:
    """From the branches of one stage to those of the next, which has one resolution more."""
    layers: list[nn.Module | None] = []
    for i, width in enumerate(after):
        if i < len(before):
            layers.append(_conv_bn(before[i], width, 3, 1, relu=True) if before[i] != width else None)
        else:
            steps = i - len(before)
            halvings = [_conv_bn(before[-1], before[-1], 3, 2, relu=True) for _ in range(steps)]
            layers.append(nn.Sequential(*halvings, _conv_bn(before[-1], width, 3, 2, relu=True)))
    return nn.ModuleList(layers)  # type: ignore[arg-type]


def _spread(transition: nn.ModuleList, features: list[Tensor]) -> list[Tensor]:
    """Known branches stay or change width; a new one starts from the lowest resolution."""
    spread = []
    for i, layer in enumerate(transition):
        source = features[i] if i < len(features) else features[-1]
        spread.append(source if layer is None else layer(source))
    return spread
