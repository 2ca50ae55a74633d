"""Weights of an ONNX model as float16 numbers, half the size, from which float32 ones are made when it is loaded."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import MissingPackageError
from .quantise import CONVOLUTION

SUFFIX = "_float16"  # of a stored weight's name
LARGEST = float(np.finfo(np.float16).max)


def halved(content: bytes) -> bytes:
    """An ONNX model whose convolutions have their weights stored in float16; what it computes stays in float32.

    Each weight goes through a Cast, which runtimes compute once when they load the model. So it runs wherever the model
    in float32 does, at the same speed. Biases, and weights beyond float16's range, stay as they are.

    Raises:
        MissingPackageError: onnx is not installed.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError:
        raise MissingPackageError("float16 needs onnx: pip install 'modelscope-handkp[onnx]'") from None
    model = onnx.load_model_from_string(content)
    casts = []
    for tensor in _weights(model.graph):
        values, name = numpy_helper.to_array(tensor), tensor.name
        if values.dtype == np.float32 and np.abs(values).max(initial=0) <= LARGEST:
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + SUFFIX))
            casts.append(onnx.helper.make_node("Cast", [name + SUFFIX], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    written: bytes = model.SerializeToString()
    return written


def _weights(graph: Any) -> Iterator[Any]:
    """The stored tensors that are weights of convolutions."""
    names = {node.input[1] for node in graph.node if node.op_type == CONVOLUTION}
    yield from (tensor for tensor in graph.initializer if tensor.name in names)
