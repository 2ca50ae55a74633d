"""OpenVINO as an engine."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from modelscope_handkp.engines import build_engine
from modelscope_handkp.engines.onnx_model import OnnxModel
from modelscope_handkp.engines.openvino import OpenVINOEngine
from modelscope_handkp.errors import CheckpointError, InputError, MissingPackageError

onnx = pytest.importorskip("onnx", reason="ONNX files need the extra onnx")
pytest.importorskip("openvino", reason="the engine openvino needs the extra openvino")
CPU = torch.device("cpu")


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()


def images(count: int, side: int = 16) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(count))


def model(kind: int = 1, inputs: int = 1, operator: str = "Relu", shape: Any = ("n", 3, 8, 8)) -> OnnxModel:
    given = [onnx.helper.make_tensor_value_info(f"x{index}", kind, shape) for index in range(inputs)]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operator, [value.name for value in given], ["y"])],
        "graph",
        given,
        [onnx.helper.make_tensor_value_info("y", kind, None)],
    )
    made = onnx.helper.make_model(graph, ir_version=8, opset_imports=[onnx.helper.make_opsetid("", 17)])
    return OnnxModel.parse(made.SerializeToString(), "hand.onnx")


@pytest.mark.parametrize("size", [(16, 16), None])
def test_outputs_are_torchs_at_any_batch_size(size: Any) -> None:
    engine = build_engine("openvino", network(), CPU, size=size)
    for count in (1, 3, 2):
        (output,) = engine(images(count))
        assert output.dtype == np.float32
        np.testing.assert_allclose(output, network()(images(count)).detach(), atol=1e-5)


def test_a_network_of_any_size_runs_at_any() -> None:
    engine = build_engine("openvino", network(), CPU)
    for side in (9, 40):
        np.testing.assert_allclose(engine(images(1, side))[0], network()(images(1, side)).detach(), atol=1e-5)


def test_threads_may_share_one() -> None:
    engine = build_engine("openvino", network(), CPU, size=(16, 16))
    batches = [images(count) for count in (1, 2, 3, 4) * 6]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda batch: engine(batch)[0], batches))
    for batch, output in zip(batches, found):
        np.testing.assert_allclose(output, network()(batch).detach(), atol=1e-5)


def test_the_network_of_somebody_else_stays_as_it_is() -> None:
    kept = network().train()
    before = {name: value.clone() for name, value in kept.state_dict().items()}
    engine = build_engine("openvino", kept, CPU, fold=False, size=(16, 16))
    np.testing.assert_allclose(engine(images(2))[0], network()(images(2)).detach(), atol=1e-5)
    assert kept.training and isinstance(kept[1], nn.BatchNorm2d)
    assert all(torch.equal(value, before[name]) for name, value in kept.state_dict().items())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"inputs": 2, "operator": "Add"}, "must take one batch of images, it takes 2"),
        ({"operator": "NoSuchOperator"}, "cannot be run by"),
    ],
)
def test_models_that_it_cannot_run_are_named(options: Any, named: str) -> None:
    with pytest.raises(CheckpointError, match=rf"^hand\.onnx .*{named}"):
        OpenVINOEngine(model(**options), CPU)


def test_images_that_do_not_fit_are_named() -> None:
    engine = OpenVINOEngine(model(shape=(1, 3, 8, 8)), CPU)
    assert engine(images(1, 8))[0].shape == (1, 3, 8, 8)
    with pytest.raises(CheckpointError, match=r"hand\.onnx does not run on images \(2, 3, 8, 8\)"):
        engine(images(2, 8))


def test_another_device_is_named() -> None:
    with pytest.raises(InputError, match="runs on the CPU, not on meta: choose eager, compile or auto"):
        OpenVINOEngine(model(), torch.device("meta"))


@pytest.mark.parametrize(("package", "extra"), [("openvino", "openvino"), ("onnx", "onnx")])
def test_a_package_that_is_missing_is_one_sentence(package: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackageError, match=rf"pip install 'modelscope-handkp\[{extra}\]'$"):
        build_engine("openvino", network(), CPU, size=(16, 16))


def test_a_signal_is_survived_when_engines_are_gone(tmp_path: Path) -> None:
    """OpenVINO's cores leave the thread with a stack for signals that is freed, when they end in another order."""
    script = tmp_path / "engines.py"
    script.write_text(
        "import os, signal\n"
        "import torch\n"
        "from modelscope_handkp.engines import build_engine\n"
        "handled = []\n"
        "signal.signal(signal.SIGUSR1, lambda *_: handled.append(1))\n"
        "network, cpu = torch.nn.Conv2d(3, 2, 3), torch.device('cpu')\n"
        "engines = [build_engine('openvino', network, cpu, size=(9, 9)) for _ in 'ab']\n"
        "del engines[0], engines[0]\n"
        "os.kill(os.getpid(), signal.SIGUSR1)\n"
        "print(handled)\n"
    )
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, timeout=120)
    assert (ran.returncode, ran.stdout) == (0, "[1]\n"), ran.stderr
