"""PyTorch as an engine: batch norm folded, memory channels last, the same outputs."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from modelscope_handkp.engines import build_engine
from modelscope_handkp.engines.eager import CompiledEngine, EagerEngine, fold_batch_norms
from modelscope_handkp.errors import InputError


def small() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)),
        nn.Conv2d(8, 4, 1),
    )  # fmt: skip
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return net


def norms(module: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())


IMAGES = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("fold", [True, False])
def test_outputs_are_the_networks_in_evaluation_mode(fold: bool) -> None:
    net = small()
    with torch.no_grad():
        expected = copy.deepcopy(net).eval()(IMAGES)
    (output,) = EagerEngine(net, fold=fold)(IMAGES)
    torch.testing.assert_close(output, expected, rtol=1e-4, atol=1e-5)
    assert output.dtype == torch.float32
    assert norms(net) == (0 if fold else 2)


def test_memory_is_laid_out_channels_last_which_convolutions_prefer() -> None:
    seen: list[bool] = []

    class Layout(nn.Conv2d):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            seen.extend(part.is_contiguous(memory_format=torch.channels_last) for part in (images, self.weight))
            return super().forward(images)

    EagerEngine(Layout(3, 4, 3))(IMAGES)
    assert seen == [True, True]


@pytest.mark.parametrize("engine", [EagerEngine, CompiledEngine])
def test_batch_norms_are_folded_unless_said_otherwise(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda network, **options: network, raising=False)
    for options, left in (({}, 0), ({"fold": False}, 2)):
        net = small()
        engine(net, **options)
        assert norms(net) == left


def test_the_compiled_network_is_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled once for all batch sizes."""
    compiled: list[dict[str, Any]] = []

    def double(network: nn.Module, **options: Any) -> Any:
        compiled.append(options)
        return lambda images: 2 * network(images)

    monkeypatch.setattr(torch, "compile", double, raising=False)
    engine = build_engine("compile", small(), torch.device("cpu"))
    torch.testing.assert_close(engine(IMAGES)[0], 2 * EagerEngine(small())(IMAGES)[0])
    assert compiled == [{"dynamic": True}]


def test_the_weights_exist_once() -> None:
    net = small()
    weight = net[4].weight
    engine = EagerEngine(net)
    with torch.no_grad():
        before = engine(IMAGES)[0]
        weight.mul_(2)
        after = engine(IMAGES)[0]
    torch.testing.assert_close(after - net[4].bias[:, None, None], 2 * (before - net[4].bias[:, None, None]))


def test_a_network_that_is_not_folded_keeps_its_weights() -> None:
    net = small()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    EagerEngine(net, fold=False)(IMAGES)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_network_that_is_trained_in_between_infers_in_evaluation_mode_and_keeps_its_own() -> None:
    net = small().eval()
    engine = EagerEngine(net, fold=False)
    expected = engine(IMAGES)[0]
    net.train()
    net[1].eval()  # a frozen batch norm
    before = {name: value.clone() for name, value in net.state_dict().items()}
    torch.testing.assert_close(engine(IMAGES)[0], expected)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert net.training and net[3].training and not net[1].training


def test_only_norms_right_after_a_convolution_are_folded() -> None:
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)).eval()
    nn.init.normal_(net[0].running_mean)
    images = torch.ones(1, 3, 2, 2)
    expected = net(images)
    fold_batch_norms(net)
    assert norms(net) == 2
    torch.testing.assert_close(net(images), expected)


def test_nested_outputs_come_flat_and_in_float32() -> None:
    class Nested(nn.Module):
        def forward(self, images: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
            return [images, images + 1], images.half() + 2

    outputs = EagerEngine(Nested())(torch.zeros(1, 3, 2, 2))
    assert [(float(output.mean()), output.dtype) for output in outputs] == [
        (value, torch.float32) for value in (0, 1, 2)
    ]


def test_compiling_is_refused_where_torch_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch, "compile", raising=False)
    with pytest.raises(InputError, match=f"torch {torch.__version__.split('+')[0]}.*cannot compile"):
        build_engine("compile", small(), torch.device("cpu"))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(torch, "compile"), reason="this version of torch cannot compile")
def test_compiled_outputs_are_the_same_at_any_batch_size() -> None:
    net = small()
    expected = EagerEngine(copy.deepcopy(net))
    compiled = CompiledEngine(net)
    for count in (1, 3, 2):
        images = torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(count))
        np.testing.assert_allclose(compiled(images)[0].numpy(), expected(images)[0].numpy(), atol=1e-5)
