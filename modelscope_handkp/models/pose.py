"""The keypoint network: HRNet trunk and heatmap head, with EasyCV's state-dict keys (its class is `TopDown`)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import require
from ..errors import ConfigError
from ..hand import NUM_KEYPOINTS
from .hrnet import HRNet

OVERLAP_BLOCK = 16  # floats that one step of an in-place CPU copy moves


class HeatmapHead(nn.Module):
    """Feature maps -> heatmaps (N, K, H, W): chosen maps at the size of the first, side by side, then convolutions.

    Args: the configuration's ``model.keypoint_head`` (mmpose's TopdownHeatmapSimpleHead without deconvolutions).
    """

    def __init__(self, head: dict[str, Any]) -> None:
        super().__init__()
        extra = head.get("extra") or {}
        channels, index = require(head, "in_channels"), head.get("in_index", 0)
        if head.get("input_transform") == "resize_concat":
            self.in_index, width = list(index), sum(channels)
        else:
            self.in_index, width = [index], channels
        layers: list[nn.Module] = []
        count = extra.get("num_conv_layers", 0)
        for kernel in extra.get("num_conv_kernels", [1] * count)[:count]:
            layers += [nn.Conv2d(width, width, kernel, padding=(kernel - 1) // 2), nn.BatchNorm2d(width), nn.ReLU(True)]
        kernel = extra.get("final_conv_kernel", 1)
        last = nn.Conv2d(width, require(head, "out_channels"), kernel, padding=kernel // 2)
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
        shift_heatmap: in the flip test, how the mirrored answer moves one pixel to the right: ``"exact"`` does that,
            true does what EasyCV makes of it (`shift_as_easycv`), false leaves it where it is.
    """

    def __init__(self, backbone: HRNet, keypoint_head: HeatmapHead, shift_heatmap: bool | str = True) -> None:
        super().__init__()
        self.backbone = backbone
        self.keypoint_head = keypoint_head
        self.shift_heatmap = shift_heatmap
        self._initialise()

    def forward(self, img: Tensor) -> Tensor:
        heatmaps: Tensor = self.keypoint_head(self.backbone(img))
        return heatmaps

    def heatmaps_flip_averaged(self, img: Tensor) -> Tensor:
        """Flip test: the mean of the answers to the crops and to their mirror images, in one batch of 2N."""
        plain, mirrored = self(torch.cat([img, img.flip(3)])).chunk(2)
        mirrored = mirrored.flip(3)
        if self.shift_heatmap:
            mirrored = shift_exactly(mirrored) if self.shift_heatmap == "exact" else shift_as_easycv(mirrored)
        return (plain + mirrored) * 0.5

    def _initialise(self) -> None:
        """As EasyCV: the trunk from a normal of 0.001, all batch norms the identity."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.001)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


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
    backbone, head = require(model, "backbone"), require(model, "keypoint_head")
    _expect("model.backbone.type", require(model, "backbone.type"), "HRNet")
    _expect("model.keypoint_head.type", require(model, "keypoint_head.type"), "TopdownHeatmapSimpleHead")
    _expect("model.keypoint_head.num_deconv_layers", head.get("num_deconv_layers", 0), 0)
    _expect("model.keypoint_head.out_channels", require(model, "keypoint_head.out_channels"), NUM_KEYPOINTS)
    if head.get("input_transform") not in (None, "resize_concat"):
        raise ConfigError(f"model.keypoint_head.input_transform {head['input_transform']!r} is not known.")
    try:
        trunk = HRNet(require(backbone, "extra"), backbone.get("in_channels", 3))
        shift = (model.get("test_cfg") or {}).get("shift_heatmap", False)
        return TopDown(trunk, HeatmapHead(head), shift)
    except (TypeError, KeyError, IndexError, AttributeError, RuntimeError) as error:
        raise ConfigError(f"the configuration's model block cannot be built: {error}.") from error


def _expect(key: str, value: Any, known: Any) -> None:
    if value != known:
        raise ConfigError(f"{key} {value!r} is not supported; this package knows {known!r}.")
