"""The server of the page, asked without a browser."""

import asyncio
import html
import http.server
import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from app_page import answer, at, send

from modelscope_handkp.app import Models, running, server
from modelscope_handkp.errors import InputError

pytest.importorskip("gradio", reason="Gradio is not installed")
pytestmark = pytest.mark.slow


def test_an_uploaded_file_is_answered_and_another_file_of_the_server_is_not(
    address: str, hands_image: Path, tmp_path: Path
) -> None:
    place = send(address, hands_image)
    assert "3 hands" in json.dumps(answer(address, at(place))["output"])
    refused = answer(address, at(str(hands_image)))
    assert not refused["success"] and "hands were found" not in json.dumps(refused)


def test_an_address_is_not_fetched(address: str) -> None:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    other = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    try:
        refused = answer(address, at(f"http://127.0.0.1:{other.server_address[1]}/a.jpg"))
    finally:
        other.shutdown()
        other.server_close()
    assert "Addresses are not fetched" in json.dumps(refused) and asked == []


@pytest.mark.parametrize(
    ("given", "settings"),
    [
        (at("/etc/passwd"), None),
        (at("file:///etc/passwd"), None),
        (at("a\0b"), None),
        (at(5), None),
        ("/etc/passwd", None),
        (None, ["embedded"]),
    ],
)
def test_what_is_no_upload_is_refused_without_a_word_of_the_server(address: str, given: Any, settings: Any) -> None:
    refused = answer(address, given, settings)
    assert not refused["success"] and refused["output"] == {"error": None}


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        (["/etc", "eager", 0, 0], "the model '/etc' is not offered"),
        (["embedded", "tensorrt", 0, 0], "the engine 'tensorrt' is not offered"),
        (["embedded", "eager", 5, 0], "hand_threshold must be a number from 0 to 1"),
        (["embedded", "eager", 0, "x"], "keypoint_threshold must be a number from 0 to 1"),
    ],
)
def test_settings_that_are_not_offered_are_refused_in_words(
    address: str, hands_image: Path, settings: list[Any], word: str
) -> None:
    place = send(address, hands_image)
    told = answer(address, at(place), settings)
    assert told["success"] and word in html.unescape(told["output"]["data"][0])


def test_a_file_that_was_deleted_meanwhile_is_told_in_words(address: str, hands_image: Path) -> None:
    place = send(address, hands_image)
    Path(place).unlink()
    assert "upload it again" in json.dumps(answer(address, at(place)))
    assert "upload it again" in json.dumps(answer(address, at(str(Path(place).parent))))  # a folder is no file either


def test_parts_of_uploads_that_broke_off_are_deleted(tmp_path: Path) -> None:
    for name in ("examples/rock.jpg", "tmp1", "new", "a/old", "b/new"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        if "new" not in name:
            os.utime(path, (0, 0))
    os.utime(tmp_path / "a", (0, 0))
    server.sweep(tmp_path, 600)
    server.sweep(tmp_path, 600)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"examples/rock.jpg", "new", "b/new"}


def test_a_body_that_is_too_large_is_refused_in_words(address: str) -> None:
    refused = httpx.post(f"{address}gradio_api/queue/join", content=bytes(5 * 1024**2), timeout=30)
    assert refused.status_code == 413 and "larger than 4 MB" in refused.text


def test_a_second_page_in_a_process_is_refused_and_the_first_goes_on(
    models: Models, address: str, hands_image: Path
) -> None:
    with pytest.raises(InputError, match="another process"), running(models, port=0):
        pass
    assert "3 hands" in json.dumps(answer(address, at(send(address, hands_image)))["output"])


def test_a_port_that_is_in_use_is_told(models: Models) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        sentence = rf"^port {port} is in use: choose another with --port\.$"
        with pytest.raises(InputError, match=sentence), running(models, port=port):
            pass


@pytest.mark.parametrize(("host", "port"), [("203.0.113.1", 0), ("127.0.0.1", 70000), ("no host", 0)])
def test_an_address_that_is_not_of_this_machine_is_told(models: Models, host: str, port: int) -> None:
    with pytest.raises(InputError, match="cannot listen at"), running(models, host, port):
        pass


def test_what_programs_ask_has_names_and_a_description(address: str) -> None:
    info = httpx.get(f"{address}gradio_api/info", timeout=30).json()["named_endpoints"]
    assert set(info) == {"/image", "/video"}
    for name in ("image", "video"):
        asked = [part["parameter_name"] for part in info[f"/{name}"]["parameters"]]
        assert asked == [name, "model", "engine", "hand_threshold", "keypoint_threshold"]
        assert "a JSON and a CSV file" in info[f"/{name}"]["description"]


def test_answers_that_nobody_reads_are_dropped() -> None:
    waiting = {name: asyncio.Queue() for name in ("read", "unread", "new")}
    for _ in range(3):
        waiting["read"].put_nowait("answer")
        waiting["unread"].put_nowait("answer")
    counts = server.forget_unread(waiting, {})
    assert counts == {"read": 3, "unread": 3, "new": 0}
    waiting["read"].get_nowait()
    waiting["new"].put_nowait("answer")
    assert server.forget_unread(waiting, counts) == {"read": 2, "unread": 0, "new": 1}
