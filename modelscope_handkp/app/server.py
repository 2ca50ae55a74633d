"""The server of the page."""

import asyncio
import errno
import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2

from ..environment import variables
from ..errors import InputError
from ..synthetic import render_clip
from .guard import BodyGuard
from .limits import Limits
from .look import CSS, head
from .models import Models
from .page import SWEEP_SECONDS, Page
from .uploads import import_gradio

HOST, PORT = "127.0.0.1", 7860
LIMITS = Limits()
FONTS = ("system-ui", "-apple-system", "Segoe UI", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif")
VARIABLES = {  # that Gradio reads: no telemetry, and no statistics of all requests after each of them
    "GRADIO_ANALYTICS_ENABLED": "False",
    "GRADIO_ANALYTICS_MAX_EVENTS": "100",
    "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000",
}
FOLDER = "GRADIO_TEMP_DIR"  # another of them, read at each request: a process has one page
THREADS = 40  # that answer requests; the limits of each kind are lower
SESSIONS = 1000  # of visitors, whose cameras are remembered
EXAMPLES = (  # seed, gesture and hands of each
    (2, "victory", 2),
    (13, "open_palm", 1),
    (35, "rock", 1),
    (45, "thumbs_up", 1),
    (51, "call", 1),
)
EXAMPLE_SIZE = (480, 400)  # pixels
_RUNS = threading.Lock()  # held while a page runs


@contextmanager
def running(models: Models, host: str = HOST, port: int = PORT, limits: Limits = LIMITS) -> Iterator[str]:
    """The address of a server that runs while the block does; then its files are deleted.

    Nothing is asked of any network but what visitors send.

    Args:
        host: the address that it listens at; "0.0.0.0": all of this machine. port: 0: a free one.
    Raises:
        MissingPackageError: Gradio is not installed.
        InputError: the port is in use, the address is not one of this machine, or another page runs in this process.
    """
    gradio = import_gradio()
    port = _free_port(host, port)
    with (
        _alone(),
        tempfile.TemporaryDirectory(prefix="handkp-app-") as temporary,
        variables({**VARIABLES, FOLDER: temporary}),
    ):
        folder = Path(temporary)
        page = Page(models, limits, folder, write_examples(folder / "examples"))
        texts = page.texts()
        blocks = page.blocks(texts)
        blocks.queue(max_size=limits.waiting, api_open=False)
        ended = threading.Event()
        waiting = blocks._queue.pending_messages_per_session  # Gradio has no public name for it
        sweeper = threading.Thread(target=_sweep, args=(folder, limits.keep_seconds, waiting, ended), daemon=True)
        sweeper.start()
        try:
            _, address, _ = blocks.launch(**_launching(gradio, texts, limits, folder, host, port))
            yield address
        finally:
            ended.set()
            blocks.close(verbose=False)
            sweeper.join()


def _launching(gradio: Any, texts: Any, limits: Limits, folder: Path, host: str, port: int) -> dict[str, Any]:
    """The arguments of Gradio's ``launch``: nothing that is not named here leaves this machine."""
    middleware = [_middleware(limits, folder)]
    return {
        "server_name": host,
        "server_port": port,
        "max_file_size": limits.file_bytes,
        "max_threads": THREADS,
        "state_session_capacity": SESSIONS,
        "app_kwargs": {"middleware": middleware, "docs_url": None, "redoc_url": None, "openapi_url": None},
        "prevent_thread_lock": True,
        "show_error": False,  # Gradio's own errors name paths and classes of the server
        "quiet": True,
        **dict.fromkeys(("share", "inbrowser", "ssr_mode", "pwa", "mcp_server", "enable_monitoring"), False),
        "i18n": texts,
        "theme": _theme(gradio),
        "css": CSS,
        "head": head(),
        "footer_links": [],
    }


def serve(models: Models, host: str = HOST, port: int = PORT) -> None:
    """Serve the page until Ctrl-C, or a signal that ends the process.

    Raises:
        As `running`.
    """
    with running(models, host, port) as address:
        print(f"The page is at {address} (Ctrl-C ends it).", flush=True)
        while True:
            time.sleep(SWEEP_SECONDS)


def write_examples(folder: Path) -> list[Path]:
    """Write rendered images of hands to a folder."""
    folder.mkdir()
    paths = []
    for seed, gesture, hands in EXAMPLES:
        path = folder / f"{gesture}.jpg"
        frame = next(render_clip(seed, 1, EXAMPLE_SIZE, hands, "easy", gestures=(gesture,)))
        cv2.imwrite(str(path), frame.image)
        paths.append(path)
    return paths


def _free_port(host: str, port: int) -> int:
    """The port, or a free one for 0.

    Raises:
        InputError: it cannot be listened at.
    """
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, os.name == "posix")  # as the server will
        try:
            free.bind((host, port))
        except (OSError, OverflowError) as error:
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                raise InputError(f"port {port} is in use: choose another with --port.") from None
            raise InputError(f"the page cannot listen at {host}, port {port}: {error}.") from None
        return int(free.getsockname()[1])


def _theme(gradio: Any) -> Any:
    """Colours and the fonts of the visitor's system: no font is fetched."""
    mono = ("ui-monospace", "Consolas", "monospace")
    return gradio.themes.Soft(primary_hue="teal", secondary_hue="teal", neutral_hue="slate", font=FONTS, font_mono=mono)


def _middleware(limits: Limits, folder: Path) -> Any:
    from starlette.middleware import Middleware

    return Middleware(BodyGuard, limits=limits, folder=folder)


@contextmanager
def _alone() -> Iterator[None]:
    if not _RUNS.acquire(blocking=False):
        raise InputError("a page runs in this process already: end it first, or start this one in another process.")
    try:
        yield
    finally:
        _RUNS.release()


def _sweep(
    folder: Path, keep_seconds: int, waiting: Mapping[str, "asyncio.Queue[Any]"], ended: threading.Event
) -> None:
    """Delete what is old: Gradio deletes what it knows of, which parts of uploads that broke off are not."""
    counts: dict[str, int] = {}
    while not ended.wait(SWEEP_SECONDS):
        sweep(folder, keep_seconds)
        counts = forget_unread(waiting, counts)


def sweep(folder: Path, keep_seconds: int) -> None:
    """Delete the files of a folder of `running` that are older, but no example, and folders that are empty."""
    now = time.time()
    for parent, folders, names in os.walk(folder):
        if "examples" in folders and Path(parent) == folder:
            folders.remove("examples")
        for name in names:
            _delete(Path(parent) / name, now - keep_seconds)
        for name in folders:
            _delete(Path(parent) / name, now - SWEEP_SECONDS)


def forget_unread(waiting: Mapping[str, "asyncio.Queue[Any]"], before: Mapping[str, int]) -> dict[str, int]:
    """Drop the answers of sessions that read none, such as of a visitor who asks and leaves: each holds an image.

    Args:
        waiting: the messages of each session. before: how many it had at the last look.
    Returns:
        How many it has now.
    """
    counts = {}
    for session, messages in list(waiting.items()):
        if 0 < before.get(session, 0) <= messages.qsize():
            while not messages.empty():
                messages.get_nowait()
        counts[session] = messages.qsize()
    return counts


def _delete(path: Path, before: float) -> None:
    """Delete a file or an empty folder that was changed before a time."""
    try:
        if path.lstat().st_mtime < before:
            path.rmdir() if path.is_dir() else path.unlink()
    except OSError:  # it is not empty, or gone
        return
