"""Several processes under torchrun: ``launcher="pytorch"``, nccl with GPUs, gloo without."""

import os
from typing import Any

import torch
from modelscope.trainers.hooks.hook import Hook
from modelscope.trainers.hooks.priority import Priority
from modelscope.utils.constant import DistributedParallelType
from torch import distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..errors import ConfigError

LAUNCHER = "pytorch"
TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


class DDPHook(Hook):
    """Join the process group after the trainer is built, wrap its model before it trains.

    Raises:
        ConfigError: another launcher than "pytorch", not started by torchrun, or more processes than GPUs.
    """

    PRIORITY = Priority.LOW

    def __init__(self, launcher: str) -> None:
        if launcher != LAUNCHER:
            raise ConfigError(f"launcher {launcher!r} is not supported; use {LAUNCHER!r} under torchrun.")
        missing = [name for name in TORCHRUN if name not in os.environ]
        if missing:
            raise ConfigError(f"launcher {LAUNCHER!r} needs torchrun: {', '.join(missing)} not set in the environment.")

    def after_init(self, trainer: Any) -> None:
        local_rank, on_gpu = int(os.environ["LOCAL_RANK"]), torch.cuda.is_available() and str(trainer.device) != "cpu"
        if on_gpu:
            _take_gpu(local_rank)
        if not dist.is_initialized():
            dist.init_process_group(backend="nccl" if on_gpu else "gloo")
        trainer.device = torch.device("cuda", local_rank) if on_gpu else torch.device("cpu")
        trainer.model.to(trainer.device)
        trainer.parallel_groups[DistributedParallelType.DP] = None

    def before_run(self, trainer: Any) -> None:
        if not isinstance(trainer.model, DistributedDataParallel):
            trainer.model = trainer.to_parallel(trainer.model)


def _take_gpu(local_rank: int) -> None:
    """One GPU for each process of this machine."""
    if local_rank >= torch.cuda.device_count():
        raise ConfigError(
            f"process {local_rank} has no GPU of its own, this machine has {torch.cuda.device_count()}: lower "
            "--nproc_per_node, or pass device='cpu'."
        )
    torch.cuda.set_device(local_rank)


def to_parallel(model: nn.Module, device: torch.device) -> DistributedDataParallel:
    """``model``, with its gradients averaged over the processes."""
    return DistributedDataParallel(model, device_ids=[device.index] if device.type == "cuda" else None)


def share_buffers(model: nn.Module) -> None:
    """Give every process the first one's batch-norm statistics, so that all judge the same network."""
    for buffer in model.buffers():
        dist.broadcast(buffer, 0)


def merge_everywhere(metrics: list[Any]) -> list[Any]:
    """Each metric, merged over all processes, in every process."""
    parts: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, metrics)
    for own, *others in zip(metrics, *(part for rank, part in enumerate(parts) if rank != dist.get_rank())):
        for other in others:
            own.merge(other)
    return metrics


def mean_over_processes(value: torch.Tensor) -> torch.Tensor:
    """The mean of a scalar over the processes, detached."""
    value = value.detach().clone().float()
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(value)
        value /= dist.get_world_size()
    return value
