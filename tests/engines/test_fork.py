"""A process that was forked after its parent ran a network."""

import multiprocessing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modelscope_handkp import HandEstimator
from modelscope_handkp.engines.fork import check_fork

pytestmark = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
IMAGE = np.zeros((40, 40, 3), np.uint8)


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """Torch has two threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def in_fork(work: Callable[[], Any]) -> str:
    """What ``work()`` gives in a forked process, or the error that it raises."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def run() -> None:
        try:
            sender.send(str(work()))
        except Exception as error:
            sender.send(f"{type(error).__name__}: {error}")

    child = context.Process(target=run, daemon=True)
    child.start()
    try:
        assert receiver.poll(30), "it hangs"
        return str(receiver.recv())
    finally:
        child.kill()
        child.join()


def on_one_thread(work: Callable[[], Any]) -> Any:
    torch.set_num_threads(1)
    return work()


@pytest.mark.slow  # a network on two threads, and two forks
def test_an_estimator_of_the_parent_is_refused_where_it_would_hang(tiny_dir: Callable[..., Path]) -> None:
    estimator = HandEstimator.from_pretrained(tiny_dir(), device="cpu")
    assert len(estimator(IMAGE)) == 1
    refusal = in_fork(lambda: len(estimator(IMAGE)))
    assert refusal.startswith("InputError: this process was forked") and "torch.set_num_threads(1)" in refusal
    assert in_fork(lambda: on_one_thread(lambda: len(estimator(IMAGE)))) == "1"
    assert len(estimator(IMAGE)) == 1  # the parent's own goes on


@pytest.mark.slow  # as above
def test_another_estimator_is_refused_likewise(tiny_dir: Callable[..., Path]) -> None:
    folder = tiny_dir()
    HandEstimator.from_pretrained(folder, device="cpu")
    refusal = in_fork(lambda: HandEstimator.from_pretrained(folder, device="cpu"))
    assert refusal.startswith("InputError: this process was forked")


def test_one_thread_is_never_refused_and_needs_no_other_in_a_fork() -> None:
    assert on_one_thread(check_fork) is None
    assert in_fork(lambda: on_one_thread(check_fork)) == "None"
