"""Several processes: what torchrun must have set, and what two processes on the CPU share."""

import pytest
import torch
from processes import TORCHRUN, in_two_processes
from torch import distributed as dist

from modelscope_handkp.errors import ConfigError
from modelscope_handkp.training import distributed


class Seen:
    """A metric that lists what it has seen."""

    def __init__(self, *what: str) -> None:
        self.what = list(what)

    def merge(self, other: "Seen") -> None:
        self.what += other.what


def test_the_mean_over_processes() -> None:
    def work(rank: int) -> tuple[float, float, bool]:
        value = torch.tensor(1.0 + 2 * rank, dtype=torch.float64, requires_grad=True)
        mean = distributed.mean_over_processes(value)
        return float(mean), value.item(), mean.requires_grad

    assert in_two_processes(work) == [(2.0, 1.0, False), (2.0, 3.0, False)]


def test_the_mean_of_one_process_is_its_value() -> None:
    value = torch.tensor(0.1, dtype=torch.float16, requires_grad=True)
    mean = distributed.mean_over_processes(value)
    assert (float(mean), mean.dtype, mean.requires_grad) == (value.item(), torch.float32, False)


def test_metrics_are_merged_in_every_process() -> None:
    def work(rank: int) -> list[list[str]]:
        metrics = [Seen(f"a{rank}"), Seen(f"b{rank}")]
        assert distributed.merge_everywhere(metrics) is metrics
        return [metric.what for metric in metrics]

    assert in_two_processes(work) == [[["a0", "a1"], ["b0", "b1"]], [["a1", "a0"], ["b1", "b0"]]]


def test_buffers_are_those_of_the_first_process() -> None:
    def work(rank: int) -> tuple[list[float], list[float]]:
        layer = torch.nn.BatchNorm1d(2)
        layer.running_mean.fill_(5.0 + rank)  # type: ignore[union-attr]
        layer.weight.data.fill_(rank)
        distributed.share_buffers(layer)
        return layer.running_mean.tolist(), layer.weight.tolist()  # type: ignore[union-attr]

    assert in_two_processes(work) == [([5.0, 5.0], [0.0, 0.0]), ([5.0, 5.0], [1.0, 1.0])]


def test_gradients_are_averaged() -> None:
    def work(rank: int) -> float:
        layer = torch.nn.Linear(1, 1, bias=False)
        model = distributed.to_parallel(layer, torch.device("cpu"))
        model(torch.tensor([[1.0 + 2 * rank]])).sum().backward()
        assert layer.weight.grad is not None
        return float(layer.weight.grad)

    assert in_two_processes(work) == [2.0, 2.0]


@pytest.fixture
def torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of the second of two processes."""
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("torchrun")
def test_a_launcher_that_works() -> None:
    distributed.check_launcher("pytorch")


@pytest.mark.usefixtures("torchrun")
@pytest.mark.parametrize("missing", list(TORCHRUN))
def test_each_variable_of_torchrun_is_needed(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.delenv(missing)
    with pytest.raises(ConfigError, match=f"needs torchrun: {missing} not set"):
        distributed.check_launcher("pytorch")


@pytest.mark.usefixtures("torchrun")
def test_another_launcher_is_refused() -> None:
    with pytest.raises(ConfigError, match="'mpi' is not supported; use 'pytorch' under torchrun"):
        distributed.check_launcher("mpi")


@pytest.mark.usefixtures("torchrun")
def test_a_process_takes_the_gpu_of_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[int] = []
    backends: list[str] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(dist, "init_process_group", lambda **options: backends.append(options["backend"]))
    assert distributed.join_process_group(on_gpu=True) == torch.device("cuda", 1)
    assert (chosen, backends) == ([1], ["nccl"])
    monkeypatch.setattr(dist, "is_initialized", lambda: True)
    distributed.join_process_group(on_gpu=True)
    assert backends == ["nccl"]


@pytest.mark.usefixtures("torchrun")
def test_more_processes_than_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match="process 1 has no GPU of its own, this machine has 1: lower"):
        distributed.join_process_group(on_gpu=True)
