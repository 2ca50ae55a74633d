"""The page goes to the hub with its model, through the package's own publishing."""

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from hub import Hub
from node import WEB
from publishing_hub import ID, hub, model_dir, publishable

pytest.importorskip("modelscope")

__all__ = ["hub", "model_dir", "publishable"]


@pytest.fixture
def page(tmp_path: Path) -> Path:
    folder = tmp_path / "page"
    for name in ("index.html", "files.json", "model/export.json", "model/keypoints.onnx", "src/main.js", ".notes"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["publish.py", *map(str, arguments)])
    runpy.run_path(str(WEB / "publish.py"), run_name="__main__")


@pytest.mark.slow  # the model is loaded and run
def test_model_and_page_are_sent_together(
    model_dir: Path, page: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in model_dir.iterdir()}
    run(monkeypatch, "--repo", ID, "--model", model_dir, "--page", page)
    assert f"published: {hub.endpoint}/models/{ID}" in capsys.readouterr().out
    sent = {path.relative_to(hub.models[ID]).as_posix() for path in Path(hub.models[ID]).rglob("*") if path.is_file()}
    pages = {"web/index.html", "web/files.json", "web/model/export.json", "web/model/keypoints.onnx", "web/src/main.js"}
    assert sent >= {*pages, "README.md", "configuration.json", "pytorch_model.pt"}
    assert not any("notes" in name for name in sent)
    assert (hub.models[ID] / "web/src/main.js").read_text() == "src/main.js"
    assert {path: path.read_bytes() for path in model_dir.iterdir()} == before


@pytest.mark.slow  # the model is loaded and run
def test_a_dry_run_sends_nothing(
    model_dir: Path, page: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "--repo", ID, "--model", model_dir, "--page", page, "--dry-run")
    said = capsys.readouterr().out
    assert "web/  " in said and "in 5 files" in said and f"nothing was sent to {ID}" in said
    assert hub.requests == []


def test_a_page_that_was_not_built_is_named(model_dir: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match=r"has no index\.html, .*: build the page with make web"):
        run(monkeypatch, "--repo", ID, "--model", model_dir, "--page", model_dir)
    with pytest.raises(SystemExit, match="is no id of a model on the hub"):
        run(monkeypatch, "--repo", "hands", "--model", model_dir, "--page", model_dir)
    assert hub.requests == []
