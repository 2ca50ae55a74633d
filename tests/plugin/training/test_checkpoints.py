"""Checkpoints: a run goes on exactly, and whatever ends it leaves whole files."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small import HOOKS, assert_equal_weights, narrow_dir, weights

from modelscope_handkp.errors import CheckpointError, MissingFileError
from modelscope_handkp.model_dir.checkpoint import read_checkpoint, read_state_dict
from modelscope_handkp.plugin.training import checkpoints
from modelscope_handkp.training.work_dir import find_checkpoint

pytest.importorskip("modelscope.trainers")

Trained = Callable[..., Any]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_two_and_resume_and_two_is_four(build: Trained, tmp_path: Path, workers: int) -> None:
    options = {"train.max_epochs": 4, "train.dataloader.workers_per_gpu": workers}
    through = build(options, work_dir=str(tmp_path / "through"))
    through.train()
    first = build({**options, "train.max_epochs": 2})
    first.train()
    second = build(options)
    second.train(checkpoint_path=str(tmp_path / "work" / "epoch_2.pth"))
    assert_equal_weights(weights(through), weights(second))
    assert (second.epoch, second.iter) == (4, 8)
    a, b = (read_checkpoint(tmp_path / name / "epoch_4.pth") for name in ("through", "work"))
    assert a["optimizer"]["param_groups"] == b["optimizer"]["param_groups"]
    assert all(
        torch.equal(a["optimizer"]["state"][i]["exp_avg"], b["optimizer"]["state"][i]["exp_avg"]) for i in range(9)
    )
    assert torch.equal(a["meta"]["rng_state"]["cpu"], b["meta"]["rng_state"]["cpu"])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["epoch_2.pth", "best_PCK.pth"])
def test_a_torch_style_scheduler_resumes_too(build: Trained, tmp_path: Path, name: str) -> None:
    def halve(cfg: Any) -> Any:
        cfg.train.lr_scheduler = {"type": "StepLR", "step_size": 1, "gamma": 0.5}
        return cfg

    through = build({"train.max_epochs": 3}, cfg_modify_fn=halve, work_dir=str(tmp_path / "through"))
    through.train()
    assert through.optimizer.param_groups[0]["lr"] == pytest.approx(5e-4 / 8)
    build(cfg_modify_fn=halve).train()
    again = build({"train.max_epochs": 3}, cfg_modify_fn=halve)
    again.train(checkpoint_path=str(tmp_path / "work" / name))
    assert_equal_weights(weights(through), weights(again))


def test_resume_within_an_epoch(build: Trained, tmp_path: Path) -> None:
    hooks = [{"type": "CheckpointHook", "interval": 3, "by_epoch": False, "save_last": False}]
    options = {"train.max_epochs": 3, "train.hooks": hooks}
    through = build(options)
    through.train()
    again = build(options, work_dir=str(tmp_path / "again"))
    again.train(checkpoint_path=str(tmp_path / "work" / "iter_3.pth"))
    assert_equal_weights(weights(through), weights(again))


def test_resume_from_the_work_dir_and_by_prefix(build: Trained, tmp_path: Path) -> None:
    build().train()
    done = build()
    done.train(checkpoint_path=str(tmp_path / "work"))
    assert done.epoch == 2
    one_more = build({"train.max_epochs": 3})
    one_more.train(checkpoint_path=str(tmp_path / "work" / "epoch_2"))
    assert one_more.iter == 6


@pytest.mark.slow
def test_the_schedule_goes_on_after_a_resume(build: Trained, tmp_path: Path) -> None:
    options = {"train.lr_scheduler.warmup_iters": 6, "train.max_epochs": 4}

    def rates(trainer: Any, **arguments: Any) -> list[float]:
        seen: list[float] = []
        step = trainer.train_step
        trainer.train_step = lambda *given: (seen.append(trainer.optimizer.param_groups[0]["lr"]), step(*given))[1]
        trainer.train(**arguments)
        return seen

    through = rates(build(options))
    rest = rates(build(options), checkpoint_path=str(tmp_path / "work" / "epoch_2.pth"))
    assert rest == through[4:]


def test_the_best_checkpoint_is_the_best_evaluation(build: Trained, tmp_path: Path) -> None:
    trainer = build({"train.max_epochs": 4, "train.optimizer.lr": 0.01})
    seen = []
    evaluate = trainer.evaluate
    trainer.evaluate = lambda *given: seen.append(evaluate(*given)) or seen[-1]
    trainer.train()
    best = max(value["PCK"] for value in seen)
    assert build(train_dataset=None).evaluate(str(tmp_path / "work" / "best_PCK.pth"))["PCK"] == best
    assert json.loads((tmp_path / "work" / "output_best" / "eval_result.txt").read_text())["PCK"] == best


def test_only_the_newest_checkpoints_stay(build: Trained, tmp_path: Path) -> None:
    hooks = [{"type": "CheckpointHook", "interval": 1, "max_checkpoint_num": 2}]
    build({"train.hooks": hooks, "train.max_epochs": 2}).train()
    build({"train.hooks": hooks, "train.max_epochs": 4}).train(checkpoint_path=str(tmp_path / "work"))
    assert sorted(file.name for file in (tmp_path / "work").glob("epoch_*")) == ["epoch_3.pth", "epoch_4.pth"]


def test_a_new_run_in_an_old_work_dir_keeps_its_own_checkpoints(build: Trained, tmp_path: Path) -> None:
    hooks = [{"type": "CheckpointHook", "interval": 1, "max_checkpoint_num": 1}]
    build({"train.hooks": hooks, "train.max_epochs": 2}).train()
    build({"train.hooks": hooks, "train.max_epochs": 1}).train()
    assert [file.name for file in (tmp_path / "work").glob("epoch_*")] == ["epoch_1.pth"]
    assert find_checkpoint(tmp_path / "work").name == "epoch_1.pth"


def test_the_best_weights_are_restored_if_asked(build: Trained, tmp_path: Path) -> None:
    best = {"type": "BestCkptSaverHook", "metric_key": "EPE", "rule": "max", "restore_best": True}
    trainer = build({"train.hooks": [*HOOKS, best], "train.max_epochs": 3, "train.optimizer.lr": 0.01})
    trainer.train()
    assert_equal_weights(weights(trainer), read_state_dict(tmp_path / "work" / "best_EPE.pth"))


def test_full_disk_leaves_the_last_checkpoint_whole(
    build: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = build({"train.max_epochs": 2})
    calls, fsync = [], os.fsync

    def full(descriptor: int) -> None:
        calls.append(descriptor)
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


def test_no_room_for_a_model_directory(build: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = build()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="cannot be written: No space left"):
        trainer.train()
    assert not list((tmp_path / "work").rglob("*.pth")) and not list((tmp_path / "work").rglob(".*"))


@pytest.mark.parametrize("last", ["epoch_2.pth", "output/pytorch_model.pt"])
def test_a_kill_between_the_files_of_the_last_epoch_leaves_no_old_output(
    build: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    class Killed(BaseException):
        pass

    def write(path: Path, content: bytes) -> None:
        if trainer.epoch == 1 and path == tmp_path / "work" / last:
            raise Killed
        whole(path, content)

    whole, trainer = checkpoints.write_atomically, build()
    monkeypatch.setattr(checkpoints, "write_atomically", write)
    with pytest.raises(Killed):
        trainer.train()
    monkeypatch.undo()
    resumed = build()
    resumed.train(checkpoint_path=str(tmp_path / "work"))
    output = read_state_dict(tmp_path / "work" / "output" / "pytorch_model.pt")
    assert_equal_weights(output, weights(resumed))


def test_checkpoints_that_do_not_fit(build: Trained, tmp_path: Path, model_dir: Path) -> None:
    with pytest.raises(MissingFileError, match="epoch_9"):
        build().train(checkpoint_path=str(tmp_path / "epoch_9.pth"))
    with pytest.raises(CheckpointError, match="no state to resume from"):
        build().train(checkpoint_path=str(model_dir / "pytorch_model.pt"))
    trainer = build()
    foreign = {"meta": {"epoch": 3, "iter": 7}, "state_dict": weights(trainer), "optimizer": {}}
    torch.save(foreign, str(tmp_path / "foreign.pth"))
    with pytest.raises(CheckpointError, match=r"foreign.pth was written by another trainer.*load_all_state=False"):
        trainer.train(checkpoint_path=str(tmp_path / "foreign.pth"))
    other = narrow_dir(tmp_path / "wide", channels=4)
    with pytest.raises(CheckpointError, match="does not fit"):
        build().evaluate(str(other))
    (tmp_path / "cut.pth").write_bytes((model_dir / "pytorch_model.pt").read_bytes()[:5000])
    with pytest.raises(CheckpointError, match=r"cut.pth"):
        build().train(checkpoint_path=str(tmp_path / "cut.pth"))
