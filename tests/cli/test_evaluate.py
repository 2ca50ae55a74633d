"""``modelscope-handkp evaluate`` on a folder of COCO-WholeBody layout."""

import json
import logging
import sys
from pathlib import Path

import pytest
import torch
from small import dots_dataset, narrow_dir

from modelscope_handkp.cli import main

pytest.importorskip("modelscope")


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return narrow_dir(tmp_path_factory.mktemp("model"), hooks=[])


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return dots_dataset(tmp_path / "data", train=1, val=3)


@pytest.fixture
def given(model_dir: Path, data_dir: Path, tmp_path: Path) -> tuple[object, ...]:
    """The arguments that every command here has."""
    return ("evaluate", "--model", model_dir, "--data", data_dir, "--work-dir", tmp_path / "work", "--workers", 0)


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_numbers_and_predictions(given: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    numbers, predictions = tmp_path / "new" / "numbers.json", tmp_path / "new" / "predictions.json"
    assert run(*given, "--json", numbers, "--predictions", predictions) == 0
    values = json.loads(numbers.read_text())
    assert values["hands"] == 3 and {"PCK", "AUC", "EPE", "NME", "PCK_wrist"} <= values.keys()
    shown = ", ".join(f"{name} {round(values[name], 4)}" for name in ("PCK", "AUC", "EPE", "NME"))
    assert capsys.readouterr().out == f"{shown} (3 hands)\n"
    entries = json.loads(predictions.read_text())
    assert [entry["image_id"] for entry in entries] == [0, 1, 2]
    assert [entry["is_left"] for entry in entries] == [True, False, True]


def test_other_weights_than_the_models_own(given: tuple[object, ...], model_dir: Path, tmp_path: Path) -> None:
    content = torch.load(str(model_dir / "pytorch_model.pt"))
    content["state_dict"] = {key: value * 0 for key, value in content["state_dict"].items()}
    torch.save(content, str(tmp_path / "zero.pth"))
    predictions = tmp_path / "predictions.json"
    assert run(*given, "--checkpoint", tmp_path / "zero.pth", "--predictions", predictions) == 0
    assert {entry["score"] for entry in json.loads(predictions.read_text())} == {0.0}


def test_bad_images_fail_by_name_or_are_left_out(
    given: tuple[object, ...],
    data_dir: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    (data_dir / "val2017" / "000000000001.png").unlink()
    (data_dir / "val2017" / "000000000002.png").write_bytes(b"")
    assert run(*given) == 2
    assert "000000000001.png" in capsys.readouterr().err
    with caplog.at_level(logging.WARNING):
        assert run(*given, "--skip-bad-images") == 0
    assert "(1 hands)" in capsys.readouterr().out
    assert "000000000001.png" in caplog.text and "000000000002.png" in caplog.text


def test_files_and_devices_that_cannot_be_are_refused_before_the_work(
    given: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*given, "--device", "tpu") == 2
    assert "tpu" in capsys.readouterr().err
    (tmp_path / "file").touch()
    for option in ("--predictions", "--json"):
        assert run(*given, option, tmp_path / "file" / "new.json") == 2
    assert not (tmp_path / "work").exists()


def test_what_is_neither_folder_nor_data_set(
    model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("evaluate", "--model", model_dir, "--data", tmp_path / "nothing") == 2
    assert "nothing is neither a folder nor a hub data set" in capsys.readouterr().err


def test_without_modelscope_one_sentence_says_what_to_install(
    given: tuple[object, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.startswith(("modelscope.", "modelscope_handkp.plugin.training")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "modelscope", None)
    assert run(*given) == 2
    assert "need ModelScope (no module modelscope" in capsys.readouterr().err
