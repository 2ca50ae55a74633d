"""The command line: gestures of one's own from folders of images."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from modelscope_handkp import cli
from modelscope_handkp.cli.exit_codes import OK, REFUSED, SOME_FAILED
from modelscope_handkp.gestures import GestureExamples


@pytest.fixture
def images(folder: Path) -> Path:
    """Two gestures of two and one image."""
    for index, name in enumerate(("wave/a.png", "wave/b.png", "mine/c.png")):
        (folder / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / name), np.random.default_rng(index).integers(0, 255, (48, 40, 3), np.uint8))
    return folder


def test_a_file_of_examples_is_made(model: str, images: Path, capsys: Any) -> None:
    assert cli.main(["gestures", "train", str(images), "--out", "mine.json", "--model", model]) == OK
    printed = capsys.readouterr().out
    assert "wave: 2 of 2 images" in printed and "mine: 1 of 1 images" in printed
    assert "GestureExamples.load('mine.json')" in printed
    assert repr(GestureExamples.load("mine.json")) == "GestureExamples(mine: 1, wave: 2)"


def test_an_image_that_cannot_be_read_is_named_and_the_others_count(model: str, images: Path, capsys: Any) -> None:
    (images / "wave" / "broken.png").write_bytes(b"no image")
    command = ["gestures", "train", str(images), "--out", "mine.json", "--model", model, "--device", "cpu"]
    assert cli.main(command) == SOME_FAILED
    captured = capsys.readouterr()
    assert "wave: 2 of 3 images" in captured.out
    assert "left out" in captured.err and "broken.png" in captured.err


@pytest.mark.parametrize("out", ["in", "nowhere/mine.json"])
def test_a_file_that_cannot_be_written_is_refused_before_the_model_is_read(out: str, images: Path, capsys: Any) -> None:
    assert cli.main(["gestures", "train", str(images), "--out", out, "--model", "no/such/model"]) == REFUSED
    assert f"--out {out}" in capsys.readouterr().err


def test_a_folder_without_gestures_is_refused_and_nothing_is_written(folder: Path, capsys: Any) -> None:
    assert cli.main(["gestures", "train", str(folder), "--out", "mine.json"]) == REFUSED
    assert "no folders with images" in capsys.readouterr().err
    assert not Path("mine.json").exists()


def test_an_action_is_needed(capsys: Any) -> None:
    with pytest.raises(SystemExit):
        cli.main(["gestures"])
    assert "ACTION" in capsys.readouterr().err
