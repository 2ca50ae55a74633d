"""Failures of the hub: one sentence each, what the hub has, and never the token."""

import logging
import re
import shutil
import signal
import traceback
from pathlib import Path

import pytest
from hub import Hub
from publishing_hub import ID, TOKEN

from modelscope_handkp.errors import ConfigError, InputError, UploadError
from modelscope_handkp.plugin.publishing import traffic
from modelscope_handkp.plugin.publishing.client import Client

FILES = ["README.md", "configuration.json", "a.pt", "b.pt"]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "SILENT_SECONDS", 0.4)
    monkeypatch.setattr(traffic, "READ_SECONDS", 0.5)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "folder"
    made.mkdir()
    for name in FILES:
        (made / name).write_text(name * 1000)
    (made / "not-named.pt").write_text("x")
    return made


def send(folder: Path, model_id: str = ID, token: str | None = None) -> str:
    return Client(token).send(folder, model_id, FILES, False, "master", "a message")


def fail(folder: Path, model_id: str = ID, token: str | None = None) -> str:
    with pytest.raises(UploadError) as caught:
        send(folder, model_id, token)
    told = "".join(traceback.format_exception(type(caught.value), caught.value, caught.value.__traceback__))
    assert (token or TOKEN) not in told
    assert caught.value.__context__ is None and caught.value.__cause__ is None
    sentence = str(caught.value)
    assert "\n" not in sentence
    return sentence


def sent(hub: Hub) -> list[str]:
    return [request for request in hub.requests if not request.startswith("GET")]


def test_files_are_sent_in_one_commit(folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]) -> None:
    assert send(folder) == f"{hub.endpoint}/models/{ID}"
    assert hub.uploads.commits == [(ID, "a message (batch 1/1)", sorted(FILES))]
    said = capsys.readouterr()
    assert said.out == ""
    assert "modelscope" not in said.err


def test_names_with_the_signs_of_patterns_are_names(folder: Path, hub: Hub) -> None:
    (folder / "[ab].pt").write_text("x")
    Client().send(folder, ID, ["[ab].pt", "configuration.json"], False, "master", "m")
    assert hub.uploads.commits[0][2] == ["[ab].pt", "configuration.json"]


def test_without_a_token_the_way_to_one_is_said(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from modelscope_hub import config

    monkeypatch.delenv("MODELSCOPE_API_TOKEN")
    config.set_default_config(None)
    with pytest.raises(InputError, match=r"no token.*modelscope login.*MODELSCOPE_API_TOKEN"):
        Client()
    assert hub.requests == []


def test_a_login_is_enough(folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from modelscope_hub import config

    monkeypatch.delenv("MODELSCOPE_API_TOKEN")
    config.set_default_config(None)
    config.get_default_config().save_token(TOKEN)
    config.set_default_config(None)
    send(folder)
    assert hub.uploads.commits[0][2] == sorted(FILES)
    hub.uploads.fail("POST /api/v1/repos.*commit", 400, message=f"{TOKEN} is refused")
    assert "*** is refused" in fail(folder)


def test_a_token_that_is_not_valid(folder: Path, hub: Hub) -> None:
    sentence = fail(folder, token="ms-0ther")
    assert "does not accept the token (HTTP 401: token *** is not valid)" in sentence
    assert "modelscope login" in sentence
    assert sentence.endswith("Nothing was sent.")


def test_an_owner_that_is_somebody_else(folder: Path, hub: Hub) -> None:
    assert "no right to create a model of nobody" in (sentence := fail(folder, "nobody/hands"))
    assert "Nothing was sent." in sentence


def test_a_name_that_another_owner_has(folder: Path, hub: Hub) -> None:
    sentence = fail(folder, "other/hands")
    assert "no right to write to other/hands, which another owner has" in sentence
    assert "other/hands is as it was" in sentence
    assert not hub.uploads.commits


def test_a_name_that_is_taken_by_a_model_which_is_not_seen(folder: Path, hub: Hub) -> None:
    hub.uploads.fail("GET /(open)?api/v1/models/me/hands$", 404)
    hub.models[ID] = hub.models["other/hands"]
    sentence = fail(folder)
    assert "does not create me/hands (HTTP 400: the model already exists)" in sentence
    assert "Nothing was sent." in sentence


@pytest.mark.parametrize("outage", [500, 503, "page"])
def test_a_hub_that_does_not_answer_is_not_sent_to(folder: Path, hub: Hub, outage: int | str) -> None:
    hub.outage = outage
    assert re.match(r"the hub does not answer \(.*\); nothing was sent\.$", fail(folder))
    assert not sent(hub)


def test_a_hub_that_is_not_there(folder: Path, hub: Hub) -> None:
    hub.__exit__()
    assert "the hub does not answer (ConnectionError); nothing was sent" in fail(folder)


@pytest.mark.parametrize(
    ("where", "how", "why"),
    [
        ("PUT", "break", "ConnectionError"),
        ("PUT", "hang", "ReadTimeout"),
        ("POST /api/v1/repos.*batch", 500, "HTTP 500"),
        ("POST /api/v1/repos.*commit", 429, "HTTP 429"),
        ("POST /api/v1/repos.*commit", "hang", "ReadTimeout"),
    ],
)
def test_a_hub_that_stops_answering_is_given_up(folder: Path, hub: Hub, where: str, how: str | int, why: str) -> None:
    hub.uploads.fail(where, how)
    sentence = fail(folder)
    assert f"stopped answering ({why})" in sentence
    assert "me/hands was created and has no files yet" in sentence
    assert "Run the same command again" in sentence
    hub.uploads.faults.clear()
    send(folder)
    assert hub.uploads.commits[-1][2] == sorted(FILES)


def test_a_blob_that_breaks_off_once_is_sent_again(folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "SILENT_SECONDS", 30.0)
    hub.uploads.fail("PUT", "break", times=1)
    send(folder)
    assert hub.uploads.commits == [(ID, "a message (batch 1/1)", sorted(FILES))]


@pytest.mark.parametrize(("how", "why"), [("break", "the connection to the hub broke (ConnectionError)"),
                                          (500, "the hub fails (HTTP 500: no)")])  # fmt: skip
def test_a_creation_that_fails_once(folder: Path, hub: Hub, how: str | int, why: str) -> None:
    hub.uploads.fail("POST /api/v1/models$", how, times=1)
    assert fail(folder) == f"{why}. Nothing was sent. Run the same command again: what the hub has is not sent twice."
    send(folder)


def test_an_interrupt_says_what_the_hub_has(folder: Path, hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    hub.uploads.fail("PUT", "hang")
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 0.4)
    try:
        with pytest.raises(KeyboardInterrupt):
            send(folder)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert "publishing was interrupted: me/hands was created and has no files yet." in caplog.text


def test_what_the_hub_has_of_a_version_is_said_and_not_sent_twice(folder: Path, hub: Hub) -> None:
    hub.uploads.fail("PUT", 400, times=1, message="the disk is full")
    sentence = fail(folder)
    assert "the hub refuses it (HTTP 400: the disk is full)" in sentence
    assert re.search(r"me/hands has 3 of the 4 files of this version, without [ab]\.pt\.", sentence)
    assert len(hub.uploads.blobs_sent) == 1
    send(folder)
    assert len(hub.uploads.blobs_sent) == 2
    assert {path.name for path in hub.models[ID].iterdir()} == set(FILES)


def test_a_commit_that_is_refused(folder: Path, hub: Hub) -> None:
    send(folder)
    (folder / "a.pt").write_text("new")
    hub.uploads.fail("commit", 403)
    sentence = fail(folder)
    assert "no right to write to me/hands" in sentence
    assert "me/hands is as it was" in sentence


def test_a_release_that_sends_no_folders_is_said(monkeypatch: pytest.MonkeyPatch, hub: Hub) -> None:
    import modelscope

    monkeypatch.setattr(modelscope, "HubApi", object)
    with pytest.raises(ConfigError, match="pip install -U modelscope"):
        Client()


def test_requests_are_as_before_when_it_is_done(folder: Path, hub: Hub) -> None:
    from requests.adapters import HTTPAdapter

    before = HTTPAdapter.send
    send(folder)
    fail(folder, "other/hands")
    assert HTTPAdapter.send is before
    assert logging.getLogger("modelscope").getEffectiveLevel() <= logging.WARNING


@pytest.mark.parametrize("spoil", ["", "PUT", "POST.*/commit/", "POST.*/models$"])
def test_the_token_is_kept_nowhere(
    spoil: str,
    folder: Path,
    hub: Hub,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    if spoil:
        hub.uploads.fail(spoil, 400, message=f"not with {TOKEN}")
        assert "not with ***" in fail(folder)
    else:
        send(folder)
    said = capfd.readouterr()
    assert TOKEN not in said.out + said.err + caplog.text
    shutil.rmtree(tmp_path / "other", ignore_errors=True)
    written = [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert not written
    assert TOKEN not in repr(Client())
