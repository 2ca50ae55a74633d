"""ONNX Runtime as an engine."""

import sys
from typing import Any

import numpy as np
import pytest
import torch
from small_graphs import images, model, network

from modelscope_handkp.engines import build_engine
from modelscope_handkp.engines.onnxruntime import OnnxRuntimeEngine
from modelscope_handkp.errors import CheckpointError, InputError, MissingPackageError

onnx = pytest.importorskip("onnx", reason="ONNX files need the extra onnx")
pytest.importorskip("onnxruntime", reason="the engine onnxruntime needs the extra onnx")
CPU = torch.device("cpu")


def test_float16_inputs_are_given_and_float32_comes_back() -> None:
    (output,) = OnnxRuntimeEngine(model(kind=10), CPU)(images(2, 8) - 0.5)
    assert output.dtype == np.float32
    np.testing.assert_allclose(output, (images(2, 8) - 0.5).relu(), atol=1e-3)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"kind": 7, "operator": "Abs"}, r"must take one batch of images in floating point, it takes x0 tensor\(int64"),
        ({"inputs": 2, "operator": "Add"}, r"it takes x0 tensor\(float\), x1 tensor\(float\)"),
        ({"operator": "NoSuchOperator"}, "cannot be run by ONNX Runtime"),
        ({"kind": 8}, "cannot be run by ONNX Runtime"),
    ],
)
def test_models_that_it_cannot_run_are_named(options: Any, named: str) -> None:
    with pytest.raises(CheckpointError, match=rf"^hand\.onnx .*{named}"):
        OnnxRuntimeEngine(model(**options), CPU)


def test_images_that_do_not_fit_are_named() -> None:
    engine = OnnxRuntimeEngine(model(shape=(1, 3, 8, 8)), CPU)
    assert engine(images(1, 8))[0].shape == (1, 3, 8, 8)
    with pytest.raises(CheckpointError, match=r"hand\.onnx does not run on images \(2, 3, 8, 8\)"):
        engine(images(2, 8))


def test_a_device_without_a_provider_is_named() -> None:
    with pytest.raises(InputError, match="no provider for meta: choose cpu, or another engine"):
        OnnxRuntimeEngine(model(), torch.device("meta"))


@pytest.mark.parametrize("package", ["onnxruntime", "onnx"])
def test_a_package_that_is_missing_is_one_sentence(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=r"pip install 'modelscope-handkp\[onnx\]'$"):
        build_engine("onnxruntime", network(), CPU, size=(16, 16))
