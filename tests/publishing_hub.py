"""What tests of publishing share: a model that can be published, and a hub for ModelScope's client in their process."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hub import Hub

TOKEN = "ms-5ecret-0f-a-test"
OWNER = "me"
ID = f"{OWNER}/hands"


@contextmanager
def publishing_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on which `TOKEN`, which the environment has, may write for `OWNER`; it has a model ``other/hands``.

    Nobody is logged in, and what the client keeps is kept below ``tmp_path / "home"``.
    """
    from modelscope_hub import config

    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "configuration.json").write_text("{}")
    with Hub({"other/hands": tmp_path / "other"}, accounts={TOKEN: [OWNER]}) as hub, monkeypatch.context() as patch:
        home = tmp_path / "home"
        home.mkdir()
        more = {"MODELSCOPE_API_TOKEN": TOKEN, "MODELSCOPE_HOME": str(home / ".modelscope"), "HOME": str(home)}
        for key, value in {**hub.environment(tmp_path / "cache"), **more}.items():
            patch.setenv(key, value)
        config.set_default_config(None)
        try:
            yield hub
        finally:
            config.set_default_config(None)


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
