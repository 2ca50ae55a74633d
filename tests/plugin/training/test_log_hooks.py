"""What training shows: evaluations, log lines, TensorBoard, a progress bar."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from modelscope.trainers.hooks import iter_timer_hook
from small import BACKGROUND

from modelscope_handkp.plugin.training.log_hooks import ProgressHook

Build = Callable[..., Any]


def evaluations(trainer: Any) -> list[int]:
    """Train; after which epochs it evaluates."""
    epochs, evaluate = [], trainer.evaluate
    trainer.evaluate = lambda *given: (epochs.append(trainer.epoch + 1), evaluate(*given))[1]
    trainer.train()
    return epochs


@pytest.mark.parametrize(("interval", "expected"), [(1, [1, 2, 3]), (2, [2, 3]), (9, [3])])
def test_evaluation_every_interval_and_after_the_last_epoch(build: Build, interval: int, expected: list[int]) -> None:
    hooks = [{"type": "EvaluationHook", "interval": interval}]
    trainer = build({"train.hooks": hooks, "train.max_epochs": 3, "train.dataloader.batch_size_per_gpu": 8})
    assert evaluations(trainer) == expected


def test_evaluation_by_iteration_has_no_last_one(build: Build) -> None:
    hooks = [{"type": "EvaluationHook", "interval": 3, "by_epoch": False}]
    assert evaluations(build({"train.hooks": hooks})) == [2]


class Clock:
    """time.time() of the hook that times iterations."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now


def log_of(trainer: Any, seconds: float, monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> list[str]:
    """Train with iterations of so many seconds; the lines of the log."""
    clock, lines, step = Clock(), [], trainer.train_step

    def timed(*given: Any) -> None:
        clock.now += seconds
        step(*given)

    monkeypatch.setattr(iter_timer_hook, "time", clock)
    trainer.train_step = timed
    monkeypatch.setattr(trainer.logger, "info", lines.append)
    trainer.train(**arguments)
    monkeypatch.undo()
    return lines


@pytest.mark.parametrize("interval", [1, 2, 3, 10])
def test_the_remaining_time_counts_the_iterations_that_were(
    build: Build, monkeypatch: pytest.MonkeyPatch, interval: int
) -> None:
    hooks = [{"type": "TextLoggerHook", "interval": interval}, {"type": "IterTimerHook"}, {"type": "CheckpointHook"}]
    options = {"train.hooks": hooks, "train.max_epochs": 2, "train.dataloader.batch_size_per_gpu": 2}
    lines = [line for line in log_of(build(options), 60.0, monkeypatch) if "eta" in line]
    ends = [line for line in lines if "[4/4]" in line]
    assert len(ends) == 2
    assert "eta: 0:04:00" in ends[0] and "eta: 0:00:00" in ends[1]  # 4 of 8 iterations are left, a minute each


def test_the_remaining_time_after_a_resume(build: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hooks = [{"type": "TextLoggerHook"}, {"type": "IterTimerHook"}, {"type": "CheckpointHook"}]
    build({"train.hooks": hooks, "train.max_epochs": 1}).train()
    trainer = build({"train.hooks": hooks, "train.max_epochs": 4})
    lines = log_of(trainer, 60.0, monkeypatch, checkpoint_path=str(tmp_path / "work"))
    assert re.findall(r"eta: ([\d:]+)", "".join(lines)) == ["0:04:00", "0:02:00", "0:00:00"]


def test_the_last_iterations_of_an_epoch_are_logged(build: Build, tmp_path: Path) -> None:
    build({"train.hooks": [{"type": "TextLoggerHook", "interval": 10}]}).train()
    [log] = (tmp_path / "work").glob("*.log.json")
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["epoch"], line["iter"], line["mode"]) for line in lines] == [(1, 2, "train"), (2, 2, "train")]
    assert all(line.keys() >= {"lr", "loss", "acc_pose"} for line in lines)


def test_tensorboard_numbers_and_images(build: Build, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    hooks = [{"type": "EvaluationHook"}, {"type": "TensorboardHook"}]
    build({"train.hooks": hooks, "train.max_epochs": 1}).train()
    events = EventAccumulator(str(tmp_path / "work" / "tensorboard_output")).Reload()
    assert {"loss", "lr", "evaluation/PCK"} <= set(events.Tags()["scalars"])
    tags = events.Tags()["images"]  # of the last batch, which has two samples
    assert tags == ["predictions/000000000004.png_4", "predictions/000000000005.png_5"]
    image = events.Images(tags[0])[0]
    assert (image.height, image.width) == (120, 160)
    shown = cv2.imdecode(np.frombuffer(image.encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
    assert tuple(shown[0, 0]) == BACKGROUND


def test_tensorboard_shows_the_last_iterations_of_an_epoch(build: Build, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    build({"train.hooks": [{"type": "TensorboardHook", "interval": 10}], "train.max_epochs": 1}).train()
    events = EventAccumulator(str(tmp_path / "work" / "tensorboard_output")).Reload()
    assert [event.step for event in events.Scalars("loss")] == [2]


def test_without_tensorboard_a_warning_and_no_files(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("tensorboard", "torch.utils.tensorboard"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    hooks = [{"type": "EvaluationHook"}, {"type": "TensorboardHook", "interval": 1}]
    trainer, told = build({"train.hooks": hooks, "train.max_epochs": 1}), []
    monkeypatch.setattr(trainer.logger, "warning", told.append)
    trainer.train()
    assert told.count("tensorboard is not installed (pip install tensorboard): no TensorBoard files.") == 1
    assert not list((tmp_path / "work").rglob("events*"))


def test_the_bar_counts_iterations_and_shows_the_numbers(build: Build, tmp_path: Path) -> None:
    trainer = build({"train.hooks": [{"type": "CheckpointHook"}]})
    trainer.train()
    [hook] = trainer.get_hook(ProgressHook)
    assert (hook.bar.n, hook.bar.total, hook.bar.desc) == (4, 4, "epoch 2/2: ")
    assert all(name in hook.bar.postfix for name in ("loss=", "acc_pose=", "lr=3.20e-04"))
    assert hook.bar.disable  # closed
    resumed = build({"train.max_epochs": 3})
    resumed.train(checkpoint_path=str(tmp_path / "work"))
    [hook] = resumed.get_hook(ProgressHook)
    assert (hook.bar.initial, hook.bar.n, hook.bar.total) == (4, 6, 6)


def test_only_the_first_process_shows_a_bar(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    from modelscope_handkp.plugin.training import log_hooks

    monkeypatch.setattr(log_hooks, "is_master", lambda: False)
    trainer = build({"train.max_epochs": 1})
    trainer.train()
    assert trainer.get_hook(ProgressHook)[0].bar is None
