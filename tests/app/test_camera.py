"""The page with a camera: each test has a browser of its own."""

from pathlib import Path

import numpy as np
import pytest
from app_page import is_clean, tab, words
from chromium import browser, needs_chromium, open_page, write_camera

pytestmark = [pytest.mark.slow, needs_chromium]


def test_the_camera_shows_hands_with_identities_and_gestures(
    address: str, clip: list[np.ndarray], tmp_path: Path
) -> None:
    camera = write_camera(tmp_path / "camera.y4m", clip, 12)
    with browser(camera) as chromium, open_page(chromium, address, locale="en-US") as opened:
        page = opened.page
        tab(page, 1)
        page.locator("#camera-in button:visible").first.click()  # access
        page.locator("#camera-in button:visible:has-text('Start')").click()
        words(page, "camera-status", "Hand 1 · ✋ open palm")
        words(page, "camera-status", "frames a second")
        page.wait_for_selector("#camera-out img[src^='data:image/jpeg']")
        page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        words(page, "camera-note", "in the background")
        page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for_selector("#camera-note", state="hidden")
        page.locator("#camera-in button:visible:has-text('Stop')").click()
        assert page.text_content("#camera-note") == ""
        is_clean(opened)


def test_a_camera_that_is_not_allowed_is_told_in_words(address: str) -> None:
    flags = ("--use-fake-device-for-media-stream", "--deny-permission-prompts")
    with browser(flags=flags) as chromium, open_page(chromium, address, locale="zh-CN") as opened:
        tab(opened.page, 1)
        opened.page.locator("#camera-in button:visible").first.click()
        words(opened.page, "camera-note", "摄像头未获授权")
