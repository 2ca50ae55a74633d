"""What the tests share: the reference answers of tests/golden and model directories in the hosted format."""

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

GOLDEN = Path(__file__).parent / "golden"
sys.path.insert(0, str(GOLDEN))
sys.path.insert(0, str(Path(__file__).parent))

collect_ignore_glob = [] if importlib.util.find_spec("modelscope") else ["plugin/*"]


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Any]:
    """golden("decode.npz") -> its arrays by name; golden("x.json") -> its value."""

    def load(name: str) -> Any:
        path = GOLDEN / name
        if path.suffix == ".json":
            return json.loads(path.read_text())
        with np.load(path) as file:
            return {key: file[key] for key in file.files}

    return load


@pytest.fixture(scope="session", autouse=True)
def graph_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Networks that are exported to be run are cached for the session, and not among the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "modelscope_handkp"


@pytest.fixture(scope="session")
def hosted_dir(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """hosted_dir(salt=0, tuples=False, plugins=None, score_threshold=0.5, edit=None) -> a model directory.

    ``plugins`` is the list of that key (None leaves the key out), ``edit`` changes the configuration in place.
    Directories without ``edit`` are made once a session: treat them as read-only.
    """
    made: dict[str, Path] = {}

    def make(
        salt: int = 0,
        tuples: bool = False,
        plugins: list[str] | None = None,
        score_threshold: float = 0.5,
        edit: Callable[[dict[str, Any]], None] | None = None,
    ) -> Path:
        from model_dirs import write_hosted_dir

        key = repr((salt, tuples, plugins, score_threshold))
        if edit is None and key in made:
            return made[key]
        out = write_hosted_dir(
            tmp_path_factory.mktemp("hosted"),
            salt=salt,
            tuples=tuples,
            plugins=plugins,
            score_threshold=score_threshold,
            edit=edit,
        )
        if edit is None:
            made[key] = out
        return out

    return make


@pytest.fixture(scope="session")
def tiny_dir(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """tiny_dir(edit=None, plugins=None) -> a new model directory with a tiny seeded network and no detector.

    Crops are 64x64, heatmaps 16x16. ``edit`` changes the configuration in place after the weights are made.
    """

    def make(edit: Callable[[dict[str, Any]], None] | None = None, plugins: list[str] | None = None) -> Path:
        from model_dirs import write_tiny_dir

        return write_tiny_dir(tmp_path_factory.mktemp("tiny"), edit, plugins)

    return make
