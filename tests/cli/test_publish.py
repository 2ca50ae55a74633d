"""``modelscope-handkp publish``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hub import Hub
from publishing_hub import ID, TOKEN

from modelscope_handkp.cli import main

pytest.importorskip("modelscope")


def test_a_dry_run_shows_everything_and_changes_nothing(
    model_dir: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MODELSCOPE_API_TOKEN")  # none is needed
    (model_dir / "epoch_1.pth").write_text("x")
    before = {path: path.read_bytes() for path in model_dir.iterdir()}
    assert main(["publish", str(model_dir), ID, "--dry-run"]) == 0
    said = capsys.readouterr().out
    size = (model_dir / "pytorch_model.pt").stat().st_size
    for text in (
        f"pytorch_model.pt  {size / 1000:.1f} kB",
        "3 files",
        "not published: epoch_1.pth",
        "tasks:\n- hand-2d",
        "1 hand found",
        "model='me/hands'",
        "none was stated, so its licence is Apache License 2.0",
        "nothing was written or sent",
    ):
        assert text in said
    assert said.index("In English") < said.index("3 files") < said.index("nothing was written or sent")
    assert {path: path.read_bytes() for path in model_dir.iterdir()} == before
    assert hub.requests == []


def test_publishing_says_what_is_sent_and_where_it_is(
    model_dir: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", str(model_dir), ID, "--private"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == f"published: {hub.endpoint}/models/{ID}"
    assert "README.md: none is there, this one is written" in said.out
    assert "modelscope - INFO" not in said.err and "Upload Report" not in said.out
    assert hub.uploads.visibility[ID] == 1
    assert (model_dir / "README.md").read_bytes() == (hub.models[ID] / "README.md").read_bytes()


def test_a_card_that_is_completed_is_said(model_dir: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    (model_dir / "README.md").write_text("---\nlicense: MIT License\ntags: [x]\n---\n# Mine\n")
    assert main(["publish", str(model_dir), ID]) == 0
    said = capsys.readouterr().out
    assert "README.md: its page stays as it is; front matter gets tasks, domain" in said
    assert "licence" not in said
    assert main(["publish", str(model_dir), ID]) == 0
    assert "README.md:" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([".", "hands"], "OWNER/NAME"),
        ([".", "OWNER/NAME"], "only shows where an id stands"),
        (["nothing", ID], "no directory of a model"),
        (["in", ID], "no configuration.json"),
    ],
)
def test_what_cannot_be_published_is_one_sentence(
    arguments: list[str], said: str, hub: Hub, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("modelscope-handkp: ")
    assert said in error
    assert hub.requests == []


def test_without_a_token_all_is_checked_and_shown_first(
    model_dir: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "")
    assert main(["publish", str(model_dir), ID]) == 2
    said = capsys.readouterr()
    assert "1 hand found" in said.out and "pytorch_model.pt" in said.out
    assert "there is no token for the hub: run modelscope login" in said.err
    (model_dir / "configuration.json").write_text("{}")
    assert main(["publish", str(model_dir), ID]) == 2
    said = capsys.readouterr()
    assert "cannot be published" in said.err and "modelscope login" not in said.err
    assert not (model_dir / "README.md").exists()
    assert hub.requests == []


def test_a_failure_on_the_hub_is_one_sentence(
    model_dir: Path, hub: Hub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["publish", str(model_dir), "other/hands"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("modelscope-handkp: the token has no right to write to other/hands")
    assert TOKEN not in error


def test_the_help_says_where_the_token_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["publish", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "modelscope login" in said and "MODELSCOPE_API_TOKEN" in said


@pytest.mark.slow
def test_in_a_process_of_its_own(model_dir: Path, hub: Hub) -> None:
    """With the client's own noise and threads; the token is in no output."""
    command = [sys.executable, "-m", "modelscope_handkp", "publish", str(model_dir), ID]
    hub.uploads.fail("PUT", 400, times=1, message=f"{TOKEN} is full")
    options = {"capture_output": True, "text": True, "timeout": 300, "env": {**os.environ}}
    runs = [subprocess.run(command, check=False, **options) for _ in range(2)]
    assert [run.returncode for run in runs] == [2, 0]
    assert all(TOKEN not in run.stdout + run.stderr for run in runs)
    assert "*** is full" in runs[0].stderr.splitlines()[-1]
    assert "Traceback" not in runs[0].stderr
    assert runs[1].stdout.splitlines()[-1] == f"published: {hub.endpoint}/models/{ID}"
