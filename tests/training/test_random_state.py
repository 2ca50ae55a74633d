"""Restoring the random generators repeats the numbers that came after the capture."""

import random
from pathlib import Path

import numpy as np
import pytest
import torch

from modelscope_handkp.model_dir.checkpoint import read_checkpoint
from modelscope_handkp.training.random_state import capture_random_state, restore_random_state


def draw() -> list[float]:
    """Numbers of Python's, numpy's and torch's global generators."""
    return [random.random(), random.gauss(0, 1), np.random.random(), np.random.normal(), float(torch.rand(()))]


def test_what_is_drawn_after_a_restore_is_what_was_drawn_after_the_capture() -> None:
    random.gauss(0, 1), np.random.normal()  # both keep the second number of a pair for the next call
    state = capture_random_state()
    first = draw()
    assert not set(first) & set(draw())
    restore_random_state(state)
    assert draw() == first


def test_a_state_survives_a_checkpoint_file(tmp_path: Path) -> None:
    state = capture_random_state()
    first = draw()
    torch.save({"rng_state": state}, tmp_path / "state.pth")
    restore_random_state(read_checkpoint(tmp_path / "state.pth")["rng_state"])
    assert draw() == first


def test_without_a_gpu_there_are_no_states_of_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert capture_random_state()["cuda"] == []


def test_the_states_of_gpus_are_restored_where_there_are_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    states, restored = [torch.zeros(16, dtype=torch.uint8), torch.ones(16, dtype=torch.uint8)], []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state_all", lambda: states)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", restored.append)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    state = capture_random_state()
    restore_random_state(state)
    assert restored == [states]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    restore_random_state(state)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    restore_random_state(state)
    assert restored == [states]


def test_what_is_no_state_is_an_error() -> None:
    with pytest.raises(KeyError):
        restore_random_state({})
