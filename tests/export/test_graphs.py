"""The networks as they are exported."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from modelscope_handkp.export.graphs import KeypointGraph
from modelscope_handkp.model_dir.settings import ViewSettings
from modelscope_handkp.pose.codec import HeatmapCodec

CPU = torch.device("cpu")
OPTIONS = {
    "argmax": {"post_process": None},
    "default": {"post_process": "default"},
    "dark11": {"kernel": 11},
    "dark17": {"kernel": 17},
}


class Decoder(nn.Module):
    """Takes heatmaps in three channels each, as exported networks take images."""

    def __init__(self, codec: HeatmapCodec) -> None:
        super().__init__()
        self.codec = codec

    def forward(self, images: Tensor) -> Tensor:
        return self.codec.heatmap_keypoints(images[:, :1])


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_decoding_in_a_graph_is_easycvs(engine: str, name: str, golden: Any) -> None:
    """golden/decode.npz, 1e-3 px, joint by joint."""
    pytest.importorskip("onnx", reason="export needs the extra onnx")
    pytest.importorskip(engine, reason=f"the engine {engine} needs its extra")
    from modelscope_handkp.engines import GRAPH_ENGINES
    from modelscope_handkp.engines.onnx_export import export_onnx
    from modelscope_handkp.engines.onnx_model import OnnxModel
    from modelscope_handkp.pose.codec import in_image

    arrays = golden("decode.npz")
    count, joints, height, width = arrays["heatmaps"].shape
    graph = Decoder(HeatmapCodec(**OPTIONS[name])).eval()  # type: ignore[arg-type]
    model = OnnxModel.parse(export_onnx(graph, (width, height)), "decoder")
    maps = torch.from_numpy(arrays["heatmaps"]).reshape(-1, 1, height, width).float().expand(-1, 3, -1, -1)
    found = np.asarray(GRAPH_ENGINES[engine](model, CPU, "float32")(maps)[0]).reshape(count, joints, 3)
    decoded = in_image(found, (width, height), arrays["center"], arrays["scale"])
    np.testing.assert_allclose(decoded, arrays[name], atol=1e-3)


def test_keypoints_are_in_crop_pixels_and_of_all_views() -> None:
    class Network(nn.Module):
        def forward(self, crops: Tensor) -> Tensor:
            return crops[:, :1, ::4, ::2].expand(-1, 21, -1, -1).contiguous()

    crops = torch.zeros(1, 3, 64, 32)
    crops[0, 0, 40, 12] = 3
    codec = HeatmapCodec((32, 64), (16, 16), post_process=None)
    one = KeypointGraph(Network(), ViewSettings(flip=False), codec)(crops)  # type: ignore[arg-type]
    assert one.shape == (1, 21, 3)
    np.testing.assert_allclose(one[0, 0], [12, 40, 3])
    both = KeypointGraph(Network(), ViewSettings(flip=True), codec)(crops)  # type: ignore[arg-type]
    np.testing.assert_allclose(both[0, 0], [12, 40, 1.5])
