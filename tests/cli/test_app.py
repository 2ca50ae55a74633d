"""The command line: the page in the browser."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from modelscope_handkp import cli
from modelscope_handkp.cli.exit_codes import REFUSED


def test_without_gradio_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert cli.main(["app", "--model", "no/such/model"]) == REFUSED
    assert "pip install 'modelscope-handkp[app]'" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_refused(tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("gradio", reason="Gradio is not installed")
    assert cli.main(["app", "--model", str(tmp_path), "--engine", "eager"]) == REFUSED
    assert "configuration.json" in capsys.readouterr().err


@pytest.mark.slow
def test_a_signal_ends_the_page_and_deletes_its_files(tmp_path: Path) -> None:
    pytest.importorskip("gradio", reason="Gradio is not installed")
    command = [sys.executable, "-m", "modelscope_handkp", "app", "--engine", "eager", "--port", "0"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            line = process.stdout.readline()
            assert re.search(r"http://127\.0\.0\.1:[1-9]\d*/", line), line
            assert list(tmp_path.glob("handkp-app-*"))
            time.sleep(0.5)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 128 + signal.SIGTERM
        finally:
            process.kill()
    assert not list(tmp_path.glob("handkp-app-*"))
