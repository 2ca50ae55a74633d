"""The random generators that training draws from: Python's, numpy's, torch's and those of the GPUs."""

import random
from typing import Any

import numpy as np
import torch


def capture_random_state() -> dict[str, Any]:
    """The state of each global generator.

    Returns:
        ``random`` (Python), ``numpy``, ``cpu`` (torch) and ``cuda`` (a list, one state for each GPU), in plain values
        and tensors, so that a checkpoint can hold them and be read without executing it.
    """
    name, keys, *numbers = np.random.get_state()  # type: ignore[misc]  # noqa: NPY002
    return {
        "random": random.getstate(),
        "numpy": (name, torch.from_numpy(np.asarray(keys, np.int64)), *numbers),
        "cpu": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: dict[str, Any]) -> None:
    """Set each global generator to what `capture_random_state` returned.

    The GPUs' generators stay as they are where the number of GPUs differs from that of the captured state.

    Raises:
        KeyError, TypeError, ValueError, RuntimeError: ``state`` is not such a state.
    """
    random.setstate(state["random"])
    name, keys, *numbers = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *numbers))  # noqa: NPY002
    torch.set_rng_state(state["cpu"])
    if torch.cuda.is_available() and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
