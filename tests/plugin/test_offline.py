"""Models of this package through ModelScope's doors while its hub does not answer."""

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hub import Hub

from modelscope_handkp.model_dir import hub as core
from modelscope_handkp.plugin import names, offline

ROOT = Path(__file__).parents[2]
ID = "owner/hands"


@pytest.fixture(autouse=True)
def nothing_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test's hub is asked anew."""
    monkeypatch.setattr(offline, "REMEMBERED_SECONDS", 0.0)


@pytest.fixture(scope="module")
def folder(tiny_dir: Callable[..., Path]) -> Path:
    """A model directory of ours, not to be written to."""
    return tiny_dir()


@pytest.fixture
def asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids about which a silent hub is asked, while `ID` is known from before."""
    seen = list[str]()

    def silence(model_id: str, *_: Any) -> str:
        seen.append(model_id)
        return "nothing"

    monkeypatch.setattr(core, "hub_silence", silence)
    for module in (core, offline):
        monkeypatch.setattr(module, "downloaded_copy", lambda name, revision=None: folder if name == ID else None)
    return seen


def test_a_model_of_ours_is_its_copy(asked: list[str]) -> None:
    copy = offline.copy_of(ID)
    assert copy is not None and (copy / "configuration.json").is_file()
    assert asked == [ID]


@pytest.mark.parametrize("model", ["owner/other", "not-an-id", ".", None, 7, ["owner/hands"]])
def test_about_anything_else_no_hub_is_asked(model: Any, asked: list[str]) -> None:
    assert offline.copy_of(model) is None
    assert asked == []


def test_about_a_model_of_another_package_no_hub_is_asked(
    asked: list[str], tiny_dir: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tiny_dir(edit=lambda config: config["model"].update(type="another"))
    monkeypatch.setattr(offline, "downloaded_copy", lambda name, revision=None: other)
    assert offline.copy_of(ID) is None
    assert asked == []


def test_the_hub_is_asked_once_for_one_pipeline(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offline, "REMEMBERED_SECONDS", 60.0)
    first = offline.copy_of(ID, "once")
    assert [offline.copy_of(ID, "once") for _ in range(3)] == [first] * 3
    assert asked == [ID]
    assert offline.copy_of(ID, "twice") == first
    assert asked == [ID, ID]


def test_modelscopes_own_functions_take_the_copy_of_ours_and_ask_about_others(
    asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from modelscope.hub.api import HubApi
    from modelscope.utils import hub as modelscopes

    copy = offline.copy_of(ID)
    assert modelscopes.snapshot_download(ID, revision="master") == str(copy)
    assert modelscopes.snapshot_download(ID, "master", user_agent={}) == str(copy)
    assert modelscopes.read_config(ID).model.type == names.MODEL
    assert HubApi.get_model(object(), ID) == {}
    with pytest.raises(Exception, match=r"no-such-folder|Cannot"):
        modelscopes.snapshot_download(ID, cache_dir="/no-such-folder", local_files_only=True)


# --- fresh processes: what is downloaded once is used while the hub is silent

EACH_DOOR = """
import sys, time
import modelscope_handkp
from modelscope_handkp import HandEstimator
from modelscope_handkp.cli import main
from modelscope.models import Model
from modelscope.pipelines import pipeline
from modelscope.trainers import build_trainer
model, image, out = sys.argv[1:]
train = {"model": model, "work_dir": out, "cfg_options": {"train.max_epochs": 1}}
doors = {
    "estimator": lambda: HandEstimator.from_pretrained(model),
    "pipeline": lambda: pipeline("hand-2d-keypoints", model=model),
    "model": lambda: Model.from_pretrained(model),
    "trainer": lambda: build_trainer("easycv", train),
    "command": lambda: main(["predict", image, "--model", model, "--out", out]),
}
for name, door in doors.items():
    started = time.monotonic()
    door()
    print("TOOK", name, time.monotonic() - started)
"""


def visit(hub: Hub, folder: Path) -> subprocess.CompletedProcess[str]:
    """All doors, in a fresh process."""
    image = folder / "hand.png"
    cv2.imwrite(str(image), np.zeros((40, 40, 3), np.uint8))
    environment = {**os.environ, **hub.environment(folder / "cache"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", EACH_DOOR, ID, str(image), str(folder / "out")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.slow
def test_every_door_opens_while_the_hub_is_silent(tmp_path: Path) -> None:
    from small import narrow_dir

    with Hub({ID: narrow_dir(tmp_path / "model", hooks=[])}) as hub:
        done = visit(hub, tmp_path)
        assert done.returncode == 0, done.stderr
        assert "does not answer" not in done.stderr
        hub.outage = "hang"
        done = visit(hub, tmp_path)
    assert done.returncode == 0, done.stderr
    took = {line.split()[1]: float(line.split()[2]) for line in done.stdout.splitlines() if line.startswith("TOOK")}
    assert set(took) == {"estimator", "pipeline", "model", "trainer", "command"}
    assert max(took.values()) < 4, took  # the wait is below two seconds; the rest is imports and inference
    assert 2 <= done.stderr.count("does not answer") <= 5


def test_a_silent_hub_is_logged_once(asked: list[str], caplog: pytest.LogCaptureFixture) -> None:
    offline.copy_of(ID)
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "does not answer (nothing)" in record.getMessage()
