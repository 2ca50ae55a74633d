"""URLs, from a server on this machine."""

import http.server
import io
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modelscope_handkp.errors import DownloadError, InputError
from modelscope_handkp.sources import download
from modelscope_handkp.sources.images import load_image

TIMEOUT, LIMIT = 0.6, 50_000
RGB = np.array([[[250, 0, 0], [0, 250, 0]], [[0, 0, 250], [10, 20, 30]]], np.uint8)
BGR = RGB[..., ::-1]


class Handler(http.server.BaseHTTPRequestHandler):
    """GET /name runs ``routes[name](self)``."""

    routes: dict[str, Callable[["Handler"], None]]

    def do_GET(self) -> None:
        self.routes[self.path.strip("/").split("?")[0]](self)

    def log_message(self, *_: Any) -> None:
        pass

    def answer(self, content: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


def png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(RGB).save(buffer, "PNG")
    return buffer.getvalue()


def drip(before: bytes, piece: bytes) -> Callable[[Handler], None]:
    def send(handler: Handler) -> None:
        handler.wfile.write(before)
        for _ in range(60):  # three seconds
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(0.05)

    return send


def redirect(target: str) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(b"", 302, Location=target)


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(10_000):
        handler.wfile.write(b"\0" * 10_000)


ROUTES: dict[str, Callable[[Handler], None]] = {
    "good.png": lambda handler: handler.answer(png()),
    "moved": redirect("/good.png?x=1"),
    "text.jpg": lambda handler: handler.answer(b"hello"),
    "missing": lambda handler: handler.send_error(404),
    "broken": lambda handler: handler.send_error(500),
    "silent": lambda handler: time.sleep(2),
    "drips headers": drip(b"HTTP/1.0 200 OK\r\nX-A: ", b"a"),
    "drips body": drip(b"HTTP/1.0 200 OK\r\nContent-Length: 9999\r\n\r\n", b"a"),
    "drips chunks": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0"),
    "garbage": lambda handler: handler.wfile.write(b"\xff\0garbage\r\n\r\n") and None,
    "long header": lambda handler: handler.wfile.write(b"HTTP/1.0 200 OK\r\nX: " + b"a" * 10**5 + b"\r\n\r\n") and None,
    "large": lambda handler: handler.answer(b"\0" * (LIMIT + 1)),
    "endless": endless,
    "cut": lambda handler: handler.answer(png()[:40], **{"Content-Length": "5000"}),
    "file": redirect("file:///etc/hostname"),
    "loop": redirect("/loop"),
    "nowhere": redirect("http://127.0.0.1:1/"),
    "%E6%89%8B%20%20.png": lambda handler: handler.answer(png()),
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    Handler.routes = {name.replace(" ", "-"): route for name, route in ROUTES.items()}
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        running.block_on_close = False
        running.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "URL_TIMEOUT_SECONDS", TIMEOUT)
    monkeypatch.setattr(download, "MAX_DOWNLOAD_BYTES", LIMIT)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize("name", ["good.png", "moved", "手 %20.png"])
def test_urls_are_read(server: str, name: str) -> None:
    np.testing.assert_array_equal(load_image(f"{server}/{name}"), BGR)
    np.testing.assert_array_equal(load_image(f"{server}/{name}".replace("http", "HTTP")), BGR)


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("missing", "404"),
        ("broken", "500"),
        ("silent", "0.6 seconds|timed out"),
        ("drips-headers", "0.6 seconds"),
        ("drips-body", "0.6 seconds"),
        ("drips-chunks", "0.6 seconds"),
        ("garbage", "could not be read"),
        ("long-header", "could not be read"),
        ("large", "larger than 50000"),
        ("endless", "larger than 50000"),
        ("file", "could not be read"),
        ("loop", "could not be read"),
        ("nowhere", "could not be read"),
    ],
)
def test_servers_that_misbehave_give_one_error_in_time(server: str, name: str, named: str) -> None:
    start = time.monotonic()
    with pytest.raises(DownloadError, match=named) as caught:
        load_image(f"{server}/{name}")
    assert str(caught.value).count(f"{server}/{name}") == 1
    assert time.monotonic() - start < TIMEOUT + 1


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize("name", ["text.jpg", "cut"])
def test_what_a_server_sends_may_be_no_image(server: str, name: str) -> None:
    with pytest.raises((InputError, DownloadError), match=name):
        load_image(f"{server}/{name}")


@pytest.mark.usefixtures("limits")
@pytest.mark.parametrize(
    "url", ["http://", "http://[::1", "http://exa mple/", "http://127.0.0.1:99999/", "http://a\nb/"]
)
def test_odd_urls(url: str) -> None:
    with pytest.raises(DownloadError, match=r"could not be read|did not answer"):
        load_image(url)
