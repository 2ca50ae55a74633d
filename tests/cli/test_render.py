"""``modelscope-handkp render``: a folder that ``train`` takes, or one sentence and nothing written."""

import json
from pathlib import Path

import pytest

from modelscope_handkp.cli import main, render
from modelscope_handkp.data.dataset import HandDataset
from modelscope_handkp.sources.images import load_image
from modelscope_handkp.sources.listing import list_sources


def run(*arguments: object) -> int:
    return main([str(argument) for argument in ("render", *arguments)])


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_the_folder_is_a_data_set_and_a_folder_of_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my hands"
    assert run(folder, "--train", 3, "--val", 2, "--level", "easy", "--seed", 5) == 0
    captured = capsys.readouterr()
    assert "train: 3 images" in captured.out and "val: 2 images" in captured.out
    assert f"next: modelscope-handkp train --data '{folder}' --epochs 20" in captured.out
    assert "train2017" in captured.err and "image/s" in captured.err, "a progress bar"
    for split, count in (("train", 3), ("val", 2)):
        path = folder / "annotations" / f"coco_wholebody_{split}_v1.0.json"
        dataset = HandDataset(path, folder / f"{split}2017")
        assert len(dataset) >= count
        assert all(dataset[index]["img"].shape == (240, 320, 3) for index in range(len(dataset)))
        sources = list(list_sources([str(folder / f"{split}2017")]))
        assert len(sources) == count and all(load_image(source).shape == (240, 320, 3) for source in sources)
    assert files(tmp_path) == [f"my hands/{name}" for name in files(folder)]
    assert len(files(folder)) == 7, "no other file is left behind"


def test_seed_and_level_decide_what_is_rendered(tmp_path: Path) -> None:
    given = {"a": ("easy", 1), "b": ("easy", 1), "c": ("easy", 2), "d": ("hard", 1)}
    for name, (level, seed) in given.items():
        assert run(tmp_path / name, "--train", 1, "--val", 0, "--level", level, "--seed", seed) == 0
    a, b, c, d = ((tmp_path / name / "train2017" / "000000000001.jpg").read_bytes() for name in given)
    assert a == b and len({a, c, d}) == 3


def test_without_numbers_it_renders_a_thousand_and_a_hundred(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def noted(folder: Path, *counts: int, **more: object) -> None:
        asked.update(more, counts=counts)

    monkeypatch.setattr(render, "write_dataset", noted)
    assert run(tmp_path / "data") == 0
    assert asked == {"counts": (1000, 100), "seed": 0, "level": "medium"}


def test_without_training_images_the_next_command_evaluates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "data", "--train", 0, "--val", 1) == 0
    assert "modelscope-handkp evaluate --data" in capsys.readouterr().out
    assert not (tmp_path / "data" / "train2017").exists()


@pytest.mark.parametrize(("arguments", "words"), [
    (("--train", -1), "train must be from 0"),
    (("--val", -2), "got -2"),
    (("--train", 0, "--val", 0), "got 0"),
    (("--level", "extreme"), "unknown level 'extreme': use easy, medium, hard"),
    (("--seed", -7), "seed must be from 0"),
])  # fmt: skip
def test_bad_numbers_are_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[object, ...], words: str
) -> None:
    assert run(tmp_path / "data", *arguments) == 2
    printed = capsys.readouterr().err
    assert words in printed and printed.count("\n") == 1
    assert not list(tmp_path.iterdir()), "nothing is written"


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "data").write_text("mine")
    assert run(tmp_path / "data", "--train", 1) == 2
    assert "is a file" in capsys.readouterr().err and (tmp_path / "data").read_text() == "mine"


@pytest.mark.parametrize("name", ["annotations", "train2017", "val2017"])
def test_a_folder_with_a_data_set_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "mine.txt").write_text("mine")
    assert run(tmp_path, "--train", 1, "--val", 1) == 2
    assert "holds a data set already" in capsys.readouterr().err and files(tmp_path) == [f"{name}/mine.txt"]


def test_a_folder_with_other_files_is_used_and_they_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert run(tmp_path, "--train", 1, "--val", 0) == 0
    assert "notes.txt" in files(tmp_path) and len(files(tmp_path)) == 3


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (OSError("disk full"), 2)])
def test_a_stopped_run_leaves_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    original = render.write_dataset

    def stopped(folder: Path, *counts: int, **more: object) -> None:
        original(folder, *counts, **more)
        raise error

    monkeypatch.setattr(render, "write_dataset", stopped)
    assert run(tmp_path / "new", "--train", 1, "--val", 0) == code
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "notes.txt").write_text("mine")
    assert run(tmp_path / "old", "--train", 1, "--val", 0) == code
    assert files(tmp_path) == ["old/notes.txt"] and not (tmp_path / "new").exists()


def test_what_is_written_says_left_and_right(tmp_path: Path) -> None:
    assert run(tmp_path / "data", "--train", 8, "--val", 0, "--level", "easy") == 0
    content = json.loads((tmp_path / "data" / "annotations" / "coco_wholebody_train_v1.0.json").read_text())
    sides = [side for person in content["annotations"] for side in ("left", "right") if person[f"{side}hand_valid"]]
    assert {"left", "right"} == set(sides)
