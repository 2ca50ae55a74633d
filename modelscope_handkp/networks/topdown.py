"""The keypoint network: HRNet trunk and heatmap head, with EasyCV's state-dict keys (its class is `TopDown`)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ConfigError
from ..model_dir.config import block, check_weights, require, require_number
from ..skeleton import NUM_KEYPOINTS
from .hrnet import HRNet

MAX_CONV_LAYERS = 16
MAX_TURN = 90.0  # degrees of the rotation test
OVERLAP_BLOCK = 16  # floats that one step of an in-place CPU copy moves


class HeatmapHead(nn.Module):
    """Feature maps -> heatmaps (N, K, H, W): chosen maps at the size of the first, side by side, then convolutions.

    Args:
        head: the configuration's ``model.keypoint_head`` (mmpose's TopdownHeatmapSimpleHead without deconvolutions).
        widths: channels of each of the backbone's feature maps.
    """

    def __init__(self, head: dict[str, Any], widths: Sequence[int]) -> None:
        super().__init__()
        extra = {"num_conv_layers": 0, "final_conv_kernel": 1, **block(head, "extra")}
        channels, index = require(head, "in_channels"), head.get("in_index", 0)
        if head.get("input_transform") != "resize_concat":
            channels, index = [channels], [index]
        self.in_index = list(index)
        if list(channels) != [widths[i] for i in self.in_index]:
            raise ConfigError(f"keypoint_head.in_channels {channels} at in_index {index} are not of {list(widths)}.")
        width, count = sum(channels), int(require_number(extra, "num_conv_layers", 0, MAX_CONV_LAYERS))
        kernels, last_kernel = extra.get("num_conv_kernels", [1] * count)[:count], extra["final_conv_kernel"]
        check_weights(sum((kernel * width) ** 2 for kernel in [*kernels, last_kernel]), "keypoint_head")
        layers: list[nn.Module] = []
        for kernel in kernels:
            layers += [nn.Conv2d(width, width, kernel, padding=(kernel - 1) // 2), nn.BatchNorm2d(width), nn.ReLU(True)]
        last = nn.Conv2d(width, require(head, "out_channels"), last_kernel, padding=last_kernel // 2)
        self.final_layer: nn.Module = nn.Sequential(*layers, last) if layers else last

    def forward(self, features: list[Tensor]) -> Tensor:
        chosen = [features[i] for i in self.in_index]
        size = chosen[0].shape[2:]
        resized = [chosen[0]] + [F.interpolate(x, size=size, mode="bilinear", align_corners=False) for x in chosen[1:]]
        heatmaps: Tensor = self.final_layer(torch.cat(resized, dim=1))
        return heatmaps


class TopDown(nn.Module):
    """Crops (N, 3, H, W), RGB and normalised -> heatmaps (N, 21, H / 4, W / 4).

    Args:
        test_cfg: the configuration's ``model.test_cfg``, of which `heatmaps_at_test` heeds:
            ``flip_test`` (true if missing): look at the mirrored crops, too.
            ``shift_heatmap``: how the mirrored answer moves one pixel to the right: ``"exact"`` does that, true does
            what EasyCV makes of it (`shift_as_easycv`), false (if missing) leaves it where it is.
            ``rotation_test``, ours alone: look at the crops turned by so many degrees, too, to one side and, mirrored
            with the flip test, to the other.
    Raises:
        ConfigError: a ``rotation_test`` that is no number from 0 to `MAX_TURN`.
    """

    def __init__(self, backbone: HRNet, keypoint_head: HeatmapHead, test_cfg: Mapping[str, Any]) -> None:
        super().__init__()
        self.backbone = backbone
        self.keypoint_head = keypoint_head
        self.shift_heatmap = test_cfg.get("shift_heatmap", False)
        flip = bool(test_cfg.get("flip_test", True))
        turn = require_number({"rotation_test": 0, **test_cfg}, "rotation_test", 0, MAX_TURN)
        self.views = [(0.0, False)] + [(0.0, True)] * flip  # degrees, mirrored
        if turn:
            self.views += [(turn, False), (-turn, flip)]
        self._initialise()

    def forward(self, img: Tensor) -> Tensor:
        heatmaps: Tensor = self.keypoint_head(self.backbone(img))
        return heatmaps

    def heatmaps_at_test(self, img: Tensor) -> Tensor:
        """The mean of the answers to all configured views of the crops, which go through in one batch."""
        turns = [turned(img, degrees) for degrees, _ in self.views]
        seen = [crops.flip(3) if mirrored else crops for crops, (_, mirrored) in zip(turns, self.views)]
        answers = self(torch.cat(seen)).chunk(len(seen))
        return torch.stack([self._as_seen_straight(*each, img) for each in zip(answers, self.views)]).mean(0)

    def _as_seen_straight(self, heatmaps: Tensor, view: tuple[float, bool], img: Tensor) -> Tensor:
        """The answer to one view of the crops ``img``, brought back to where they are."""
        degrees, mirrored = view
        if mirrored:
            heatmaps = heatmaps.flip(3)
            if self.shift_heatmap:
                heatmaps = shift_exactly(heatmaps) if self.shift_heatmap == "exact" else shift_as_easycv(heatmaps)
        center = 1 / heatmaps.shape[3] - 1 / img.shape[3], 1 / heatmaps.shape[2] - 1 / img.shape[2]
        return turned(heatmaps, -degrees, center)

    def _initialise(self) -> None:
        """As EasyCV: the trunk from a normal of 0.001, all batch norms the identity."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def turned(maps: Tensor, degrees: float, center: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    """Pictures or heatmaps (N, C, H, W), counter-clockwise about a point, by bilinear reading; 0 beyond the border.

    Args:
        degrees: 0 gives the maps themselves.
        center: x, y from the middle, in half sides. A crop's middle lies in its heatmap 1/w - 1/W right of the middle,
            since heatmap pixel x stands for crop pixel x W/w.
    """
    if not degrees:
        return maps
    height, width = maps.shape[2:]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rows = torch.tensor([[cos, -sin * height / width], [sin * width / height, cos]])
    moved = torch.tensor(center) - rows @ torch.tensor(center)
    source = torch.cat([rows, moved[:, None]], dim=1).to(maps).expand(len(maps), 2, 3)
    grid = F.affine_grid(source, list(maps.shape), align_corners=False)
    return F.grid_sample(maps, grid, align_corners=False)


def shift_exactly(heatmaps: Tensor) -> Tensor:
    """(N, K, H, W) one pixel to the right; column 0 stays."""
    return torch.cat([heatmaps[..., :1], heatmaps[..., :-1]], dim=3)


def shift_as_easycv(heatmaps: Tensor) -> Tensor:
    """`shift_exactly` with the flaw that the hosted model's published numbers were made with.

    EasyCV copies ``heatmaps[..., :-1]`` onto ``heatmaps[..., 1:]`` in place, source and target overlapping. The copy
    runs in blocks of `OVERLAP_BLOCK` columns: the first column of each further block gets its neighbour's value, and
    all columns after the last whole block get one and the same. 64 columns lose their right quarter, 32 their half.
    """
    shifted, last = shift_exactly(heatmaps), heatmaps.shape[3] - 1
    whole = last // OVERLAP_BLOCK * OVERLAP_BLOCK
    for column in range(OVERLAP_BLOCK + 1, whole + 1, OVERLAP_BLOCK):
        shifted[..., column] = heatmaps[..., column - 2]
    shifted[..., whole + 1 :] = heatmaps[..., max(whole - 1, 0)].unsqueeze(3)
    return shifted


def heatmap_loss(heatmaps: Tensor, target: Tensor, target_weight: Tensor) -> Tensor:
    """Mean squared error a joint, both sides weighted, averaged over the joints (EasyCV's JointsMSELoss).

    Args:
        heatmaps, target: (N, K, H, W). target_weight: (N, K, 1).
    Returns:
        a scalar.
    """
    weight = target_weight[..., None]
    return F.mse_loss(heatmaps * weight, target * weight)


def build_pose(model: dict[str, Any]) -> TopDown:
    """The network that a configuration's ``model`` block describes, with untrained weights.

    Raises:
        ConfigError: a missing key (named), or a network of a type that is not known here (named).
    """
    config = {"model": model}  # for errors that name the whole key
    known = {"model.backbone.type": "HRNet", "model.keypoint_head.type": "TopdownHeatmapSimpleHead",
             "model.keypoint_head.out_channels": NUM_KEYPOINTS}  # fmt: skip
    for key, value in known.items():
        _expect(key, require(config, key), value)
    backbone, head = model["backbone"], model["keypoint_head"]
    _expect("model.backbone.in_channels", backbone.get("in_channels", 3), 3)
    _expect("model.keypoint_head.num_deconv_layers", head.get("num_deconv_layers", 0), 0)
    if head.get("input_transform") not in (None, "resize_concat"):
        raise ConfigError(f"model.keypoint_head.input_transform {head['input_transform']!r:.80} is not known.")
    try:
        trunk = HRNet(require(config, "model.backbone.extra"))
        return TopDown(trunk, HeatmapHead(head, trunk.out_channels), block(config, "model.test_cfg"))
    except ConfigError:
        raise
    except Exception as error:  # Python and torch raise anything on values of a wrong kind
        raise ConfigError(
            f"the configuration's model block cannot be built: {type(error).__name__}: {error}."
        ) from error


def _expect(key: str, value: Any, known: Any) -> None:
    if value != known:
        raise ConfigError(f"{key} {value!r:.80} is not supported; this package knows {known!r}.")
