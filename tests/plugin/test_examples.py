"""The training examples run offline, as a user starts them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from small import narrow_dir

pytest.importorskip("modelscope")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def run(*arguments: str, cwd: Path) -> str:
    """A script of examples/ -> what it printed."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, str(ROOT / "examples" / arguments[0]), *arguments[1:]]
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_finetune_own_data(tmp_path: Path) -> None:
    model = narrow_dir(tmp_path / "model")
    printed = run("finetune_own_data.py", "--offline", "--model", str(model), "--epochs", "1", cwd=tmp_path)
    assert "before" in printed and "after" in printed
    assert (tmp_path / "finetuned" / "output" / "pytorch_model.pt").is_file()


def test_evaluate(tmp_path: Path) -> None:
    printed = run("evaluate.py", "--offline", "--model", str(narrow_dir(tmp_path / "model")), cwd=tmp_path)
    assert all(name in printed for name in ("PCK", "AUC", "EPE", "NME"))


def test_train(tmp_path: Path) -> None:
    run("train.py", "--offline", "--epochs", "1", cwd=tmp_path)
    assert (tmp_path / "output" / "output" / "pytorch_model.pt").is_file()
