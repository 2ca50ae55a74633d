"""Which device a network runs on."""

from typing import Any

import pytest
import torch

from modelscope_handkp.engines.device import pick_device
from modelscope_handkp.errors import InputError


@pytest.mark.parametrize("device", ["gpu", "cuda:99", 5.5, "meta", ""])
def test_devices_that_cannot_be_used_are_named(device: Any) -> None:
    with pytest.raises(InputError, match=f"device {device!r} cannot be used: ."):
        pick_device(device)


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_a_device_that_is_there_is_taken(device: Any) -> None:
    assert pick_device(device) == torch.device("cpu")


@pytest.mark.parametrize(("there", "expected"), [(True, "cuda"), (False, "cpu")])
def test_a_gpu_is_taken_where_there_is_one(there: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    assert pick_device(None) == torch.device(expected)
