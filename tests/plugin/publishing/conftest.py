"""Model directories that can be published, and a hub."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub import Hub
from publishing_hub import publishing_hub


@pytest.fixture(scope="session")
def publishable(tiny_dir: Callable[..., Path]) -> Path:
    """A tiny model whose configuration names this package. Treat it as read-only."""
    return tiny_dir(plugins=["modelscope-handkp"])


@pytest.fixture
def model_dir(publishable: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(publishable, tmp_path / "model")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """`publishing_hub`."""
    with publishing_hub(tmp_path, monkeypatch) as served:
        yield served
