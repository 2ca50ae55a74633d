"""Chromium without a window, as Debian installs it, driven by Playwright; a test is skipped where either is missing."""

import importlib.util
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("/usr/bin/chromium", "chromium", "chromium-browser"))), None)
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None or importlib.util.find_spec("playwright") is None,
    reason="Chromium is not installed" if CHROMIUM is None else "Playwright is not installed",
)
FLAGS = (
    *("--no-sandbox", "--no-first-run", "--disable-quic", "--disable-sync", "--disable-background-networking"),
    *("--disable-component-update", "--autoplay-policy=no-user-gesture-required"),
)
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
SECONDS = 60  # that a page may take for a step, on a busy machine


@dataclass
class Page:
    """An open page.

    page: Playwright's. errors: what it wrote to the console as an error, and what it threw.
    requests: the addresses that it asked for, those of web sockets too.
    """

    page: Any
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def strangers(self, host: str = "127.0.0.1") -> list[str]:
        """The addresses outside a host that were asked for."""
        inside = (f"http://{host}:", f"ws://{host}:", f"blob:http://{host}:", "data:")
        return [address for address in self.requests if not address.startswith(inside)]


@contextmanager
def browser(camera: Path | None = None, flags: tuple[str, ...] = ()) -> Iterator[Any]:
    """Playwright's browser.

    Args:
        camera: a video of kind .y4m or .mjpeg that its camera shows, again and again; the page may use it without a
            question. None: there is no camera.
        flags: more of Chromium's.
    """
    from playwright.sync_api import sync_playwright

    fake = () if camera is None else (*CAMERA, f"--use-file-for-fake-video-capture={camera}")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, headless=True, args=[*FLAGS, *fake, *flags], chromium_sandbox=False
        )
        try:
            yield chromium
        finally:
            chromium.close()


@contextmanager
def open_page(chromium: Any, address: str, **context: Any) -> Iterator[Page]:
    """A page in a context of its own.

    Args:
        context: of Playwright's ``new_context``: locale="zh-CN", viewport={"width": ..., "height": ...},
            permissions=["camera"], is_mobile, has_touch, ...
    """
    room = chromium.new_context(**context)
    page = room.new_page()
    page.set_default_timeout(SECONDS * 1000)
    opened = Page(page)
    page.on("console", lambda said: said.type == "error" and opened.errors.append(f"{said.text} {said.location}"))
    page.on("pageerror", lambda error: opened.errors.append(str(error)))
    page.on("request", lambda request: opened.requests.append(request.url))
    page.on("websocket", lambda socket: opened.requests.append(socket.url))
    try:
        page.goto(address)
        yield opened
    finally:
        room.close()


def write_camera(path: Path, images: list[np.ndarray], rate: int = 15) -> Path:
    """Images (H, W, 3) BGR of even sides as the video of a camera, uncompressed (.y4m), which `browser` takes."""
    import cv2

    height, width = images[0].shape[:2]
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{rate}:1 Ip A1:1 C420jpeg\n".encode())
        for image in images:
            file.write(b"FRAME\n" + cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420).tobytes())
    return path
