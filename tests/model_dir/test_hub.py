"""Where a model lies."""

import importlib
import sys
import types
from pathlib import Path

import pytest

from modelscope_handkp.errors import DownloadError, HandkpError, MissingFileError
from modelscope_handkp.model_dir import hub
from modelscope_handkp.model_dir.hub import EMBEDDED_MODEL_DIR, find_model_dir


def offer(monkeypatch: pytest.MonkeyPatch, download: object) -> None:
    monkeypatch.setitem(sys.modules, "modelscope", types.SimpleNamespace(snapshot_download=download))


def test_none_is_the_embedded_model() -> None:
    assert find_model_dir() == EMBEDDED_MODEL_DIR


def test_a_folder_is_itself_and_needs_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "modelscope", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owner" / "name").mkdir(parents=True)
    assert find_model_dir(tmp_path) == find_model_dir(str(tmp_path)) == tmp_path
    assert find_model_dir("owner/name") == Path("owner/name")


def test_an_id_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    offer(monkeypatch, lambda name: asked.append(name) or str(tmp_path))
    assert find_model_dir("damo/cv_hrnetw18_hand-pose-keypoints_coco-wholebody") == tmp_path
    assert asked == ["damo/cv_hrnetw18_hand-pose-keypoints_coco-wholebody"]


@pytest.mark.parametrize(
    "name", ["nothing", "", "../missing", "./missing", "/a/b", "a/b/c", "a/b\n", "x" * 5000, "a\0/b"]
)
def test_what_is_neither_is_said_and_not_looked_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, lambda name: pytest.fail("the hub was asked"))
    with pytest.raises(MissingFileError, match="neither a model directory nor a hub id"):
        find_model_dir(name)


def test_without_modelscope_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "modelscope", None)
    with pytest.raises(MissingFileError, match=r"owner/name.*modelscope"):
        find_model_dir("owner/name")


def test_a_hub_that_fails_gives_our_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> str:
        raise RuntimeError("404 not found")

    offer(monkeypatch, fail)
    with pytest.raises(DownloadError, match=r"owner/name.*404") as caught:
        find_model_dir("owner/name")
    assert isinstance(caught.value, (HandkpError, OSError))


def test_that_the_embedded_model_is_used_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    fresh = importlib.reload(hub)
    assert fresh.find_model_dir() == fresh.find_model_dir() == fresh.EMBEDDED_MODEL_DIR
    assert [record.levelname for record in caplog.records if "embedded" in record.message] == ["WARNING"]
