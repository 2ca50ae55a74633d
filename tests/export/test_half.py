"""Weights stored in half the bytes."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from modelscope_handkp.errors import MissingPackageError
from modelscope_handkp.export.half import halved

pytest.importorskip("onnx", reason="export needs the extra onnx")
pytest.importorskip("onnxruntime", reason="export needs the extra onnx")


def outputs_of(content: bytes, images: torch.Tensor) -> np.ndarray:
    from modelscope_handkp.engines.onnx_model import OnnxModel
    from modelscope_handkp.engines.onnxruntime import OnnxRuntimeEngine

    engine = OnnxRuntimeEngine(OnnxModel.parse(content, "halved"), torch.device("cpu"))
    return np.asarray(engine(images)[0])


def content_of(network: nn.Module) -> bytes:
    from modelscope_handkp.engines.onnx_export import export_onnx

    return export_onnx(network.eval(), (8, 8))


def test_weights_are_rounded_and_the_arithmetic_is_not() -> None:
    network = nn.Conv2d(3, 64, 3)
    content = content_of(network)
    images = 1e5 * torch.rand(2, 3, 8, 8)  # beyond the range of float16, as are the outputs
    small = halved(content)
    assert len(small) < 0.7 * len(content)
    network.weight.data = network.weight.data.half().float()
    np.testing.assert_allclose(outputs_of(small, images), network(images).detach(), rtol=1e-5, atol=1e-2)


def test_weights_beyond_float16_and_biases_stay_as_they_are() -> None:
    network = nn.Conv2d(3, 4, 3)
    network.weight.data *= 1e7
    network.bias.data += 1e6  # type: ignore[union-attr]
    content, images = content_of(network), torch.rand(1, 3, 8, 8)
    np.testing.assert_array_equal(outputs_of(halved(content), images), outputs_of(content, images))


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingPackageError, match=r"float16 needs onnx: pip install 'modelscope-handkp\[onnx\]'"):
        halved(b"")
