"""The page and its game with a camera that shows a rendered clip."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import browser, needs_chromium, write_camera
from web_page import are_near, next_found, opened_page, wait_until_ready

from modelscope_handkp import HandEstimator
from modelscope_handkp.synthetic import render_clip

pytestmark = [pytest.mark.slow, needs_chromium]

NAMES = {"open_palm": "Open palm", "victory": "Victory", "pinch": "Pinch", "fist": "Fist"}
RATE, SIZE, SEED = 3, (480, 360), 11  # frames a second, pixels
MOST_FRAMES = 150
HIDE = """(hidden) => { Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
document.dispatchEvent(new Event("visibilitychange")); }"""


@pytest.fixture(scope="module")
def clip() -> list[np.ndarray]:
    """One hand that shows each of `NAMES` for two seconds."""
    frames = render_clip(SEED, 2 * RATE * len(NAMES), SIZE, 1, "easy", RATE, tuple(NAMES))
    return [frame.image for frame in frames]


@pytest.fixture(scope="module")
def chromium(clip: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    camera: Path = write_camera(tmp_path_factory.mktemp("camera") / "clip.y4m", clip, RATE)
    with browser(camera) as opened:
        yield opened


def test_keypoints_are_pythons_and_gestures_the_clips(chromium: Any, address: str, clip: list[np.ndarray]) -> None:
    frames: list[Any] = []
    said: set[str] = set()
    with opened_page(chromium, address) as opened:
        page = wait_until_ready(opened)
        page.click("#camera")
        while len(frames) < MOST_FRAMES:
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
    expected = [estimator(image).keypoints for image in clip]
    found = [frame["hands"] for frame in frames if frame["hands"]]
    assert len(found) >= 0.9 * len(frames)
    best = [max((are_near(hands, keypoints) for keypoints in expected), key=np.mean) for hands in found]
    assert np.mean(best) >= 0.95


def test_the_games_score_rises_when_the_clip_pinches(chromium: Any, address: str) -> None:
    with opened_page(chromium, address) as opened:
        page = wait_until_ready(opened)
        page.click("#camera")
        next_found(page)
        page.click("#tab-game")
        page.wait_for_function("document.querySelector('#game').dataset.score > 0", timeout=180_000)
        assert not opened.errors


def test_nothing_is_looked_at_while_the_tab_is_in_the_background(chromium: Any, address: str) -> None:
    with opened_page(chromium, address) as opened:
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


def test_a_camera_that_is_unplugged_is_said_in_words(chromium: Any, address: str) -> None:
    with opened_page(chromium, address) as opened:
        page = wait_until_ready(opened)
        page.click("#camera")
        next_found(page)
        page.evaluate("document.querySelector('#video').srcObject.getTracks()[0].dispatchEvent(new Event('ended'))")
        assert "unplugged" in page.inner_text("#error")
        assert page.inner_text("#camera") == "Use the camera"
