"""Engines that run a graph: what holds for each of them."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from small_graphs import images, network
from torch import nn

from modelscope_handkp.engines import GRAPH_ENGINES, build_engine

pytest.importorskip("onnx", reason="ONNX files need the extra onnx")
CPU = torch.device("cpu")


@pytest.fixture(params=GRAPH_ENGINES)
def engine_name(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    pytest.importorskip(name, reason=f"the engine {name} needs its package")
    return name


@pytest.mark.parametrize("size", [(16, 16), None])
def test_outputs_are_torchs_at_any_batch_size(engine_name: str, size: Any) -> None:
    engine = build_engine(engine_name, network(), CPU, size=size)
    for count in (1, 3, 2):
        (output,) = engine(images(count))
        assert output.dtype == np.float32
        np.testing.assert_allclose(output, network()(images(count)).detach(), atol=1e-5)


def test_a_network_of_any_size_runs_at_any(engine_name: str) -> None:
    engine = build_engine(engine_name, network(), CPU)
    for side in (9, 40):
        np.testing.assert_allclose(engine(images(1, side))[0], network()(images(1, side)).detach(), atol=1e-5)


def test_threads_may_share_one(engine_name: str) -> None:
    engine = build_engine(engine_name, network(), CPU, size=(16, 16))
    batches = [images(count) for count in (1, 2, 3, 4) * 6]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda batch: engine(batch)[0], batches))
    for batch, output in zip(batches, found):
        np.testing.assert_allclose(output, network()(batch).detach(), atol=1e-5)


def test_the_network_of_somebody_else_stays_as_it_is(engine_name: str) -> None:
    kept = network().train()
    before = {name: value.clone() for name, value in kept.state_dict().items()}
    engine = build_engine(engine_name, kept, CPU, fold=False, size=(16, 16))
    np.testing.assert_allclose(engine(images(2))[0], network()(images(2)).detach(), atol=1e-5)
    assert kept.training and isinstance(kept[1], nn.BatchNorm2d)
    assert all(torch.equal(value, before[name]) for name, value in kept.state_dict().items())
