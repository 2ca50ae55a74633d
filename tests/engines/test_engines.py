"""Engines by their name."""

import pytest
import torch
from torch import nn

from modelscope_handkp.engines import ENGINES, build_engine
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
