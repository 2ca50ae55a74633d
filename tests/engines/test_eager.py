"""Batch norm folded, memory channels last: the same answers."""

import torch
from torch import nn

from modelscope_handkp.engines.eager import Network, fold_batch_norms


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


def test_folded_answers_are_the_same() -> None:
    net, img = small().eval(), torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = net(img)
    answer = Network(net)(img)
    torch.testing.assert_close(answer, expected, rtol=1e-4, atol=1e-5)
    assert answer.dtype == torch.float32


def test_the_given_network_stays_as_it_was() -> None:
    net = small()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    Network(net)(torch.ones(1, 3, 16, 16))
    assert net.training
    assert norms(net) == 2
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_only_norms_right_after_a_convolution_are_folded() -> None:
    net = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)).eval()
    nn.init.normal_(net[0].running_mean)
    img = torch.ones(1, 3, 2, 2)
    expected = net(img)
    fold_batch_norms(net)
    assert norms(net) == 2
    torch.testing.assert_close(net(img), expected)


def test_methods_and_lists_of_answers() -> None:
    class Two(nn.Module):
        def forward(self, img: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
            return [img, img + 1], img.half()

        def other(self, img: torch.Tensor) -> torch.Tensor:
            return img + 2

    network, img = Network(Two()), torch.zeros(1, 3, 2, 2)
    (same, more), half = network(img)
    assert (same.sum(), more.mean(), half.dtype) == (0, 1, torch.float32)
    assert network(img, "other").mean() == 2
