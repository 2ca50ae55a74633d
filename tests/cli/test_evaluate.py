"""``modelscope-handkp evaluate`` on a folder of COCO-WholeBody layout."""

import json
import logging
import sys
from pathlib import Path

import pytest
import torch
from coco_files import plain_hands
from small import dots_dataset, hands_dataset, narrow_dir

from modelscope_handkp.cli import main
from modelscope_handkp.data.oks import HAND_SIGMAS

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
    shown = ", ".join(f"{name} {round(values[name], 4)}" for name in ("PCK", "AUC", "EPE", "NME", "AP"))
    assert capsys.readouterr().out == f"{shown} (3 hands)\n"
    entries = json.loads(predictions.read_text())
    assert [entry["image_id"] for entry in entries] == [0, 1, 2]
    assert [entry["is_left"] for entry in entries] == [True, False, True]


@pytest.mark.slow
def test_average_precision_is_pycocotools_on_the_same_files(tmp_path: Path) -> None:
    coco, cocoeval = pytest.importorskip("pycocotools.coco"), pytest.importorskip("pycocotools.cocoeval")
    folder = hands_dataset(tmp_path / "data", train=0, val=8, seed=3)
    plain_hands(folder / "annotations" / "coco_wholebody_val_v1.0.json", tmp_path / "hands.json")
    given = ("evaluate", "--data", tmp_path / "hands.json", "--images", folder / "val2017", "--workers", 0)
    found, numbers = tmp_path / "found.json", tmp_path / "numbers.json"
    assert run(*given, "--work-dir", tmp_path / "work", "--predictions", found, "--json", numbers) == 0
    entries, truth = json.loads(found.read_text()), json.loads((tmp_path / "hands.json").read_text())["annotations"]
    side_of = {hand["id"]: hand["category_id"] for hand in truth}
    assert sorted(entry["annotation_id"] for entry in entries) == sorted(side_of)
    assert all(side_of[entry["annotation_id"]] == (1 if entry["is_left"] else 2) for entry in entries)
    annotated = coco.COCO(str(tmp_path / "hands.json"))
    evaluation = cocoeval.COCOeval(annotated, annotated.loadRes(str(found)), "keypoints")
    evaluation.params.kpt_oks_sigmas = HAND_SIGMAS
    for step in (evaluation.evaluate, evaluation.accumulate, evaluation.summarize):
        step()
    values = json.loads(numbers.read_text())
    assert 0.2 < values["AP"] < 0.99
    expected = [evaluation.stats[index] for index in (0, 1, 2, 5)]
    assert [values[name] for name in ("AP", "AP50", "AP75", "AR")] == pytest.approx(expected, abs=1e-6)


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
    assert "nothing is neither a folder nor an annotation file, and no hub data set" in capsys.readouterr().err


def test_without_modelscope_one_sentence_says_what_to_install(
    given: tuple[object, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(sys.modules):
        if name.startswith(("modelscope.", "modelscope_handkp.plugin.training")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "modelscope", None)
    assert run(*given) == 2
    assert "need ModelScope (no module modelscope" in capsys.readouterr().err
