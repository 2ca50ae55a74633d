"""The keypoint network: HRNet trunk and heatmap head, with EasyCV's state-dict keys (its class is `TopDown`)."""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ConfigError
from ..model_dir.checkpoint import find_weights, load_weights, read_state_dict, warn_of_newer_weights
from ..model_dir.config import building
from ..model_dir.settings import HeadSettings, NetworkSettings
from .hrnet import HRNet


class HeatmapHead(nn.Module):
    """Feature maps -> heatmaps (N, 21, H, W): chosen maps at the size of the first, side by side, then convolutions.

    Args:
        settings: mmpose's TopdownHeatmapSimpleHead without deconvolutions.
        widths: channels of each of the backbone's feature maps.
    Raises:
        ConfigError: the head's ``in_channels`` are not those of the maps that it takes.
    """

    def __init__(self, settings: HeadSettings, widths: Sequence[int]) -> None:
        super().__init__()
        self.in_index = settings.in_index
        if list(settings.in_channels) != [widths[i] for i in self.in_index]:
            raise ConfigError(
                f"keypoint_head.in_channels {list(settings.in_channels)} at in_index {list(self.in_index)} are not of "
                f"{list(widths)}."
            )
        width = sum(settings.in_channels)
        layers: list[nn.Module] = []
        for kernel in settings.kernels:
            layers += [nn.Conv2d(width, width, kernel, padding=(kernel - 1) // 2), nn.BatchNorm2d(width), nn.ReLU(True)]
        final = nn.Conv2d(width, settings.out_channels, settings.final_kernel, padding=settings.final_kernel // 2)
        self.final_layer: nn.Module = nn.Sequential(*layers, final) if layers else final

    def forward(self, features: list[Tensor]) -> Tensor:
        """The backbone's maps -> heatmaps (N, 21, H, W)."""
        chosen = [features[i] for i in self.in_index]
        size = chosen[0].shape[2:]
        resized = [chosen[0]] + [F.interpolate(x, size=size, mode="bilinear", align_corners=False) for x in chosen[1:]]
        heatmaps: Tensor = self.final_layer(torch.cat(resized, dim=1))
        return heatmaps


class TopDown(nn.Module):
    """Crops (N, 3, H, W), RGB and normalised -> heatmaps (N, 21, H / 4, W / 4)."""

    def __init__(self, backbone: HRNet, keypoint_head: HeatmapHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.keypoint_head = keypoint_head

    def forward(self, img: Tensor) -> Tensor:
        """Crops (N, 3, H, W) -> heatmaps (N, 21, H / 4, W / 4)."""
        heatmaps: Tensor = self.keypoint_head(self.backbone(img))
        return heatmaps


def heatmap_loss(heatmaps: Tensor, target: Tensor, target_weight: Tensor) -> Tensor:
    """Mean squared error a joint, both sides weighted, averaged over the joints (EasyCV's JointsMSELoss).

    Args:
        heatmaps, target: (N, K, H, W). target_weight: (N, K, 1).
    Returns:
        a scalar.
    """
    weight = target_weight[..., None]
    return F.mse_loss(heatmaps * weight, target * weight)


def build_topdown(settings: NetworkSettings) -> TopDown:
    """The network with untrained weights, float32, initialised as EasyCV does: convolutions from a normal of 0.001.

    Raises:
        ConfigError: settings that do not make a network.
    """
    with building("the configuration's model block"):
        trunk = HRNet(settings.backbone)
        network = TopDown(trunk, HeatmapHead(settings.head, trunk.out_channels)).float()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.001)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def load_topdown(model_dir: str | Path, settings: NetworkSettings) -> TopDown:
    """The network with the weights of a model directory, in training mode as `build_topdown` gives it.

    `find_weights` says which file they are in; a newer one beside it is logged.

    Raises:
        MissingFileError: no weights. ConfigError, CheckpointError: they do not make such a network.
        MissingPackageError: they are in a file of safetensors, which is not installed.
    """
    path = find_weights(model_dir)
    warn_of_newer_weights(path)
    network = build_topdown(settings)
    load_weights(network, read_state_dict(path), path)
    return network
