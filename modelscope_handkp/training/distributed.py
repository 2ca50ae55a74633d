"""Several training processes under torchrun: one a GPU over nccl, or on the CPU over gloo."""

import os
from typing import Any, Protocol, TypeVar

import torch
from torch import distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import ConfigError

LAUNCHER = "pytorch"
TORCHRUN_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


class Mergeable(Protocol):
    """A metric that can take over what another process has seen."""

    def merge(self, other: Any) -> None:
        """Add what ``other`` has seen."""


M = TypeVar("M", bound=Mergeable)


def check_launcher(launcher: str) -> None:
    """Refuse a launcher that cannot work, before anything is built.

    Raises:
        ConfigError: a launcher other than "pytorch", or this process was not started by torchrun.
    """
    if launcher != LAUNCHER:
        raise ConfigError(f"launcher {launcher!r} is not supported; use {LAUNCHER!r} under torchrun.")
    missing = [name for name in TORCHRUN_VARIABLES if name not in os.environ]
    if missing:
        raise ConfigError(f"launcher {LAUNCHER!r} needs torchrun: {', '.join(missing)} not set in the environment.")


def join_process_group(on_gpu: bool) -> torch.device:
    """Join the group of processes that torchrun started.

    Args:
        on_gpu: train on this process's own GPU, otherwise on the CPU.
    Returns:
        the device of this process.
    Raises:
        ConfigError: this machine has more processes than GPUs.
    """
    device = _own_gpu(int(os.environ["LOCAL_RANK"])) if on_gpu else torch.device("cpu")
    if not dist.is_initialized():
        dist.init_process_group(backend="nccl" if on_gpu else "gloo")
    return device


def _own_gpu(local_rank: int) -> torch.device:
    if local_rank >= torch.cuda.device_count():
        raise ConfigError(
            f"process {local_rank} has no GPU of its own, this machine has {torch.cuda.device_count()}: lower "
            "--nproc_per_node, or pass device='cpu'."
        )
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)


def to_parallel(model: nn.Module, device: torch.device) -> DistributedDataParallel:
    """``model`` wrapped so that its gradients are averaged over the processes."""
    return DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)


def share_buffers(model: nn.Module) -> None:
    """Copy the first process's batch-norm statistics to all, so that all evaluate the same network."""
    for buffer in model.buffers():
        dist.broadcast(buffer, 0)


def merge_everywhere(metrics: list[M]) -> list[M]:
    """Merge each metric over all processes, in every process, and return ``metrics``."""
    parts: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, metrics)
    others = [part for rank, part in enumerate(parts) if rank != dist.get_rank()]
    for metric, *rest in zip(metrics, *others):
        for other in rest:
            metric.merge(other)
    return metrics


def mean_over_processes(value: torch.Tensor) -> torch.Tensor:
    """The mean of a scalar over the processes, float32 and detached; ``value`` itself where there is one process."""
    mean = value.detach().clone().float()
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(mean)
        mean /= dist.get_world_size()
    return mean
