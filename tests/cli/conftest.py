"""What the tests of the command line share."""

from collections.abc import Callable
from pathlib import Path

import pytest
from publishing_hub import hub, model_dir, publishable

__all__ = ["hub", "model_dir", "publishable"]


@pytest.fixture(scope="module")
def model(tiny_dir: Callable[..., Path]) -> str:
    """A tiny model without a detector."""
    return str(tiny_dir())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for inputs, ``in``, below the working directory of the test."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    return tmp_path / "in"
