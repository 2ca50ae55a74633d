"""What tests do with the page of the app."""

import json
import os
from pathlib import Path
from typing import Any

import httpx
from chromium import Page


def tab(page: Any, index: int) -> None:
    page.locator("button[role=tab]").nth(index).click()


def upload(page: Any, path: Path, place: str) -> None:
    page.wait_for_selector(f"#{place} input[type=file]", state="attached")
    page.set_input_files(f"#{place} input[type=file]", str(path))


def words(page: Any, place: str, pattern: str) -> str:
    """The text of a part of the page, once it has this."""
    page.wait_for_function(
        "([place, pattern]) => new RegExp(pattern).test(document.querySelector(place)?.innerText ?? '')",
        arg=[f"#{place}", pattern],
    )
    return page.inner_text(f"#{place}")


def is_clean(opened: Page) -> None:
    """Nothing went wrong, and nobody else was asked."""
    assert opened.errors == [] and opened.strangers() == []


def send(address: str, path: Path) -> str:
    """The place of an uploaded file on the server."""
    with path.open("rb") as file:
        answer = httpx.post(f"{address}gradio_api/upload", files={"files": (path.name, file)}, timeout=30)
    assert answer.status_code == 200
    return answer.json()[0]


def at(place: Any) -> dict[str, Any]:
    """What a visitor sends of a file at this place."""
    return {"path": place, "meta": {"_type": "gradio.FileData"}}


def answer(address: str, given: Any, settings: list[Any] | None = None) -> dict[str, Any]:
    """The last message to a visitor who asks for an image."""
    config = httpx.get(f"{address}config", timeout=30).json()
    (number,) = [event["id"] for event in config["dependencies"] if event["api_name"] == "image"]
    body = {
        "data": [given, *(settings or ["embedded", "eager", 0, 0])],
        "fn_index": number,
        "session_hash": os.urandom(4).hex(),
    }
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
