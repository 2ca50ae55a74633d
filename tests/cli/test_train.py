"""``modelscope-handkp train`` and ``evaluate`` on a folder of COCO-WholeBody layout."""

import json
import logging
from pathlib import Path

import pytest
from small import dots_dataset, narrow_dir

from modelscope_handkp.cli import main

pytest.importorskip("modelscope")


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return narrow_dir(tmp_path_factory.mktemp("model"))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return dots_dataset(tmp_path / "data", train=5, val=3)


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_train_resume_and_evaluate(
    model_dir: Path, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    common = ("--data", data_dir, "--work-dir", work, "--workers", 0, "--batch-size", 2)
    assert run("train", "--model", model_dir, *common, "--epochs", 1, "--lr", 0.001, "--seed", 3) == 0
    assert (work / "output" / "pytorch_model.pt").is_file()
    assert run("train", "--model", model_dir, *common, "--epochs", 2, "--resume") == 0
    assert (work / "epoch_2.pth").is_file()
    capsys.readouterr()

    numbers, predictions = tmp_path / "numbers.json", tmp_path / "predictions.json"
    given = (*common, "--json", numbers, "--predictions", predictions)
    assert run("evaluate", "--model", work / "output", *given) == 0
    assert "(3 hands)" in capsys.readouterr().out
    values = json.loads(numbers.read_text())
    assert values["hands"] == 3 and {"PCK", "AUC", "EPE", "NME"} <= values.keys()
    assert len(json.loads(predictions.read_text())) == 3
    assert run("evaluate", "--model", model_dir, *given, "--checkpoint", work / "epoch_2.pth") == 0
    assert json.loads(numbers.read_text()) == values


def test_of_several_processes_one_speaks(
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
        assert capsys.readouterr().out.count("the trained model") == times


def test_a_folder_without_val_part_trains_without_evaluation(model_dir: Path, data_dir: Path, tmp_path: Path) -> None:
    (data_dir / "annotations" / "coco_wholebody_val_v1.0.json").unlink()
    given = ("--model", model_dir, "--data", data_dir, "--work-dir", tmp_path / "work", "--workers", 0, "--epochs", 1)
    assert run("train", *given) == 0
    assert not (tmp_path / "work" / "best_PCK.pth").exists()
    assert run("train", *given, "--val", data_dir) == 2


def test_bad_pictures_fail_by_name_or_are_left_out(
    model_dir: Path,
    data_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (data_dir / "val2017" / "000000000001.png").unlink()
    (data_dir / "val2017" / "000000000002.png").write_bytes(b"")
    given = ("evaluate", "--model", model_dir, "--data", data_dir, "--work-dir", tmp_path / "work", "--workers", 0)
    assert run(*given) == 2
    assert "000000000001.png" in capsys.readouterr().err
    with caplog.at_level(logging.WARNING):
        assert run(*given, "--skip-bad-images") == 0
    assert "(1 hands)" in capsys.readouterr().out
    assert "000000000001.png" in caplog.text and "000000000002.png" in caplog.text


def test_files_and_devices_that_cannot_be_are_refused_before_the_work(
    model_dir: Path, data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ("evaluate", "--model", model_dir, "--data", data_dir, "--work-dir", tmp_path / "work", "--workers", 0)
    assert run(*given, "--device", "tpu") == 2
    assert "tpu" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert run(*given, "--predictions", tmp_path / "file" / "predictions.json") == 2
    assert not (tmp_path / "work").exists()
    assert run(*given, "--json", tmp_path / "new" / "numbers.json") == 0
    assert (tmp_path / "new" / "numbers.json").is_file()


def test_what_is_neither_folder_nor_data_set(
    model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", "--model", model_dir, "--data", tmp_path / "nothing") == 2
    assert "nothing is neither a folder nor a hub data set" in capsys.readouterr().err
