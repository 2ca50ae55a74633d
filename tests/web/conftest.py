"""The page as `make web` builds it, behind a plain static server."""

import contextlib
import functools
import http.server
import io
import runpy
import shutil
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from node import WEB

PACKAGES = WEB.parents[1] / "build" / "web-npm"  # where make web keeps them, too
PLACE = "some/where"  # below the server's root


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, silently."""

    def log_message(self, *_: Any) -> None:
        pass


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """A browser that goes away in the middle of a file is no error."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    """The folder of the page, and the bytes of its files."""
    pytest.importorskip("onnx", reason="the page needs the extra onnx")
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    root = tmp_path_factory.mktemp("server")
    script = runpy.run_path(str(WEB / "build.py"))
    try:
        script["fetch_runtime"](PACKAGES)
    except SystemExit as refusal:
        pytest.skip(f"onnxruntime-web is not installed: {refusal}")
    out = root / PLACE
    with contextlib.redirect_stderr(io.StringIO()):
        sizes = script["build"](out, PACKAGES)
    return out, sizes


@pytest.fixture(scope="session")
def folder(built: tuple[Path, dict[str, int]]) -> Path:
    return built[0]


@pytest.fixture(scope="session")
def port(folder: Path) -> Iterator[int]:
    root = folder.parents[PLACE.count("/")]
    server = Server(("127.0.0.1", 0), functools.partial(Handler, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()


@pytest.fixture(scope="session")
def address(port: int) -> str:
    """Of the page, below a path."""
    return f"http://127.0.0.1:{port}/{PLACE}/"
