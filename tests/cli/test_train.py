"""``modelscope-handkp train`` on a folder of COCO-WholeBody layout."""

from pathlib import Path
from typing import Any

import pytest
from small import dots_dataset, narrow_dir

from modelscope_handkp.cli import main
from modelscope_handkp.model_dir.checkpoint import read_checkpoint

pytest.importorskip("modelscope")


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return narrow_dir(tmp_path_factory.mktemp("model"), hooks=[{"type": "CheckpointHook"}, {"type": "EvaluationHook"}])


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return dots_dataset(tmp_path / "data", train=4, val=3)


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_train_and_resume(model_dir: Path, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work = tmp_path / "work"
    given = ("train", "--model", model_dir, "--data", data_dir, "--work-dir", work, "--workers", 0, "--batch-size", 2)
    assert run(*given, "--epochs", 1, "--lr", 0.001, "--seed", 3) == 0
    printed = capsys.readouterr().out
    assert f"trained model: {work / 'output'}" in printed and "(3 hands)" in printed
    assert (work / "output" / "pytorch_model.pt").is_file()
    first = read_checkpoint(work / "epoch_1.pth")
    assert first["meta"]["iter"] == 2  # batches of two of four samples
    assert first["optimizer"]["param_groups"][0]["initial_lr"] == 0.001
    assert run(*given, "--epochs", 2, "--resume") == 0
    assert read_checkpoint(work / "epoch_2.pth")["meta"]["iter"] == 4


def test_of_several_processes_the_first_prints(
    model_dir: Path,
    data_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = ("train", "--model", model_dir, "--data", data_dir, "--work-dir", tmp_path / "work", "--workers", 0)
    for rank, times in (("1", 0), ("0", 1)):
        monkeypatch.setenv("RANK", rank)
        assert run(*given, "--epochs", 1) == 0
        assert capsys.readouterr().out.count("trained model") == times


def test_options_reach_the_trainer(
    model_dir: Path, data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from modelscope_handkp.plugin.training import trainer

    built: list[dict[str, Any]] = []

    class Recorder:
        metric_values = None

        def __init__(self, **arguments: Any) -> None:
            built.append(arguments)

        def train(self, checkpoint_path: str | None = None) -> None:
            built[-1]["checkpoint_path"] = checkpoint_path

    monkeypatch.setattr(trainer, "HandKeypointsTrainer", Recorder)
    common = ("train", "--model", model_dir, "--data", data_dir)
    assert run(*common) == 0
    work = tmp_path / "work"
    more = ("--work-dir", work, "--seed", 3, "--fp16", "--launcher", "pytorch", "--device", "cpu", "--resume",
            "--epochs", 5, "--lr", 0.25, "--batch-size", 6, "--workers", 1, "--val", data_dir)  # fmt: skip
    assert run(*common, *more) == 0
    plain, full = built
    assert (plain["model"], plain["work_dir"], plain["cfg_options"]) == (str(model_dir), "work_dir", {})
    assert (plain["seed"], plain["use_fp16"], plain["checkpoint_path"]) == (42, False, None)
    assert "launcher" not in plain and "device" not in plain
    assert (len(plain["train_dataset"]), len(plain["eval_dataset"])) == (4, 3)
    assert (full["seed"], full["use_fp16"], full["launcher"], full["device"]) == (3, True, "pytorch", "cpu")
    assert full["checkpoint_path"] == full["work_dir"] == str(work)
    assert full["cfg_options"] == {
        "train.max_epochs": 5,
        "train.optimizer.lr": 0.25,
        "train.dataloader.batch_size_per_gpu": 6,
        "evaluation.dataloader.batch_size_per_gpu": 6,
        "train.dataloader.workers_per_gpu": 1,
        "evaluation.dataloader.workers_per_gpu": 1,
    }


def test_a_folder_without_val_part_trains_without_evaluation(model_dir: Path, data_dir: Path, tmp_path: Path) -> None:
    (data_dir / "annotations" / "coco_wholebody_val_v1.0.json").unlink()
    given = ("--model", model_dir, "--data", data_dir, "--work-dir", tmp_path / "work", "--workers", 0, "--epochs", 1)
    assert run("train", *given) == 0
    assert (tmp_path / "work" / "epoch_1.pth").exists() and not (tmp_path / "work" / "best_PCK.pth").exists()
    assert run("train", *given, "--val", data_dir) == 2
