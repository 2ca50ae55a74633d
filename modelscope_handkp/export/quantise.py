"""Networks in 8-bit integers, by post-training quantisation."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..engines.onnx_export import INPUT
from ..errors import MissingPackageError

OPERATORS = ["Conv"]  # the rest takes a small share of the time, and coordinates need more than 8 bits


def quantised(content: bytes, inputs: Sequence[Tensor], name: str) -> bytes:
    """An ONNX model with its convolutions in int8, calibrated by ONNX Runtime.

    Args:
        content: the model in float32. inputs: batches (N, 3, H, W) as the network takes them; each activation's range
            is that of what they give. name: of the network, for errors.
    Raises:
        MissingPackageError: onnxruntime or onnx is not installed.
    """
    try:
        from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process
    except ImportError:
        raise MissingPackageError("int8 needs onnxruntime and onnx: pip install 'modelscope-handkp[onnx]'") from None
    with tempfile.TemporaryDirectory() as folder:
        plain, prepared, small = (Path(folder, file) for file in ("plain.onnx", "prepared.onnx", "int8.onnx"))
        plain.write_bytes(content)
        quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(small),
            _Reader(inputs),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=OPERATORS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        return small.read_bytes()


class _Reader:
    """Gives ONNX Runtime one input after the other."""

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        self._inputs: Iterator[Tensor] = iter(inputs)

    def get_next(self) -> dict[str, Any] | None:
        batch = next(self._inputs, None)
        return None if batch is None else {INPUT: np.ascontiguousarray(batch.numpy())}
