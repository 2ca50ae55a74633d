"""Processes that were forked after their parent used torch's threads.

The threads are not in the child, and torch waits there for them for ever, unless it is told to use one thread.
"""

import os

import torch

from ..errors import InputError

_threads_used_by: int | None = None  # the process, which a fork inherits and a spawned process does not


def check_fork() -> None:
    """Refuse to run a network where it would hang, and note that this process is about to run one.

    Raises:
        InputError: this process was forked after its parent ran a network on several threads, and torch is to use
            several here, too.
    """
    global _threads_used_by  # noqa: PLW0603
    if torch.get_num_threads() == 1:
        return
    if _threads_used_by not in (None, os.getpid()):
        raise InputError(
            "this process was forked after its parent had built or used an estimator, and torch would wait for the "
            "parent's threads: call torch.set_num_threads(1) here first, start processes by 'spawn', or build the "
            "estimator after the fork only."
        )
    _threads_used_by = os.getpid()
