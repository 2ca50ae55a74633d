"""Two processes of one group on this machine, without torchrun."""

import multiprocessing
import os
import socket
from collections.abc import Callable
from typing import Any

import torch
from torch import distributed as dist

from modelscope_handkp.training.distributed import join_process_group

WORLD = 2
TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}


def in_two_processes(work: Callable[[int], Any]) -> list[Any]:
    """``work(rank)`` of each process of a group."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(rank: int, pipe: Any) -> None:
        values = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(WORLD), "MASTER_PORT": str(port)}
        os.environ.update(TORCHRUN, **values)
        torch.set_num_threads(1)
        assert join_process_group(on_gpu=False) == torch.device("cpu")
        pipe.send(work(rank))
        dist.barrier()
        dist.destroy_process_group()

    context = multiprocessing.get_context("fork")  # the children have torch already
    pipes = [context.Pipe(duplex=False) for _ in range(WORLD)]
    children = [context.Process(target=run, args=(rank, pipe[1]), daemon=True) for rank, pipe in enumerate(pipes)]
    for child in children:
        child.start()
    try:
        finished = [receiver.poll(60) for receiver, _ in pipes]
        assert all(finished), "a process has sent nothing"
        return [receiver.recv() for receiver, _ in pipes]
    finally:
        for child in children:
            child.join(10)
            child.kill()
