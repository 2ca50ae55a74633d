"""Where a model lies."""

import importlib
import json
import logging
import shutil
import socket
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub import Hub

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


# --- a hub that does not answer

ID = "owner/name"
LIMIT_SECONDS = 2.0


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[Hub]:
    """A hub with the model `ID`."""
    with Hub({ID: write_model(tmp_path / "served")}) as server:
        yield server


def write_model(folder: Path) -> Path:
    """A model directory with the files that one has, of no sense."""
    (folder / "detection").mkdir(parents=True)
    detection = {"config_file": "detection/config.py", "model_path": "detection/detection_model.pth"}
    (folder / "configuration.json").write_text(json.dumps({"DETECTION": detection}))
    for name in (*detection.values(), "pytorch_model.pt"):
        (folder / name).write_bytes(b"x")
    return folder


class Client:
    """A hub client as ModelScope's: ``cache`` is what it has downloaded; ``calls`` are its downloads."""

    def __init__(self, endpoint: str, cache: Path | None, error: Exception | None = None) -> None:
        self.endpoint, self.cache, self.error = endpoint, cache, error
        self.calls: list[str] = []

    def HubApi(self) -> Any:
        return types.SimpleNamespace(endpoint=self.endpoint)

    def snapshot_download(self, name: str, revision: str | None = None, local_files_only: bool = False) -> str:
        if not local_files_only:
            self.calls.append(name)
            if self.error is not None:
                raise self.error
        if self.cache is None:
            raise ValueError("Cannot find the requested files in the cached path")
        return str(self.cache)


@pytest.fixture
def client(serving: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client of that hub that has downloaded the model."""
    made = Client(serving.endpoint, write_model(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "modelscope", made)
    return made


def nowhere() -> str:
    """A port at which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize(
    "outage",
    [
        "refused",
        "no-such-host",
        pytest.param("hang", marks=pytest.mark.slow),
        pytest.param("drip", marks=pytest.mark.slow),
        "page",
        500,
        503,
        429,
    ],
)
def test_a_silent_hub_is_not_waited_for_where_there_is_a_copy(
    outage: Any, client: Client, serving: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    if outage in ("refused", "no-such-host"):
        client.endpoint = nowhere() if outage == "refused" else "http://no-such-host.invalid"
    else:
        serving.outage = outage
    started = time.monotonic()
    assert find_model_dir(ID) == client.cache
    assert time.monotonic() - started < LIMIT_SECONDS
    assert client.calls == []
    [message] = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert ID in message and "does not answer" in message and str(client.cache) in message


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The hub has time to answer, whatever else this machine does."""
    monkeypatch.setattr(hub, "ANSWER_SECONDS", 30.0)


@pytest.mark.usefixtures("patient")
def test_a_hub_that_answers_is_asked_and_nothing_is_said(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    assert find_model_dir(ID) == client.cache
    assert client.calls == [ID]
    assert caplog.records == []


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("outage", [401, 403, 404])
def test_what_the_hub_refuses_is_not_taken_from_the_copy(outage: int, client: Client, serving: Hub) -> None:
    serving.outage, client.error = outage, RuntimeError(f"{outage} no")
    with pytest.raises(DownloadError, match=rf"owner/name.*{outage} no.*{client.cache}.*pass that folder"):
        find_model_dir(ID)
    client.cache = None
    with pytest.raises(DownloadError, match=rf"{outage} no$"):
        find_model_dir(ID)


@pytest.mark.parametrize("outage", ["page", 503])
def test_what_was_never_downloaded_is_one_error(outage: Any, client: Client, serving: Hub) -> None:
    serving.outage, client.cache = outage, None
    with pytest.raises(DownloadError, match=r"owner/name .*not downloaded whole before.*does not answer \(.*folder\.$"):
        find_model_dir(ID)
    assert client.calls == []


def test_a_slow_hub_is_waited_for_where_there_is_no_copy(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(name: str, revision: str | None = None, local_files_only: bool = False) -> str:
        if local_files_only:
            raise ValueError("nothing was downloaded")
        return str(tmp_path)

    client.snapshot_download = download  # type: ignore[method-assign]
    monkeypatch.setattr(hub, "hub_silence", lambda model, seconds=0.0: None if seconds > LIMIT_SECONDS else "nothing")
    assert find_model_dir(ID) == tmp_path


@pytest.mark.parametrize(
    "missing",
    ["configuration.json", "pytorch_model.pt", "detection/config.py", "detection/detection_model.pth", "partial"],
)
def test_a_copy_that_is_not_whole_is_none(missing: str, client: Client, serving: Hub) -> None:
    serving.outage = 500
    assert client.cache is not None
    if missing == "partial":
        (client.cache / "detection" / "detection_model.pth.incomplete").touch()
    else:
        (client.cache / missing).unlink()
    with pytest.raises(DownloadError, match="not downloaded whole before"):
        find_model_dir(ID)


def test_a_hub_that_dies_in_a_download_leaves_the_copy(
    client: Client, serving: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    def die(name: str, revision: str | None = None, local_files_only: bool = False) -> str:
        if local_files_only:
            return str(client.cache)
        serving.outage = 500
        raise ConnectionError("gone")

    client.snapshot_download = die  # type: ignore[method-assign]
    assert find_model_dir(ID) == client.cache
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_copy_of_another_revision_is_none(client: Client, tmp_path: Path) -> None:
    assert client.cache is not None
    (client.cache / ".mv").write_text("Revision:v1.0.0,CreatedAt:1600000000\n")  # as ModelScope before 1.38 notes it
    found = {revision: hub.downloaded_copy(ID, revision) for revision in (None, "master", "v1.0.0", "v1", "v2.0.0")}
    assert found == {None: client.cache, "master": client.cache, "v1.0.0": client.cache, "v1": None, "v2.0.0": None}


def test_asking_for_a_copy_asks_no_hub_and_says_nothing(client: Client, serving: Hub) -> None:
    logger = logging.getLogger("modelscope")
    assert hub.downloaded_copy(ID) == client.cache
    assert serving.requests == [] and not logger.disabled
    shutil.rmtree(str(client.cache))
    assert hub.downloaded_copy(ID) is None
    assert not logger.disabled
