"""The rules of the game hold: `node --test` runs the files test_game_*.mjs beside this one."""

import shutil
import subprocess
from pathlib import Path

import pytest

NODE = shutil.which("node")
FILES = sorted(Path(__file__).parent.glob("test_game_*.mjs"))


@pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_rules_hold(path: Path) -> None:
    assert NODE is not None
    ran = subprocess.run([NODE, "--test", str(path)], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
