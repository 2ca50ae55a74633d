"""The folder that is pushed to ModelScope Studio."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

STUDIO = Path(__file__).parents[2] / "examples" / "studio"


def test_its_card_has_what_a_studio_reads() -> None:
    yaml = pytest.importorskip("yaml")
    card = yaml.safe_load((STUDIO / "README.md").read_text().split("---\n")[1])
    assert card["domain"] == ["cv"] and card["license"] == "Apache License 2.0"
    assert (STUDIO / card["deployspec"]["entry_file"]).is_file()


def test_its_deployment_is_one_of_gradio() -> None:
    deployment = json.loads((STUDIO / "ms_deploy.json").read_text())
    assert deployment["sdk_type"] == "gradio" and "py311" in deployment["base_image"]


def test_its_requirements_are_extras_of_this_package() -> None:
    (line,) = (STUDIO / "requirements.txt").read_text().splitlines()
    extras = re.fullmatch(r"modelscope-handkp\[([\w,]+)\]", line).group(1).split(",")
    project = (STUDIO.parents[1] / "pyproject.toml").read_text()
    assert "app" in extras and all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras)


def test_its_program_serves_to_all_addresses() -> None:
    source = (STUDIO / "app.py").read_text()
    assert 'host="0.0.0.0"' in source and "from modelscope_handkp.app import Models, serve" in source


@pytest.mark.slow
def test_a_model_that_is_not_there_is_told_in_a_line() -> None:
    run = [sys.executable, str(STUDIO / "app.py")]
    environment = {**os.environ, "MODELS": "nosuch"}
    ended = subprocess.run(run, check=False, capture_output=True, text=True, env=environment, timeout=60)
    assert ended.returncode == 1 and len(ended.stderr.splitlines()) == 1 and "nosuch is neither" in ended.stderr
