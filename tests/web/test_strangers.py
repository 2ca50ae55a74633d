"""The page with odd files, a server that breaks, and visitors who do not wait."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from chromium import browser, needs_chromium
from node import in_node, needs_node
from video_files import write_video
from web_page import next_found, opened_page, wait_until_ready

from modelscope_handkp.synthetic import render_image

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
NO_WORKER = {"service_workers": "block"}  # so that what the page asks for can be answered here
# A file named "late" takes a second to read.
LATE = """() => {
  const real = window.createImageBitmap;
  window.createImageBitmap = async (source, ...options) => {
    if (source.name?.startsWith("late")) await new Promise((resolve) => setTimeout(resolve, 1000));
    return real(source, ...options);
  };
}"""
HIDE = """(hidden) => { Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
document.dispatchEvent(new Event("visibilitychange")); }"""
STAGE = "(({ width, height }) => [width, height])(document.querySelector('#stage').getBoundingClientRect())"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return render_image(90, (480, 360), 1, "easy", "victory")[0]


def png(image: np.ndarray, name: str = "hand.png") -> dict[str, Any]:
    return {"name": name, "mimeType": "image/png", "buffer": cv2.imencode(".png", image)[1].tobytes()}


def video(folder: Path, images: list[np.ndarray], share: float = 1) -> dict[str, Any]:
    """A video of 2 frames a second, or the first share of its bytes."""
    height, width = images[0].shape[:2]
    path = write_video(folder / "clip.webm", size=(width, height), codec="libvpx", images=images, rate=2)
    content = path.read_bytes()
    return {"name": "clip.webm", "mimeType": "video/webm", "buffer": content[: int(share * len(content))]}


def wait_for_error(page: Any, words: str) -> None:
    page.wait_for_function(f"document.querySelector('#error').textContent.includes({json.dumps(words)})")


@pytest.mark.slow
@needs_chromium
def test_a_file_that_is_read_late_does_not_replace_a_newer_one(chromium: Any, address: str, image: np.ndarray) -> None:
    with opened_page(chromium, address) as opened:
        page = wait_until_ready(opened)
        page.evaluate(LATE)
        page.set_input_files("#file", png(np.zeros((20, 30, 3), np.uint8), "late.png"))
        page.set_input_files("#file", png(image))
        (found,) = next_found(page)
        page.wait_for_timeout(1500)
        assert page.evaluate("[window.seen.length, document.querySelector('#still').width]") == [0, found["width"]]
        page.set_input_files("#file", png(image, "late.png"))
        page.click("#tab-game")
        page.wait_for_timeout(1500)
        assert not page.is_visible("#still")
        page.click("#tab-hands")
        page.evaluate("document.querySelector('#example').click(); document.querySelector('#tab-game').click()")
        page.wait_for_timeout(1500)
        assert not page.is_visible("#still")
        assert not opened.errors


@pytest.mark.slow
@needs_chromium
def test_an_example_that_cannot_be_fetched_is_said_in_words(chromium: Any, address: str) -> None:
    with opened_page(chromium, address, **NO_WORKER) as opened:
        page = wait_until_ready(opened)
        page.route("**/example.jpg", lambda route: route.abort())
        page.click("#example")
        wait_for_error(page, "The example cannot be loaded")
        page.unroute("**/example.jpg")
        page.route("**/example.jpg", lambda route: route.fulfill(status=404))
        page.click("#example")
        wait_for_error(page, "example.jpg: HTTP 404")


@pytest.mark.slow
@needs_chromium
def test_what_keeps_the_model_from_loading_is_said_again(chromium: Any, address: str, image: np.ndarray) -> None:
    with opened_page(chromium, "about:blank", **NO_WORKER) as opened:
        page = opened.page
        page.route("**/gestures.json", lambda route: route.fulfill(status=404))
        page.goto(address)
        wait_for_error(page, "model/gestures.json: HTTP 404")
        page.set_input_files("#file", png(image))
        page.wait_for_function("document.querySelector('#status').textContent === ''")
        wait_for_error(page, "model/gestures.json: HTTP 404")
        page.click("#tab-game")
        page.wait_for_selector("#game:visible")
        assert "HTTP 404" in page.inner_text("#error")


@pytest.mark.slow
@needs_chromium
def test_a_page_that_knows_no_sizes_loads_without_errors(chromium: Any, address: str) -> None:
    with opened_page(chromium, "about:blank", **NO_WORKER) as opened:
        opened.page.route("**/files.json", lambda route: route.fulfill(body="{}"))
        opened.page.goto(address)
        wait_until_ready(opened)
        assert not opened.errors


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("size", [(10, 4000), (4000, 10), (1, 1)])
def test_an_image_of_any_shape_has_a_stage_that_fits(chromium: Any, address: str, size: tuple[int, int]) -> None:
    with opened_page(chromium, address) as opened:
        page = wait_until_ready(opened)
        page.set_input_files("#file", png(np.full((size[1], size[0], 3), 90, np.uint8)))
        next_found(page)
        width, height = page.evaluate(STAGE)
        assert 250 < width <= 1280 and 50 < height <= 720
        assert page.evaluate("document.documentElement.scrollHeight") <= 720
        page.set_input_files("#file", {"name": "no.png", "mimeType": "image/png", "buffer": b"no"})
        wait_for_error(page, "no.png")
        width, height = page.evaluate(STAGE)
        assert width / height == pytest.approx(4 / 3, rel=0.01)


@pytest.mark.slow
@needs_chromium
def test_hands_of_a_long_image_are_drawn_where_they_are(chromium: Any, address: str, image: np.ndarray) -> None:
    long = np.full((2000, 480, 3), 120, np.uint8)
    long[1200:1560] = image
    with opened_page(chromium, address) as opened:
        page = wait_until_ready(opened)
        page.set_input_files("#file", png(long))
        (found,) = next_found(page)
        points = np.array(found["hands"][0]["keypoints"])[:, :2]
        shares = page.evaluate(
            """() => {
              const { width, height } = document.querySelector("#overlay");
              const pixels = document.querySelector("#overlay").getContext("2d").getImageData(0, 0, width, height);
              const drawn = { x: [], y: [] };
              for (let i = 3; i < pixels.data.length; i += 4) {
                if (!pixels.data[i]) continue;
                drawn.x.push(((i >> 2) % width) / width);
                drawn.y.push(Math.floor((i >> 2) / width) / height);
              }
              const ends = (values) => [Math.min, Math.max].map((end) => values.reduce((a, b) => end(a, b)));
              return [...ends(drawn.x), ...ends(drawn.y), width / height];
            }"""
        )
    left, right, _, bottom, ratio = shares
    bars = (1 - 480 / 2000 / ratio) / 2  # at both sides of the image
    assert bars > 0.2
    across = bars + (1 - 2 * bars) * points[:, 0] / 480
    assert left < across.min() and right > across.max()
    assert bottom == pytest.approx(points[:, 1].max() / 2000, abs=0.03)


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("name", ["<img src=x onerror=alert(1)>.png", "n" * 240 + ".png"])
def test_a_files_name_is_text_that_fits(chromium: Any, address: str, name: str) -> None:
    with opened_page(chromium, address, **PHONE) as opened:
        page = wait_until_ready(opened)
        page.set_input_files("#file", {"name": name, "mimeType": "image/png", "buffer": b"no"})
        wait_for_error(page, name)
        assert page.locator("#error *").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


@pytest.mark.slow
@needs_chromium
def test_a_video_of_one_frame_is_looked_at_and_a_broken_one_named(
    chromium: Any, address: str, image: np.ndarray, tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="it writes videos")
    with opened_page(chromium, address) as opened:
        page = wait_until_ready(opened)
        page.set_input_files("#file", video(tmp_path, [image]))
        assert next_found(page)[0]["hands"]
        page.set_input_files("#file", video(tmp_path, 6 * [image], 0.5))
        wait_for_error(page, "clip.webm")
        assert page.is_visible("#welcome")


@pytest.mark.slow
@needs_chromium
def test_a_paused_video_has_its_notice_again_after_the_background(
    chromium: Any, address: str, image: np.ndarray, tmp_path: Path
) -> None:
    pytest.importorskip("av", reason="it writes videos")
    with opened_page(chromium, address) as opened:
        page = wait_until_ready(opened)
        page.set_input_files("#file", video(tmp_path, 6 * [image]))
        next_found(page)
        page.click("#pause")
        page.wait_for_timeout(1500)  # one that was on its way may still come
        notice = page.inner_text("#status")
        page.evaluate(HIDE, True)
        assert "in the background" in page.inner_text("#status")
        page.evaluate(HIDE, False)
        assert page.inner_text("#status") == notice


@pytest.mark.slow
@needs_chromium
def test_the_game_has_one_loop_however_often_it_is_opened(chromium: Any, address: str) -> None:
    with opened_page(chromium, address) as opened:
        page = wait_until_ready(opened)
        page.click("#tab-game")
        page.wait_for_timeout(500)
        asked = page.evaluate(
            """async () => {
              const real = window.requestAnimationFrame;
              const waiting = [];
              window.requestAnimationFrame = (call) => waiting.push(call);
              window.cancelAnimationFrame = (id) => delete waiting[id - 1];
              await new Promise((resolve) => setTimeout(resolve, 200)); // the game now waits for a frame
              for (let i = 0; i < 5; i++) {
                document.querySelector("#tab-hands").click();
                document.querySelector("#tab-game").click();
                await new Promise((resolve) => setTimeout(resolve, 50));
              }
              const calls = waiting.splice(0);
              calls.forEach((call) => call(performance.now()));
              window.requestAnimationFrame = real;
              return waiting.filter(Boolean).length;
            }"""
        )
        assert asked == 1


@pytest.mark.slow
@needs_chromium
def test_the_game_follows_a_phone_that_is_turned(chromium: Any, address: str) -> None:
    with opened_page(chromium, address, **PHONE) as opened:
        page = wait_until_ready(opened)
        page.click("#tab-game")
        width, height = page.evaluate(STAGE)
        assert width < height
        page.set_viewport_size({"width": 844, "height": 390})
        page.wait_for_timeout(300)
        width, height = page.evaluate(STAGE)
        assert width > height
        assert height < 390


@needs_node
def test_the_speed_of_a_slow_device_is_said_once() -> None:
    notices = in_node(
        "",
        """globalThis.window = { devicePixelRatio: 1 };
        Object.defineProperty(globalThis, "navigator", { value: { language: "en" }, configurable: true });
        const { Results } = await import("./src/results.js");
        const context = { clearRect() {} };
        const notices = [];
        const panel = { notice: (text) => notices.push(text), speed() {}, say() {}, hands() {} };
        const results = new Results({ clientWidth: 4, clientHeight: 3, getContext: () => context }, panel);
        results.use({ rules: { stream: {} }, names: [] }, []);
        given.milliseconds.forEach((milliseconds, time) => {
          const found = { hands: [], width: 4, height: 3, time, rate: 3, milliseconds };
          results.frame(found, { mirrored: true, hint: "well" });
        });
        return notices;""",
        milliseconds=[*range(300, 400, 2), *range(250, 230, -1), *20 * [100]],
    )
    slow = {notice for notice in notices if "frames a second" in notice}
    assert len(slow) == 1
    assert notices[0] == notices[-1] == "well"
