"""The server of the page, asked without a browser."""

import http.server
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from modelscope_handkp.app import Limits, Models, page, running, server

pytest.importorskip("gradio", reason="Gradio is not installed")
pytestmark = pytest.mark.slow


def upload(address: str, path: Path) -> str:
    """The place of an uploaded file on the server."""
    with path.open("rb") as file:
        answer = httpx.post(f"{address}gradio_api/upload", files={"files": (path.name, file)}, timeout=30)
    assert answer.status_code == 200
    return answer.json()[0]


def answer(address: str, place: str) -> dict[str, Any]:
    """The last message to a visitor who asks for the image at this place."""
    config = httpx.get(f"{address}config", timeout=30).json()
    (number,) = [event["id"] for event in config["dependencies"] if event["api_name"] == "image"]
    given = {"path": place, "meta": {"_type": "gradio.FileData"}}
    body = {"data": [given, "embedded", "eager", 0, 0], "fn_index": number, "session_hash": os.urandom(4).hex()}
    joined = httpx.post(f"{address}gradio_api/queue/join", json=body, timeout=30)
    assert joined.status_code == 200, joined.text
    with httpx.stream(
        "GET", f"{address}gradio_api/queue/data", params={"session_hash": body["session_hash"]}, timeout=60
    ) as told:
        for line in told.iter_lines():
            if line.startswith("data:"):
                message = json.loads(line[5:])
                if message["msg"] == "process_completed":
                    return message
    raise AssertionError("no answer")


def test_an_uploaded_file_is_answered_and_another_file_of_the_server_is_not(
    address: str, hands_image: Path, tmp_path: Path
) -> None:
    place = upload(address, hands_image)
    assert "3 hands" in json.dumps(answer(address, place)["output"])
    refused = answer(address, str(hands_image))
    assert not refused["success"] and "hands were found" not in json.dumps(refused)


def test_an_address_is_not_fetched(address: str) -> None:
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    other = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    try:
        refused = answer(address, f"http://127.0.0.1:{other.server_address[1]}/a.jpg")
    finally:
        other.shutdown()
        other.server_close()
    assert "Addresses are not fetched" in json.dumps(refused) and asked == []


def test_a_body_that_is_too_large_is_refused_in_words(address: str) -> None:
    refused = httpx.post(f"{address}gradio_api/queue/join", content=bytes(5 * 1024**2), timeout=30)
    assert refused.status_code == 413 and "larger than 4 MB" in refused.text


def test_files_are_deleted_when_they_are_old_and_all_in_the_end(
    models: Models, hands_image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (page, server):
        monkeypatch.setattr(module, "SWEEP_SECONDS", 1)
    before = dict(os.environ)
    with running(models, port=0, limits=Limits(keep_seconds=8)) as address:
        place = upload(address, hands_image)
        folder = Path(os.environ["GRADIO_TEMP_DIR"])
        assert Path(place).is_file()
        assert "3 hands" in json.dumps(answer(address, place)["output"]) and list(folder.rglob("hands.csv"))
        until = time.monotonic() + 40
        while (Path(place).parent.exists() or list(folder.rglob("hands.*"))) and time.monotonic() < until:
            time.sleep(0.2)
        assert not Path(place).parent.exists() and not list(folder.rglob("hands.csv"))
        assert len(list((folder / "examples").iterdir())) == 5
    assert not folder.exists() and dict(os.environ) == before
