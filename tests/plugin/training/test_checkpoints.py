"""Checkpoints: a run resumes exactly, and whatever ends it leaves whole files."""

import errno
import importlib.util
import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import HOOKS, assert_equal_weights, narrow_dir, weights

from modelscope_handkp.errors import CheckpointError, MissingFileError
from modelscope_handkp.model_dir.checkpoint import read_checkpoint, read_state_dict
from modelscope_handkp.plugin.training import checkpoints
from modelscope_handkp.training.work_dir import find_checkpoint

Build = Callable[..., Any]

SAVE = [{"type": "CheckpointHook", "interval": 1}]
SAVE_AND_EVALUATE = [*SAVE, {"type": "EvaluationHook", "interval": 1}]


def names(work: Path, pattern: str = "epoch_*") -> list[str]:
    return sorted(file.name for file in work.glob(pattern))


# resuming


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_two_and_resume_and_two_is_four(build: Build, tmp_path: Path, workers: int) -> None:
    options = {"train.max_epochs": 4, "train.hooks": HOOKS, "train.dataloader.workers_per_gpu": workers}
    through = build(options, work_dir=str(tmp_path / "through"))
    through.train()
    build({**options, "train.max_epochs": 2}).train()
    second = build(options)
    second.train(checkpoint_path=str(tmp_path / "work" / "epoch_2.pth"))
    assert_equal_weights(weights(through), weights(second))
    assert (second.epoch, second.iter) == (4, 8)
    a, b = (read_checkpoint(tmp_path / name / "epoch_4.pth") for name in ("through", "work"))
    assert a["optimizer"]["param_groups"] == b["optimizer"]["param_groups"]
    for key, state in a["optimizer"]["state"].items():
        assert torch.equal(state["exp_avg"], b["optimizer"]["state"][key]["exp_avg"])
    assert torch.equal(a["meta"]["rng_state"]["cpu"], b["meta"]["rng_state"]["cpu"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["epoch_2.pth", "best_PCK.pth"])
def test_a_torch_style_scheduler_resumes_too(build: Build, tmp_path: Path, name: str) -> None:
    def halve(cfg: Any) -> Any:
        cfg.train.lr_scheduler = {"type": "StepLR", "step_size": 1, "gamma": 0.5}
        return cfg

    options = {"train.max_epochs": 3, "train.hooks": SAVE_AND_EVALUATE}
    through = build(options, cfg_modify_fn=halve, work_dir=str(tmp_path / "through"))
    through.train()
    assert through.optimizer.param_groups[0]["lr"] == pytest.approx(5e-4 / 8)
    build({"train.hooks": SAVE_AND_EVALUATE}, cfg_modify_fn=halve).train()
    again = build(options, cfg_modify_fn=halve)
    again.train(checkpoint_path=str(tmp_path / "work" / name))
    assert_equal_weights(weights(through), weights(again))


def test_resume_within_an_epoch(build: Build, tmp_path: Path) -> None:
    hooks = [{"type": "CheckpointHook", "interval": 3, "by_epoch": False, "save_last": False}]
    through = build({"train.hooks": hooks})
    through.train()
    again = build({"train.hooks": hooks}, work_dir=str(tmp_path / "again"))
    seen: list[tuple[int, int]] = []
    step = again.train_step
    again.train_step = lambda *given: (seen.append((again.epoch, again.iter)), step(*given))[1]
    again.train(checkpoint_path=str(tmp_path / "work" / "iter_3.pth"))
    assert seen == [(1, 3)]
    assert_equal_weights(weights(through), weights(again))


def test_a_checkpoint_says_where_the_run_is(build: Build, tmp_path: Path) -> None:
    hooks = [{"type": "CheckpointHook", "interval": 3, "by_epoch": False, "save_last": True}]
    build({"train.hooks": hooks}).train()
    build({"train.hooks": SAVE, "train.max_epochs": 1}).train()
    keys = ("epoch", "iter", "inner_iter", "iters_per_epoch")
    within, between = (read_checkpoint(tmp_path / "work" / f"{name}_{n}.pth")["meta"] for name, n in
                       (("iter", 3), ("epoch", 1)))  # fmt: skip
    assert [within[key] for key in keys] == [1, 3, 1, 2]
    assert [between[key] for key in keys] == [1, 2, 0, 2]
    model = read_checkpoint(tmp_path / "work" / "output" / "pytorch_model.pt")
    assert model["meta"] == {key: between[key] for key in ("epoch", "iter", "time")}


def test_resuming_restores_the_random_generators(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build({"train.hooks": SAVE, "train.max_epochs": 1}).train()
    expected = random.random(), np.random.random(), float(torch.rand(()))
    resumed, told = build({"train.max_epochs": 1}), []
    monkeypatch.setattr(resumed.logger, "info", told.append)
    resumed.train(checkpoint_path=str(tmp_path / "work"))  # nothing is left to train
    assert (random.random(), np.random.random(), float(torch.rand(()))) == expected
    assert f"resuming from {tmp_path / 'work' / 'epoch_1.pth'}: epoch 1, iteration 2" in told


def test_weights_alone_start_a_new_run(build: Build, tmp_path: Path, finished: Any) -> None:
    trainer = build({"train.max_epochs": 1})
    first: list[Any] = []
    step = trainer.train_step
    trainer.train_step = lambda *given: (first.append((trainer.iter, weights(trainer))), step(*given))[1]
    trainer.train(str(finished.work / "epoch_2.pth"), load_all_state=False)
    assert (trainer.epoch, trainer.iter, first[0][0]) == (1, 2, 0)
    assert_equal_weights(first[0][1], weights(finished.trainer))


def test_a_second_train_forgets_the_checkpoint_of_the_first(build: Build, finished: Any) -> None:
    trainer = build()
    trainer.train(checkpoint_path=str(finished.work))
    assert (trainer.epoch, trainer.iter) == (2, 4)
    trainer.train()  # the hook of the first would set the weights back
    assert len([hook for hook in trainer.hooks if isinstance(hook, checkpoints.ResumeHook)]) == 0
    trainer.train(checkpoint_path=str(finished.work))
    trainer.train(checkpoint_path=str(finished.work))
    assert len([hook for hook in trainer.hooks if isinstance(hook, checkpoints.ResumeHook)]) == 1


def test_other_data_resume_between_epochs_only(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = [*SAVE]
    by_iteration = [{"type": "CheckpointHook", "interval": 1, "by_epoch": False, "save_last": False}]
    build({"train.hooks": by_iteration, "train.max_epochs": 1}, work_dir=str(tmp_path / "iterations")).train()
    build({"train.hooks": hooks, "train.max_epochs": 1}).train()
    smaller = {"train.dataloader.batch_size_per_gpu": 2, "train.max_epochs": 2}
    trainer, told = build(smaller), []
    monkeypatch.setattr(trainer.logger, "warning", told.append)
    trainer.train(checkpoint_path=str(tmp_path / "work"))
    assert "an epoch had 2 iterations and has 4 now: this run is not the same" in told
    assert (trainer.epoch, trainer.iter) == (2, 8)
    with pytest.raises(CheckpointError, match="stopped within an epoch of 2 iterations, here an epoch has 4"):
        build(smaller).train(checkpoint_path=str(tmp_path / "iterations" / "iter_1.pth"))


# which files stay


def test_the_best_checkpoint_is_the_best_evaluation(build: Build, tmp_path: Path) -> None:
    trainer = build({"train.hooks": SAVE_AND_EVALUATE, "train.max_epochs": 4, "train.optimizer.lr": 0.01})
    scores, epochs = iter([0.2, 0.5, 0.4, 0.1]), []
    evaluate = trainer.evaluate

    def evaluate_as_told(*given: Any) -> Any:
        values = evaluate(*given)
        values["PCK"] = next(scores)
        epochs.append(weights(trainer))
        return values

    trainer.evaluate = evaluate_as_told
    trainer.train()
    best = read_checkpoint(tmp_path / "work" / "best_PCK.pth")
    assert best["meta"]["epoch"] == 2
    assert_equal_weights(best["state_dict"], epochs[1])
    assert_equal_weights(read_state_dict(tmp_path / "work" / "output_best" / "pytorch_model.pt"), epochs[1])
    assert_equal_weights(read_state_dict(tmp_path / "work" / "output" / "pytorch_model.pt"), epochs[3])
    assert json.loads((tmp_path / "work" / "output_best" / "eval_result.txt").read_text())["PCK"] == 0.5
    assert read_checkpoint(tmp_path / "work" / "epoch_4.pth")["meta"]["hooks"]["BestCheckpointHook"] == {
        "best_metric": 0.5
    }


def test_a_resumed_run_knows_the_best_of_before(build: Build, tmp_path: Path) -> None:
    def run(score: float, **arguments: Any) -> None:
        trainer = build({"train.hooks": SAVE_AND_EVALUATE, "train.max_epochs": 1 + bool(arguments)})
        evaluate = trainer.evaluate
        trainer.evaluate = lambda *given: (values := evaluate(*given), values.update(PCK=score))[0]
        trainer.train(**arguments)

    run(0.5)
    run(0.4, checkpoint_path=str(tmp_path / "work"))
    assert read_checkpoint(tmp_path / "work" / "best_PCK.pth")["meta"]["epoch"] == 1


def test_only_the_newest_checkpoints_stay(build: Build, tmp_path: Path) -> None:
    hooks = [{"type": "CheckpointHook", "interval": 1, "max_checkpoint_num": 2}]
    build({"train.hooks": hooks, "train.max_epochs": 2}).train()
    build({"train.hooks": hooks, "train.max_epochs": 4}).train(checkpoint_path=str(tmp_path / "work"))
    assert names(tmp_path / "work") == ["epoch_3.pth", "epoch_4.pth"]


def test_a_new_run_in_an_old_work_dir_keeps_its_own_checkpoints(build: Build, tmp_path: Path) -> None:
    hooks = [{"type": "CheckpointHook", "interval": 1, "max_checkpoint_num": 1}]
    build({"train.hooks": hooks, "train.max_epochs": 2}).train()
    build({"train.hooks": hooks, "train.max_epochs": 1}).train()
    assert names(tmp_path / "work") == ["epoch_1.pth"]
    assert find_checkpoint(tmp_path / "work").name == "epoch_1.pth"


def test_the_best_weights_are_restored_if_asked(build: Build, tmp_path: Path) -> None:
    best = {"type": "BestCkptSaverHook", "metric_key": "EPE", "rule": "max", "restore_best": True}
    trainer = build({"train.hooks": [*SAVE_AND_EVALUATE, best], "train.max_epochs": 2})
    scores = iter([9.0, 3.0])
    evaluate = trainer.evaluate
    trainer.evaluate = lambda *given: (values := evaluate(*given), values.update(EPE=next(scores)))[0]
    trainer.train()
    assert_equal_weights(weights(trainer), read_state_dict(tmp_path / "work" / "epoch_1.pth"))
    assert names(tmp_path / "work", "best_*") == ["best_EPE.pth"]


# what a model directory holds


def test_the_output_has_the_files_of_the_model_but_no_other_weights(
    build: Build, tmp_path: Path, model_dir: Path
) -> None:
    source = shutil.copytree(model_dir, tmp_path / "model")
    files = ("README.md", "detection/config.py", "detection/model.pth", "detection/.cache", "detection/__pycache__/a",
             ".hidden", ".git/config", "old.pth", "old.pt", "model.bin", "old.safetensors")  # fmt: skip
    for name in files:
        (source / name).parent.mkdir(exist_ok=True)
        (source / name).write_text(name)
    build({"train.hooks": SAVE, "train.max_epochs": 1}, model=str(source)).train()
    output = tmp_path / "work" / "output"
    found = {str(file.relative_to(output)) for file in output.rglob("*") if file.is_file()}
    assert found == {"README.md", "detection/config.py", "detection/model.pth", "configuration.json",
                     "pytorch_model.pt", "model.safetensors", "eval_result.txt"}  # fmt: skip
    assert (output / "README.md").read_text() == "README.md"


def test_the_output_has_its_weights_twice(finished: Any) -> None:
    output = finished.work / "output"
    files = [read_state_dict(output / name) for name in ("model.safetensors", "pytorch_model.pt")]
    assert_equal_weights(*files)
    assert_equal_weights(files[0], weights(finished.trainer))
    assert find_checkpoint(output).name == "model.safetensors"


def test_a_kill_between_the_two_files_leaves_no_older_weights_to_read(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def write(path: Path, content: bytes) -> None:
        if trainer.epoch == 1 and path.name == killed_at:
            raise Killed
        whole(path, content)

    whole = checkpoints.write_atomically
    for killed_at, there in (("pytorch_model.pt", 1), ("model.safetensors", 2)):
        trainer = build({"train.hooks": SAVE, "train.optimizer.lr": 0.01}, work_dir=str(tmp_path / killed_at))
        monkeypatch.setattr(checkpoints, "write_atomically", write)
        with pytest.raises(Killed):
            trainer.train()
        monkeypatch.undo()
        output = find_checkpoint(tmp_path / killed_at / "output")
        assert output.name == "pytorch_model.pt" and read_checkpoint(output)["meta"]["epoch"] == there


def test_training_without_safetensors_says_so_once(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    output = tmp_path / "work" / "output"
    output.mkdir(parents=True)
    (output / "model.safetensors").write_text("of a run before")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "safetensors" else find(name, *a))
    build({"train.hooks": SAVE}).train()
    assert not (output / "model.safetensors").exists() and (output / "pytorch_model.pt").is_file()
    assert len([line for line in caplog.messages if "pip install safetensors" in line]) == 1


def test_a_work_dir_inside_the_model_directory_is_not_copied_into_itself(
    build: Build, tmp_path: Path, model_dir: Path
) -> None:
    source = shutil.copytree(model_dir, tmp_path / "model")
    options = {"train.hooks": SAVE, "train.max_epochs": 1}
    build(options, model=str(source), work_dir=str(source / "work")).train()
    assert not (source / "work" / "output" / "work").exists()
    output = source / "work" / "output"
    build(options, model=str(output), work_dir=str(source / "work")).train()  # its own output
    assert names(output, "*.json") == ["configuration.json"]


def test_what_killed_runs_left_is_removed(build: Build, tmp_path: Path) -> None:
    left = [tmp_path / "work" / ".epoch_1.pth.7.partial", tmp_path / "work" / "output" / ".a.7.partial"]
    for file in left:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    build({"train.hooks": SAVE, "train.max_epochs": 1}).train()
    assert not any(file.exists() for file in left)


# full disks, kills, files that do not fit


def test_a_full_disk_leaves_the_last_checkpoint_whole(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer, fsync = build({"train.hooks": SAVE}), os.fsync

    def full(descriptor: int) -> None:
        if trainer.epoch >= 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="cannot be written: No space left"):
        trainer.train()
    monkeypatch.undo()
    work = tmp_path / "work"
    assert not list(work.rglob(".*")) and not (work / "epoch_2.pth").exists()
    resumed = build()
    resumed.train(checkpoint_path=str(work))
    assert resumed.epoch == 2


def test_no_room_for_a_model_directory(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build({"train.hooks": SAVE})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="cannot be written: No space left"):
        trainer.train()
    assert not list((tmp_path / "work").rglob("*.pth")) and not list((tmp_path / "work").rglob(".*"))


def test_an_output_that_cannot_be_written(build: Build, tmp_path: Path) -> None:
    trainer = build({"train.hooks": SAVE})
    (tmp_path / "work" / "output").touch()
    with pytest.raises(CheckpointError, match=r"work/output cannot be written: .*exist"):
        trainer.train()


@pytest.mark.parametrize("last", ["epoch_2.pth", "output/pytorch_model.pt"])
def test_a_kill_between_the_files_of_the_last_epoch_leaves_no_old_output(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    class Killed(BaseException):
        pass

    def write(path: Path, content: bytes) -> None:
        if trainer.epoch == 1 and path == tmp_path / "work" / last:
            raise Killed
        whole(path, content)

    whole, trainer = checkpoints.write_atomically, build({"train.hooks": SAVE})
    monkeypatch.setattr(checkpoints, "write_atomically", write)
    with pytest.raises(Killed):
        trainer.train()
    monkeypatch.undo()
    resumed = build({"train.hooks": SAVE})
    resumed.train(checkpoint_path=str(tmp_path / "work"))
    output = read_state_dict(tmp_path / "work" / "output" / "pytorch_model.pt")
    assert_equal_weights(output, weights(resumed))


def test_checkpoints_that_do_not_fit(build: Build, tmp_path: Path, model_dir: Path, finished: Any) -> None:
    trainer = build()

    def refuse(path: Path, reason: str) -> None:
        with pytest.raises(CheckpointError, match=reason):
            trainer.train(checkpoint_path=str(path))

    with pytest.raises(MissingFileError, match="epoch_9"):
        trainer.train(checkpoint_path=str(tmp_path / "epoch_9.pth"))
    refuse(model_dir / "pytorch_model.pt", "no state to resume from; load_all_state=False")
    good = read_checkpoint(finished.work / "epoch_2.pth")
    foreign = {**good, "meta": {"epoch": 3, "iter": 7}}
    broken = {**good, "meta": {**good["meta"], "rng_state": {}}}
    for name, content in (("foreign", foreign), ("odd", {**good, "meta": "odd"}), ("broken", broken), ("list", [1])):
        torch.save(content, str(tmp_path / f"{name}.pth"))
    refuse(tmp_path / "foreign.pth", r"foreign.pth was written by another trainer.*load_all_state=False")
    refuse(tmp_path / "odd.pth", r"odd.pth was written by another trainer")
    refuse(tmp_path / "broken.pth", r"broken.pth does not fit this training: 'random'")
    refuse(tmp_path / "list.pth", "no state to resume from")
    (tmp_path / "cut.pth").write_bytes((model_dir / "pytorch_model.pt").read_bytes()[:5000])
    refuse(tmp_path / "cut.pth", r"cut.pth")
    other = narrow_dir(tmp_path / "wide", channels=4)
    with pytest.raises(CheckpointError, match="does not fit"):
        trainer.evaluate(str(other))
