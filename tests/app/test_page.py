"""The page as a browser shows it: real Chromium, its fake camera, and files of strangers."""

import csv
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hostile_files
import numpy as np
import pytest
from app_page import is_clean, tab, upload, words
from chromium import browser, needs_chromium, open_page
from video_files import write_video

pytestmark = [pytest.mark.slow, needs_chromium]
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
MEMORY = 300 * 1024**2  # bytes by which a refusal may raise the server's


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser without a camera."""
    with browser() as opened:
        yield opened


def test_an_image_is_answered_with_its_hands_and_files_that_parse(
    chromium: Any, address: str, hands_image: Path
) -> None:
    with open_page(chromium, address, locale="en-US") as opened:
        page = opened.page
        upload(page, hands_image, "image-in")
        assert words(page, "image-words", "3 hands were found").count("0.6") == 3
        page.wait_for_selector("#image-out img[src^='data:image/jpeg']")
        got = {}
        for format in ("json", "csv"):
            with page.expect_download() as download:
                page.click(f"#image-{format}")
            got[format] = Path(download.value.path()).read_text()
        (entry,) = json.loads(got["json"])["images"]
        assert len(entry["hands"]) == 3 and entry["source"] == "hands.jpg"
        assert len(list(csv.DictReader(got["csv"].splitlines()))) == 3
        is_clean(opened)


def test_an_example_is_answered_on_a_click_and_thresholds_change_the_answer(chromium: Any, address: str) -> None:
    with open_page(chromium, address, locale="en-US") as opened:
        page = opened.page
        page.locator("button.gallery-item").first.click()
        assert "victory" in words(page, "image-words", "2 hands were found")
        page.click("#settings button")
        slider = page.locator("#settings input[type=number]").first
        slider.fill("0.99")
        slider.press("Enter")
        words(page, "image-words", "No hand found")
        is_clean(opened)


@pytest.mark.parametrize(
    ("locale", "title", "found"),
    [
        ("zh-CN", "手部关键点", "找到 3 只手"),
        ("en-GB", "Hand keypoints", "3 hands"),
        ("de-DE", "Hand keypoints", "3 hands"),
    ],
)
def test_the_language_is_that_of_the_browser(
    chromium: Any, address: str, hands_image: Path, locale: str, title: str, found: str
) -> None:
    with open_page(chromium, address, locale=locale, **PHONE) as opened:
        assert words(opened.page, "title", ".+").strip() == title
        upload(opened.page, hands_image, "image-in")
        words(opened.page, "image-words", found)
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= 390  # nothing is wider than the phone
        is_clean(opened)


def test_a_video_is_answered_with_its_hands_and_gestures(
    chromium: Any, address: str, clip: list[np.ndarray], tmp_path: Path
) -> None:
    path = write_video(tmp_path / "clip.mp4", images=clip, size=(320, 240), rate=12)
    with open_page(chromium, address, locale="en-US") as opened:
        page = opened.page
        tab(page, 2)
        page.click("#follow")
        words(page, "video-words", "Upload a file first")
        assert not page.is_visible("#video-json")
        upload(page, path, "video-in")
        page.wait_for_selector("#video-in video")
        page.wait_for_selector("#video-words .note", state="detached")
        page.wait_for_selector("#video-in button[aria-label=Clear]")
        assert not page.is_visible("#video-in button[aria-label*=Trim]")  # it would fetch a program from elsewhere
        page.click("#follow")
        assert "open palm" in words(page, "video-words", "18 frames")
        page.wait_for_selector("#video-out video")
        with page.expect_download() as download:
            page.click("#video-json")
        assert len(json.loads(Path(download.value.path()).read_text())["images"]) == 18
        is_clean(opened)


@pytest.mark.parametrize(
    ("name", "place", "answer"),
    [("a.html", "image", "这不是图像，而是网页"), ("a.txt", "video", "这不是视频，而是文本")],
)
def test_a_file_of_another_kind_is_refused_by_the_server_in_words(
    chromium: Any, address: str, tmp_path: Path, name: str, place: str, answer: str
) -> None:
    path = tmp_path / name
    path.write_text("<!DOCTYPE html><html></html>" if name == "a.html" else "a line of text\n" * 9)
    with open_page(chromium, address, locale="zh-CN") as opened:
        page = opened.page
        tab(page, 0 if place == "image" else 2)
        upload(page, path, f"{place}-in")
        if place == "video":
            page.wait_for_selector("[data-testid=toast-text]:has-text('浏览器无法预览此视频')")
            page.click("#follow")
        words(page, f"{place}-words", answer)
        shown = page.inner_text("body")
        assert "common." not in shown and "Invalid file type" not in shown


def test_a_broken_file_is_told_in_the_language_of_the_visitor(
    chromium: Any, address: str, hands_image: Path, tmp_path: Path
) -> None:
    (tmp_path / "cut.jpg").write_bytes(hands_image.read_bytes()[:5000])
    with open_page(chromium, address, locale="zh-CN") as opened:
        upload(opened.page, tmp_path / "cut.jpg", "image-in")
        assert "cut.jpg" not in words(opened.page, "image-words", "文件已损坏")


def test_no_camera_is_told_in_words(chromium: Any, address: str) -> None:
    with open_page(chromium, address, locale="en-US") as opened:
        tab(opened.page, 1)
        opened.page.wait_for_selector("#camera-in button:visible")
        assert opened.page.text_content("#camera-note") == ""  # nobody asked for it yet
        opened.page.locator("#camera-in button:visible:has-text('Use the camera')").click()
        words(opened.page, "camera-note", "No camera was found")
        assert opened.strangers() == []


def memory() -> dict[str, int]:
    """The memory of this process, which is the server, in bytes: now and at most."""
    found = re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return {name: int(number) * 1024 for name, number in found}


@pytest.mark.parametrize(
    ("make", "name", "place", "answer"),
    [
        (hostile_files.huge_png, "a.png", "image", "more than 50 million pixels"),
        (hostile_files.text_bomb, "a.png", "image", "It cannot be used: a.png is broken"),
        (hostile_files.html_as_jpeg, "a.jpg", "image", "no image, but an HTML page"),
        (hostile_files.long_video, "a.mp4", "video", r"is 1080\d s long; up to 20 s"),
    ],
)
def test_files_that_would_take_the_page_down_are_refused_in_words(
    chromium: Any, address: str, tmp_path: Path, make: Any, name: str, place: str, answer: str
) -> None:
    path = make(tmp_path / name)
    with open_page(chromium, address, locale="en-US") as opened:
        page = opened.page
        tab(page, 0 if place == "image" else 2)
        Path("/proc/self/clear_refs").write_text("5")  # the most counts from here on
        before, begun = memory()["VmRSS"], time.monotonic()
        upload(page, path, f"{place}-in")
        if place == "video":
            page.wait_for_selector("#video-in video")
            page.click("#follow")
        words(page, f"{place}-words", answer)
        assert time.monotonic() - begun < 20
        assert memory()["VmHWM"] - before < MEMORY
        assert opened.strangers() == []


def test_a_file_that_is_too_large_is_refused_in_words(chromium: Any, address: str, tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(21 * 1024**2))
    with open_page(chromium, address, locale="en-US") as opened:
        upload(opened.page, tmp_path / "large.png", "image-in")
        opened.page.wait_for_selector("[data-testid=toast-text]:has-text('too large')")
        assert opened.page.inner_text("#image-words") == ""
