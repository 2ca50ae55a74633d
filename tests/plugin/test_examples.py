"""The training examples run offline."""

import runpy
import sys
from pathlib import Path

import pytest
from small import narrow_dir

pytest.importorskip("modelscope")
pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(autouse=True)
def work_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(monkeypatch: pytest.MonkeyPatch, script: str, *arguments: str) -> None:
    """A script of examples/, with these arguments."""
    monkeypatch.setattr(sys, "argv", [script, "--offline", *arguments])
    runpy.run_path(str(EXAMPLES / script), run_name="__main__")


def test_finetune_own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "finetune_own_data.py", "--model", str(narrow_dir(tmp_path / "model")), "--epochs", "1")
    printed = capsys.readouterr().out
    assert "before" in printed and "after" in printed and "1 hands in" in printed
    assert (tmp_path / "finetuned" / "output" / "pytorch_model.pt").is_file()


def test_evaluate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "evaluate.py", "--model", str(narrow_dir(tmp_path / "model")))
    printed = capsys.readouterr().out
    assert all(name in printed for name in ("PCK", "AUC", "EPE", "NME"))


def test_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, "train.py", "--epochs", "1")
    assert (tmp_path / "output" / "output" / "pytorch_model.pt").is_file()


def test_inference(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run(monkeypatch, "inference.py")
    assert "hand at [" in capsys.readouterr().out
