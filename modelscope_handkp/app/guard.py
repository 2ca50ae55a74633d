"""What the server of the page refuses before Gradio reads it: addresses that the page does not need, bodies that are
too large, and more than the disk has room for."""

import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

from .limits import MEGABYTE, Limits
from .words import language_of, say

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
UPLOAD = "/upload"
FORM = 64 * 1024  # bytes that a form adds to its file
LOOK_SECONDS = 1.0  # between two looks at the folder's size
LEAST_BYTES = 64 * 1024  # that a file or folder counts: very many small ones are slow to look through
# What the page and gradio_client ask for. Gradio serves more: it fetches addresses (file=https://...), runs FFmpeg on
# recordings, keeps files that nobody deletes, and streams that never end.
OPEN = {
    "GET": re.compile(
        r"/|/config/?|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt|/(assets|static|svelte)/.+"
        r"|/gradio_api/(info/?|app_id/?|startup-events|theme\.css|queue/(data|status)|heartbeat/[^/]+|upload_progress"
        r"|call/[^/]+/[^/]+|file=(?!\s*\w\w+:).+)",
        re.DOTALL,
    ),
    "POST": re.compile(
        r"/gradio_api/(upload|queue/join|cancel|reset/?|stream/[^/]+(/close)?|(call|run|api)/[^/]+/?)", re.DOTALL
    ),
}
log = logging.getLogger(__name__)


class TooLargeError(Exception):
    """A body has more bytes than it may have."""


class BodyGuard:
    """An ASGI application before another one.

    A request for what is not in `OPEN`, whose body is too large, or that uploads while the folder is full, is answered
    404, 413 or 507 in words; no more of it is read than it may have. One that fails before its answer began is answered
    500 in words.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], limits: Limits, folder: Path) -> None:
        self._app, self._limits, self._folder = app, limits, folder
        self._looked_at, self._used = 0.0, 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        language = language_of(headers.get(b"accept-language", b"").decode("latin-1"))
        if not _is_open(scope):
            await _answer(send, 404, say(language, "not_here"))
            return
        uploads = scope["path"].rstrip("/").endswith(UPLOAD)
        most = self._limits.file_bytes + FORM if uploads else self._limits.body_bytes
        too_large = say(language, "too_large", most=most // MEGABYTE)
        if uploads and self._is_full():
            await _answer(send, 507, say(language, "full"))
            return
        stated = headers.get(b"content-length", b"0")
        if not stated.isdigit() or int(stated) > most:
            await _answer(send, 413, too_large)
            return
        read, began = 0, False

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > most:
                raise TooLargeError
            return message

        async def noted(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except TooLargeError:
            if not began:
                await _answer(send, 413, too_large)
        except Exception:  # Gradio raises many at requests that no page makes: a name or session that is not there
            if began:
                raise
            log.exception("a request failed")
            await _answer(send, 500, say(language, "failed"))

    def _is_full(self) -> bool:
        now = time.monotonic()
        if now - self._looked_at > LOOK_SECONDS:
            self._looked_at, self._used = now, _bytes_in(self._folder, self._limits.folder_bytes)
        return self._used >= self._limits.folder_bytes


def _is_open(scope: MutableMapping[str, Any]) -> bool:
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    return method in OPEN and OPEN[method].fullmatch(path) is not None


def _bytes_in(folder: Path, enough: int) -> int:
    """What a folder holds; no more is looked at than ``enough``."""
    total = 0
    for parent, folders, names in os.walk(folder):
        total += LEAST_BYTES * len(folders)
        for name in names:
            try:
                total += max(os.lstat(os.path.join(parent, name)).st_size, LEAST_BYTES)
            except OSError:  # deleted meanwhile
                continue
        if total >= enough:
            break
    return total


async def _answer(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
