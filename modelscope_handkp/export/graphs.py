"""The networks as they are exported: detectors with boxes, and the keypoint network with its decoding if asked."""

import numpy as np
import torch
from torch import Tensor, nn

from ..detection.ssdlite import decode_deltas
from ..detection.yolox import decode_boxes, flattened, places
from ..model_dir.settings import ViewSettings
from ..networks.ssdlite import SSDLite
from ..networks.topdown import TopDown
from ..networks.yolox import BOX_CHANNELS
from ..pose.codec import HeatmapCodec
from ..pose.views import MultiView


class KeypointGraph(nn.Module):
    """Crops -> keypoints: all views, DARK and coordinates in one graph.

    Args:
        network: crops (N, 3, H, W) -> heatmaps (N, 21, h, w).
    """

    def __init__(self, network: TopDown, views: ViewSettings, codec: HeatmapCodec) -> None:
        super().__init__()
        self.network, self._codec = network, codec
        self._views = MultiView(lambda crops: (self.network(crops),), views)
        stride = np.asarray(codec.image_size, np.float32) / np.asarray(codec.heatmap_size, np.float32)
        self._factor = torch.tensor([*stride.tolist(), 1.0])

    def forward(self, crops: Tensor) -> Tensor:
        """Crops (N, 3, H, W), RGB and normalised -> (N, 21, 3): x, y in crop pixels and the heatmap's maximum."""
        heatmaps = self._views(crops)[0].float()
        keypoints: Tensor = self._codec.heatmap_keypoints(heatmaps) * self._factor
        return keypoints


class YOLOXGraph(nn.Module):
    """YOLOX with its boxes decoded."""

    def __init__(self, network: nn.Module, hand_class: int) -> None:
        super().__init__()
        self.network, self._hand = network, BOX_CHANNELS + hand_class

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 3, H, W) -> boxes (N, A, 4) xyxy in input pixels and scores (N, A)."""
        maps = [level.float() for level in self.network(images)]
        output = flattened(maps)
        scores = output[..., BOX_CHANNELS - 1].sigmoid() * output[..., self._hand].sigmoid()
        return decode_boxes(output[..., : BOX_CHANNELS - 1], *places(maps)), scores


class SSDLiteGraph(nn.Module):
    """SSDLite at one input size with its boxes decoded."""

    def __init__(self, network: SSDLite) -> None:
        super().__init__()
        self.network = network
        (self.size,) = network.input_sizes
        self._anchors = torch.from_numpy(network.anchors(self.size))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, 3, S, S) -> boxes (N, A, 4) xyxy in input pixels, inside the input, and scores (N, A)."""
        logits, deltas = ([_rows(level.float(), channels) for level in levels]
                          for levels, channels in zip(self.network(images), (2, 4)))  # fmt: skip
        boxes = decode_deltas(self._anchors, torch.cat(deltas, 1)).clamp(0, self.size)
        return boxes, torch.cat(logits, 1).softmax(2)[..., 0]


def _rows(level: Tensor, channels: int) -> Tensor:
    """(N, anchors x channels, h, w) -> (N, h x w x anchors, channels)."""
    return level.permute(0, 2, 3, 1).reshape(level.shape[0], -1, channels)
