"""A narrow network's model directory, images of dots, and trainers for them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small import HOOKS, datasets, dots_dataset, narrow_dir


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with a narrow, untrained network and no hooks (small.narrow_dir). Treat it as read-only."""
    return narrow_dir(tmp_path_factory.mktemp("model"), hooks=[])


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images of dots in COCO-WholeBody layout (small.dots_dataset). Treat them as read-only."""
    return dots_dataset(tmp_path_factory.mktemp("data"))


def make_trainer(
    model_dir: Path, data_dir: Path, work: Path, options: dict[str, Any] | None = None, **arguments: Any
) -> Any:
    """A trainer for two epochs of two iterations; ``options`` are dotted keys, ``arguments`` build_trainer's."""
    from modelscope.trainers import build_trainer

    train, val = datasets(data_dir, model_dir)
    options = {"train.max_epochs": 2, **(options or {})}
    given = {"model": str(model_dir), "train_dataset": train, "eval_dataset": val}
    given = {**given, "work_dir": str(work), "cfg_options": options}
    return build_trainer("easycv", {**given, **arguments})


@pytest.fixture
def build(model_dir: Path, data_dir: Path, tmp_path: Path) -> Callable[..., Any]:
    """build(options={...}, **arguments) -> a trainer without hooks, unless ``options`` has them; tmp_path/work."""

    def make(options: dict[str, Any] | None = None, **arguments: Any) -> Any:
        return make_trainer(model_dir, data_dir, tmp_path / "work", options, **arguments)

    return make


class Run:
    """A finished run of two epochs, with checkpoints, evaluation and log: its trainer and its folder."""

    def __init__(self, trainer: Any, work: Path) -> None:
        self.trainer, self.work = trainer, work


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, model_dir: Path, data_dir: Path) -> Run:
    """A `Run`. Treat its folder and its trainer's weights as read-only."""
    work = tmp_path_factory.mktemp("finished")
    trainer = make_trainer(model_dir, data_dir, work, {"train.hooks": HOOKS})
    trainer.train()
    return Run(trainer, work)
