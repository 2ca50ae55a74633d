"""Requests that are refused before they are read."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from modelscope_handkp.app.guard import BodyGuard
from modelscope_handkp.app.limits import Limits

LIMITS = Limits(file_bytes=1000, body_bytes=100, folder_bytes=50)


async def reads_all(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the number of bytes that it was sent."""
    count, more = 0, True
    while more:
        message = await receive()
        count, more = count + len(message["body"]), message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(count).encode()})


def ask(
    folder: Path,
    path: str,
    parts: list[int],
    stated: int | None = None,
    language: str = "en",
    method: str = "POST",
    limits: Limits = LIMITS,
) -> tuple[int, str]:
    """Status and text of the answer to a request whose body comes in parts of these lengths."""
    headers = [(b"accept-language", language.encode())]
    headers += [] if stated is None else [(b"content-length", str(stated).encode())]
    messages = [
        {"type": "http.request", "body": bytes(length), "more_body": index < len(parts) - 1}
        for index, length in enumerate(parts)
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    asyncio.run(BodyGuard(reads_all, limits, folder)(scope, receive, send))
    return sent[0]["status"], sent[1]["body"].decode()


def test_what_is_small_enough_goes_through(tmp_path: Path) -> None:
    assert ask(tmp_path, "/gradio_api/queue/join", [60, 40], 100) == (200, "100")
    assert ask(tmp_path, "/gradio_api/upload", [900, 100], 1000) == (200, "1000")


@pytest.mark.parametrize("stated", [None, 101])
def test_a_body_that_is_too_large_is_refused_stated_or_not(tmp_path: Path, stated: int | None) -> None:
    status, text = ask(tmp_path, "/gradio_api/queue/join", [60, 41], stated)
    assert status == 413 and "larger than" in text


def test_an_upload_may_be_as_large_as_a_file_and_its_form(tmp_path: Path) -> None:
    assert ask(tmp_path, "/gradio_api/upload", [1000 + 65_536])[0] == 200
    assert ask(tmp_path, "/gradio_api/upload", [1000 + 65_537])[0] == 413


def test_uploads_wait_while_the_folder_is_full_and_other_requests_do_not(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(bytes(50))
    status, text = ask(tmp_path, "/gradio_api/upload", [10], language="zh-CN")
    assert status == 507 and "几分钟后" in text
    assert ask(tmp_path, "/config", [0], method="GET")[0] == 200


def test_many_small_files_fill_the_folder_too(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / str(number)).touch()
    limits = Limits(file_bytes=1000, body_bytes=100, folder_bytes=3 * 64 * 1024)
    assert ask(tmp_path, "/gradio_api/upload", [10], limits=limits)[0] == 507
    (tmp_path / "0").unlink()
    assert ask(tmp_path, "/gradio_api/upload", [10], limits=limits)[0] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/gradio_api/file=https://example.com/a.jpg"),
        ("HEAD", "/gradio_api/file=HTTP://example.com/a.jpg"),
        ("GET", "/gradio_api/file=\nhttps://example.com/a.jpg"),
        ("GET", "/gradio_api/file=ftp://example.com/a.jpg"),
        ("GET", "/gradio_api/proxy=https://example.com/a.jpg"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/gradio_api/component_server"),
        ("POST", "/gradio_api/vibe-edit"),
        ("GET", "/gradio_api/dev/reload"),
        ("GET", "/gradio_api/deep_link"),
        ("GET", "/monitoring"),
        ("PUT", "/gradio_api/upload"),
        ("GET", "/x/gradio_api/queue/data"),
    ],
)
def test_what_the_page_does_not_need_is_not_there(tmp_path: Path, method: str, path: str) -> None:
    status, text = ask(tmp_path, path, [0], method=method)
    assert status == 404 and "Nothing is offered" in text


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("HEAD", "/"),
        ("GET", "/config"),
        ("GET", "/gradio_api/info"),
        ("GET", "/gradio_api/queue/data"),
        ("GET", "/gradio_api/file=/tmp/a/hands.csv"),
        ("GET", "/gradio_api/file=C:/a/hands.csv"),
        ("GET", "/assets/index.js"),
        ("POST", "/gradio_api/stream/1a/close"),
        ("POST", "/gradio_api/call/image"),
        ("GET", "/gradio_api/call/image/1a"),
    ],
)
def test_what_the_page_and_its_client_need_goes_through(tmp_path: Path, method: str, path: str) -> None:
    assert ask(tmp_path, path, [0], method=method)[0] == 200


def test_a_length_that_is_no_number_is_refused(tmp_path: Path) -> None:
    headers = [(b"content-length", b"-5")]
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/gradio_api/upload", "headers": headers}
    asyncio.run(BodyGuard(reads_all, LIMITS, tmp_path)(scope, None, send))
    assert sent[0]["status"] == 413


def test_a_request_that_fails_is_answered_in_words(tmp_path: Path) -> None:
    async def fails(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("an unknown session")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"accept-language", b"zh-CN")]
    scope = {"type": "http", "method": "GET", "path": "/gradio_api/queue/data", "headers": headers}
    asyncio.run(BodyGuard(fails, LIMITS, tmp_path)(scope, None, send))
    assert sent[0]["status"] == 500 and "服务器出错" in sent[1]["body"].decode()


def test_what_is_no_request_goes_through(tmp_path: Path) -> None:
    seen: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    asyncio.run(BodyGuard(application, LIMITS, tmp_path)({"type": "lifespan"}, None, None))
    assert seen == ["lifespan"]
