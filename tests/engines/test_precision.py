"""In which precision a network computes, and where that is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from modelscope_handkp.engines import build_engine, precision
from modelscope_handkp.engines.openvino import shared_core
from modelscope_handkp.errors import InputError

CPU = torch.device("cpu")
FLAGS = "processor : 0\nflags : fpu avx2 avx512f {}\n"


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 21, 1))


@pytest.fixture(params=["avx512_bf16", "amx_bf16", "bf16"])
def with_bfloat16(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that says that it has bfloat16."""
    (tmp_path / "cpuinfo").write_text(FLAGS.format(request.param))
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "cpuinfo")


@pytest.fixture
def without_bfloat16(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cpuinfo").write_text(FLAGS.format("sse2"))
    monkeypatch.setattr(precision, "CPU_INFO", tmp_path / "cpuinfo")


@pytest.mark.parametrize("engine", ["eager", "onnxruntime", "openvino"])
@pytest.mark.parametrize("value", ["float64", "", None, 16, ["float32"]])
def test_what_is_no_precision_is_named(engine: str, value: Any) -> None:
    with pytest.raises(InputError, match=r"precision .* is not known; known are float32, bfloat16, float16, int8"):
        build_engine(engine, network(), CPU, precision=value)


@pytest.mark.parametrize("engine", ["eager", "openvino"])
def test_int8_needs_an_export(engine: str) -> None:
    if engine == "openvino":
        pytest.importorskip("openvino", reason="the engine openvino needs the extra openvino")
    with pytest.raises(InputError, match="int8 needs a calibrated network: modelscope-handkp export --precision int8"):
        build_engine(engine, network(), CPU, precision="int8", size=(16, 16))


@pytest.mark.parametrize("value", ["bfloat16", "float16", "int8"])
def test_onnx_runtime_computes_what_the_file_has(value: str) -> None:
    pytest.importorskip("onnxruntime", reason="the engine onnxruntime needs the extra onnx")
    with pytest.raises(InputError, match=f"onnxruntime does not compute a float32 network in {value}: choose eager or"):
        build_engine("onnxruntime", network(), CPU, precision=value, size=(16, 16))


def test_a_processor_without_bfloat16_is_not_slowed_down(without_bfloat16: None) -> None:
    with pytest.raises(InputError, match=r"this processor does not compute in bfloat16, .*: use float32"):
        build_engine("eager", network(), CPU, precision="bfloat16")
    with pytest.raises(InputError, match="slowly in float16 on a CPU: use float32"):
        build_engine("eager", network(), CPU, precision="float16")


def test_where_nobody_says_what_the_processor_has_it_has_no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "CPU_INFO", Path("/nowhere/cpuinfo"))
    with pytest.raises(InputError, match="this processor"):
        build_engine("eager", network(), CPU, precision="bfloat16")


@pytest.mark.parametrize("fold", [True, False])
def test_in_bfloat16_outputs_are_nearly_the_same(with_bfloat16: None, fold: bool) -> None:
    """1 % of the largest value; a network that somebody keeps stays in float32."""
    kept, images = network().eval(), torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(1))
    expected = build_engine("eager", network(), CPU)(images)[0]
    (output,) = build_engine("eager", kept, CPU, fold, "bfloat16")(images)
    assert output.dtype == torch.float32
    assert 0 < (output - expected).abs().max() < 0.01 * expected.abs().max()
    if not fold:
        assert {value.dtype for value in kept.parameters()} == {torch.float32}
        assert isinstance(kept[1], nn.BatchNorm2d)


def test_a_gpu_without_bfloat16_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    with pytest.raises(InputError, match="this GPU does not compute in bfloat16: use float16"):
        precision.torch_type("bfloat16", torch.device("cuda"))
    assert precision.torch_type("float16", torch.device("cuda")) == torch.float16


def test_openvino_computes_in_what_the_processor_has() -> None:
    pytest.importorskip("openvino", reason="the engine openvino needs the extra openvino")
    images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    expected = build_engine("eager", network(), CPU)(images)[0].numpy()
    has = shared_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    for name, capability in (("bfloat16", "BF16"), ("float16", "FP16")):
        if capability in has:
            (output,) = build_engine("openvino", network(), CPU, precision=name, size=(16, 16))(images)
            assert np.abs(output - expected).max() < 0.05 * np.abs(expected).max()
        else:
            with pytest.raises(InputError, match=f"this processor does not compute in {name}"):
                build_engine("openvino", network(), CPU, precision=name, size=(16, 16))
