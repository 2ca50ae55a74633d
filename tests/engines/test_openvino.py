"""OpenVINO as an engine."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from small_graphs import images, model, network

from modelscope_handkp.engines import build_engine
from modelscope_handkp.engines.openvino import OpenVINOEngine
from modelscope_handkp.errors import CheckpointError, InputError, MissingPackageError

onnx = pytest.importorskip("onnx", reason="ONNX files need the extra onnx")
pytest.importorskip("openvino", reason="the engine openvino needs the extra openvino")
CPU = torch.device("cpu")


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
