"""Small networks and ONNX models that the tests of engines share."""

from typing import Any

import torch
from torch import nn

from modelscope_handkp.engines.onnx_model import OnnxModel


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()


def images(count: int, side: int = 16) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(count))


def model(kind: int = 1, inputs: int = 1, operator: str = "Relu", shape: Any = ("n", 3, 8, 8)) -> OnnxModel:
    import onnx

    given = [onnx.helper.make_tensor_value_info(f"x{index}", kind, shape) for index in range(inputs)]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, [value.name for value in given], ["y"])],
        "graph",
        given,
        [onnx.helper.make_tensor_value_info("y", kind, None)],
    )
    made = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    return OnnxModel.parse(made.SerializeToString(), "hand.onnx")
