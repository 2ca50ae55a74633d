"""Engines by their name."""

import importlib.machinery
import logging
import sys
import types
from typing import Any

import pytest
import torch
from torch import nn

from modelscope_handkp.engines import ENGINES, build_engine, open_graph
from modelscope_handkp.engines.eager import CompiledEngine, EagerEngine
from modelscope_handkp.errors import InputError

CPU = torch.device("cpu")


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))


@pytest.mark.parametrize(("name", "kind"), [("eager", EagerEngine), ("compile", CompiledEngine)])
def test_the_engine_of_that_name_is_built(name: str, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda network, **options: network, raising=False)
    engine = build_engine(name, network(), CPU)
    assert type(engine) is kind
    assert engine(torch.zeros(2, 3, 5, 5))[0].shape == (2, 4, 5, 5)


def test_the_network_may_be_changed_unless_said_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setitem(ENGINES, "own", lambda network, device, fold, *_: seen.append((device, fold)))
    build_engine("own", network(), CPU)
    build_engine("own", network(), CPU, fold=False)
    assert seen == [(CPU, True), (CPU, False)]


def test_an_unknown_name_is_named_beside_the_known() -> None:
    with pytest.raises(
        InputError, match=r"engine 'abacus' is not known; known are auto, compile, eager, onnxruntime, openvino\."
    ):
        build_engine("abacus", network(), CPU)


# --- auto: the fastest that is installed


@pytest.mark.parametrize(
    ("installed", "taken"),
    [
        ({"openvino", "onnxruntime", "onnx"}, "openvino"),
        ({"onnxruntime", "onnx"}, "onnxruntime"),
        ({"openvino", "onnxruntime"}, "eager"),  # both read ONNX
        (set(), "eager"),
    ],
)
def test_auto_takes_what_is_installed_and_says_so(
    installed: set[str], taken: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "modelscope_handkp")
    for package in ("openvino", "onnxruntime", "onnx"):
        found = types.ModuleType(package)
        found.__spec__ = importlib.machinery.ModuleSpec(package, None)
        monkeypatch.setitem(sys.modules, package, found if package in installed else None)
    seen: list[str] = []
    for name in list(ENGINES):
        monkeypatch.setitem(ENGINES, name, lambda *_, name=name: seen.append(name))
    build_engine("auto", network(), CPU)
    assert seen == [taken]
    assert f"engine auto on cpu: {taken}" in caplog.text


def test_auto_on_another_device_is_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setitem(ENGINES, "eager", lambda *_: seen.append("eager"))
    build_engine("auto", network(), torch.device("cuda"))
    assert seen == ["eager"]


@pytest.mark.parametrize("name", [None, 5, ["eager"], "EAGER", ""])
def test_what_is_no_engine_is_named(name: Any) -> None:
    with pytest.raises(InputError, match=r"engine .* is not known; known are auto, compile, eager"):
        build_engine(name, network(), CPU)


# --- graphs that were exported


@pytest.mark.parametrize(
    ("file", "engine", "named"),
    [
        ("hand.pt2", "auto", r"hand\.pt2 is not run here, as torch\.export\.load executes what is in it"),
        ("hand", "auto", "is not run here"),
        ("hand.onnx", "eager", r"the engine 'eager' does not run hand\.onnx; onnxruntime and openvino do"),
        ("hand.onnx", ["auto"], "does not run hand"),
        ("hand.xml", "onnxruntime", r"the engine 'onnxruntime' does not run hand\.xml; openvino does"),
    ],
)
def test_engines_that_do_not_run_a_file_are_named(file: str, engine: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        open_graph(engine, file, CPU)
