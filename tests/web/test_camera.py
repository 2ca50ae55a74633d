"""The page and its game with a camera that shows a rendered clip."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from chromium import browser, needs_chromium, write_camera
from web_page import are_near, next_found, opened_page, wait_until_ready

from modelscope_handkp import HandEstimator
from modelscope_handkp.synthetic import render_clip

pytestmark = [pytest.mark.slow, needs_chromium]

NAMES = {"open_palm": "Open palm", "pinch": "Pinch", "victory": "Victory", "fist": "Fist"}
PINCHES = ("pinch", "victory")
SEED, SIZE = 35, (480, 360)  # pixels
RENDERED_RATE, REPEATED, RATE = 2, 2, 1  # frames a second; how often one is shown, for slow machines
PATIENCE = 240  # seconds
HIDE = """(hidden) => { Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
document.dispatchEvent(new Event("visibilitychange")); }"""


def render(gestures: tuple[str, ...]) -> list[np.ndarray]:
    """One hand that shows each of the gestures for two seconds."""
    count = 2 * RENDERED_RATE * len(gestures)
    return [frame.image for frame in render_clip(SEED, count, SIZE, 1, "easy", RENDERED_RATE, gestures)]


def as_shown(image: np.ndarray) -> np.ndarray:
    """An image as the camera has it, one colour for four pixels, which alone moves a tenth of the joints by 2 px."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2YUV_I420), cv2.COLOR_YUV2BGR_I420)


@contextmanager
def with_camera(folder: Path, clip: list[np.ndarray]) -> Iterator[Any]:
    """A browser whose camera shows a clip, slowly."""
    slowed = [image for image in clip for _ in range(REPEATED)]
    with browser(write_camera(folder / "clip.y4m", slowed, RATE)) as opened:
        yield opened


@pytest.fixture(scope="module")
def clip() -> list[np.ndarray]:
    return render(tuple(NAMES))


def test_keypoints_are_pythons_and_gestures_the_clips(tmp_path: Path, address: str, clip: list[np.ndarray]) -> None:
    frames: list[Any] = []
    said: set[str] = set()
    with with_camera(tmp_path, clip) as chromium, opened_page(chromium, address) as opened:
        page = wait_until_ready(opened)
        page.click("#camera")
        start = time.monotonic()
        while time.monotonic() - start < PATIENCE:
            frames += next_found(page)
            said |= {name for name in NAMES.values() if name in page.inner_text("#said")}
            if len(said) == len(NAMES) and len(frames) > 20:
                break
        assert "frames/s" in page.inner_text("#speed")
        assert page.evaluate("document.querySelector('#video').videoWidth") == SIZE[0]
        page.click("#camera")  # stops it
        assert page.inner_text("#camera") == "Use the camera"
        assert page.evaluate("document.querySelector('#video').srcObject") is None
        assert not opened.errors
        assert not opened.strangers()
    assert said == set(NAMES.values())
    estimator = HandEstimator.from_pretrained(device="cpu", tta="none")
    expected = [estimator(as_shown(image)).keypoints for image in clip]
    found = [frame["hands"] for frame in frames if frame["hands"]]
    assert len(found) >= 0.9 * len(frames)
    best = [max((are_near(hands, keypoints) for keypoints in expected), key=np.mean) for hands in found]
    assert np.mean(best) >= 0.95


def test_the_games_score_rises_when_the_clip_pinches(tmp_path: Path, address: str) -> None:
    with with_camera(tmp_path, render(PINCHES)) as chromium, opened_page(chromium, address) as opened:
        page = wait_until_ready(opened)
        page.click("#camera")
        next_found(page)
        page.click("#tab-game")
        page.wait_for_function("document.querySelector('#game').dataset.score > 0", timeout=1000 * PATIENCE)
        assert not opened.errors


def test_nothing_is_looked_at_while_the_tab_is_in_the_background(
    tmp_path: Path, address: str, clip: list[np.ndarray]
) -> None:
    with with_camera(tmp_path, clip) as chromium, opened_page(chromium, address) as opened:
        page = wait_until_ready(opened)
        page.click("#camera")
        next_found(page, 2)
        page.evaluate(HIDE, True)
        assert "in the background" in page.inner_text("#status")
        page.wait_for_timeout(3000)  # one that was on its way may still come
        page.evaluate("window.seen = []")
        page.wait_for_timeout(1500)
        assert page.evaluate("window.seen.length") == 0
        page.evaluate(HIDE, False)
        next_found(page)
        page.wait_for_function("!document.querySelector('#status').textContent.includes('background')")


def test_a_camera_that_is_unplugged_is_said_in_words(tmp_path: Path, address: str, clip: list[np.ndarray]) -> None:
    with with_camera(tmp_path, clip) as chromium, opened_page(chromium, address) as opened:
        page = wait_until_ready(opened)
        page.click("#camera")
        next_found(page)
        page.evaluate("document.querySelector('#video').srcObject.getTracks()[0].dispatchEvent(new Event('ended'))")
        assert "unplugged" in page.inner_text("#error")
        assert page.inner_text("#camera") == "Use the camera"


def test_a_camera_that_starts_while_the_game_opens_plays_it_and_keeps_no_images(
    tmp_path: Path, address: str, clip: list[np.ndarray]
) -> None:
    with with_camera(tmp_path, clip) as chromium, opened_page(chromium, address) as opened:
        page = wait_until_ready(opened)
        page.evaluate(
            """() => {
              window.released = 0;
              const { close } = ImageBitmap.prototype;
              ImageBitmap.prototype.close = function () { window.released += 1; close.call(this); };
              document.querySelector("#camera").click();
              document.querySelector("#tab-game").click();
            }"""
        )
        found = next_found(page, 3)
        assert page.is_visible("#video")
        assert page.evaluate("window.released") >= len(found)
        assert not opened.errors
