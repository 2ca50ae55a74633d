"""The game in real Chromium: it is played by mouse, touch, keyboard and hands, pauses, ends and begins again."""

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from chromium import Page, browser, needs_chromium, open_page

pytestmark = [pytest.mark.slow, needs_chromium]

GAME = Path(__file__).parents[2] / "examples" / "web" / "game"
LANDSCAPE, PORTRAIT = {"width": 900, "height": 600}, {"width": 390, "height": 844}
PAGE = """<!doctype html><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>html, body { margin: 0; height: 100% } canvas { width: 100vw; height: 100vh; display: block }</style>
<canvas></canvas><script type="module">
import { Game } from "./game/game.js";
const asked = new URLSearchParams(location.search);
window.scores = [];
window.game = new Game(document.querySelector("canvas"),
  { language: asked.get("language") ?? "en", onScore: (score) => window.scores.push(score) });
window.step = (seconds, pointers = []) => {
  for (let i = 0; i < Math.round(seconds * 60); i++) window.game.update(pointers, 1 / 60);
};
window.skip = (seconds, pointers = []) => { // in slow frames, which are soon drawn
  for (let i = 0; i < Math.round(seconds * 10); i++) window.game.update(pointers, 0.1);
};
window.hand = (gesture, x = 0.5, y = 0.5, id = 1) => ({ id, x, y, gesture, confidence: 0.9, source: "hand" });
window.colours = () => {
  const { width, height } = document.querySelector("canvas");
  const pixels = document.querySelector("canvas").getContext("2d").getImageData(0, 0, width, height).data;
  return new Uint32Array(pixels.buffer).reduce((hash, pixel) => (Math.imul(hash, 31) + pixel) | 0, 7);
};
if (asked.has("frames")) {
  let before = performance.now();
  const frame = (now) => {
    window.game.update([], (now - before) / 1000);
    before = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}
</script>"""
# Leaves the first screen and the lesson behind; what falls comes from a seed.
ROUND = """(async () => {
  const { World } = await import("./game/world.js");
  window.game.start();
  window.game.world = new World(3);
})()"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, silently."""

    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".js": "text/javascript"}  # noqa: RUF012

    def log_message(self, *args: Any) -> None:
        """Nothing is said."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a page with nothing but the game. ?frames: it runs by itself; else a test steps it."""
    folder = tmp_path_factory.mktemp("game")
    shutil.copytree(GAME, folder / "game")
    (folder / "index.html").write_text(PAGE, encoding="utf-8")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as started:
        yield started


@contextmanager
def opened(chromium: Any, address: str, script: str = "", **context: Any) -> Iterator[Any]:
    """The page, in which nothing may go wrong; script runs before its own."""
    context.setdefault("viewport", LANDSCAPE)
    with open_page(chromium, "about:blank", **context) as page:
        if script:
            page.page.add_init_script(script)
        page.page.goto(address)
        page.page.wait_for_function("window.game")
        yield page.page
        assert_quiet(page)


def written(page: Any, script: str) -> list[str]:
    """The lines that the last frame of a script shows, from top to bottom."""
    return page.evaluate(
        """(script) => {
            const drawn = CanvasRenderingContext2D.prototype;
            const { fillText } = drawn;
            eval(script);
            const lines = [];
            drawn.fillText = function (text, x, y) { lines.push([y, text]); fillText.call(this, text, x, y); };
            window.game.update(window.pointers ?? [], 1 / 60);
            drawn.fillText = fillText;
            return lines.sort(([a], [b]) => a - b).map(([, text]) => text);
        }""",
        script,
    )


def assert_quiet(page: Page) -> None:
    assert page.errors == []
    assert page.strangers() in ([], ["about:blank"])


def place(page: Any) -> tuple[float, float]:
    """Of the first thing in the sky, in pixels of the window."""
    share = page.evaluate("[window.game.world.things[0].x, window.game.world.things[0].y]")
    return share[0] * page.viewport_size["width"], share[1] * page.viewport_size["height"]


def wait_for_thing(page: Any, kind: str) -> None:
    """Until the lesson's thing of a kind has come to its place."""
    page.wait_for_function(f"window.game.world.things[0]?.kind === '{kind}' && window.game.world.things[0].y > 0.55")


def test_a_mouse_begins_catches_and_crushes(chromium: Any, address: str) -> None:
    with opened(chromium, address + "?frames") as page:
        assert page.evaluate("[window.game.state, window.game.score]") == ["ready", 0]
        page.wait_for_function("window.game.age > 0.6")
        page.mouse.click(300, 300)
        page.wait_for_function("window.game.state === 'playing'")
        wait_for_thing(page, "star")
        page.mouse.click(*place(page))
        page.wait_for_function("window.game.score === 10")
        wait_for_thing(page, "meteor")
        page.mouse.dblclick(*place(page))
        page.wait_for_function("window.game.score === 25")
        assert page.evaluate("window.scores") == [0, 10, 25]


def test_the_right_button_is_a_fist(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        page.evaluate(ROUND)
        page.evaluate("window.game.world.add('meteor', {x: 0.5, y: 0.5, vy: 0})")
        page.mouse.click(450, 300, button="right")
        page.evaluate("window.step(0.1)")
        assert page.evaluate("window.game.score") == 15


def test_a_finger_taps(chromium: Any, address: str) -> None:
    with opened(chromium, address, viewport=PORTRAIT, has_touch=True, is_mobile=True) as page:
        page.evaluate(ROUND)
        page.evaluate("window.game.world.add('star', {x: 0.5, y: 0.5, vy: 0})")
        page.touchscreen.tap(195, 422)
        page.evaluate("window.step(0.1)")
        assert page.evaluate("window.game.score") == 10
        page.evaluate("window.step(0.2); window.game.world.add('meteor', {x: 0.2, y: 0.7, vy: 0})")
        for _ in range(2):
            page.touchscreen.tap(78, 591)
        page.evaluate("window.step(0.1)")
        assert page.evaluate("window.game.score") == 25


def test_keys_move_catch_crush_and_pause(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        page.evaluate(ROUND)
        page.evaluate("window.game.world.add('star', {x: 0.8, y: 0.5, vy: 0})")
        page.keyboard.down("ArrowRight")
        page.evaluate("window.step(0.4)")
        page.keyboard.up("ArrowRight")
        page.keyboard.down("Space")
        page.evaluate("window.step(0.1)")
        page.keyboard.up("Space")
        assert page.evaluate("window.game.score") == 10
        page.evaluate("window.game.world.add('meteor', {x: 0.8, y: 0.5, vy: 0})")
        page.keyboard.down("f")
        page.evaluate("window.step(0.1)")
        assert page.evaluate("window.game.score") == 25
        states = []
        for _ in range(2):
            page.keyboard.press("p")
            states.append(page.evaluate("window.game.state"))
        assert states == ["paused", "playing"]


def test_a_hand_that_pinches_raises_the_score(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        page.evaluate("window.step(1, [hand('none')]); window.step(0.1, [hand('pinch')])")
        assert page.evaluate("window.game.state") == "playing"
        page.evaluate("window.step(4, [hand('none')]); window.step(0.2, [hand('pinch', 0.5, 0.6)])")
        assert page.evaluate("window.game.score") == 10


TOUCH = {"viewport": PORTRAIT, "has_touch": True, "is_mobile": True}


@pytest.mark.parametrize(
    ("context", "pointer", "others"),
    [({}, "Click or press Space to begin", "or click, or press Space"), (TOUCH, "Tap to begin", "or tap")],
    ids=["mouse", "touch"],
)
def test_the_words_tell_first_how_the_player_plays(
    chromium: Any, address: str, context: dict[str, Any], pointer: str, others: str
) -> None:
    with opened(chromium, address, **context) as page:
        lines = written(page, "window.step(0.1)")
        assert lines.index(pointer) + 1 == lines.index("or pinch, with the camera on")
        assert others not in lines
        lines = written(page, "window.pointers = [hand('none')]; window.step(0.1)")
        assert lines.index("Pinch to begin") + 1 == lines.index(others)
        assert pointer not in lines


def test_a_mouse_that_is_pressed_after_the_hand_left_is_told_first_again(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        page.evaluate(ROUND)
        assert "Pinch to resume" in written(page, "window.step(1, [hand('none')]); window.step(4)")
        page.mouse.click(300, 300)
        page.evaluate("window.step(0.1)")
        assert "Click or press P to resume" in written(page, "window.game.pause()")


def test_the_lesson_breaks_lines_that_a_phone_has_no_room_for(chromium: Any, address: str) -> None:
    script = "window.pointers = [hand('none')]; window.game.start(); window.step(0.5, window.pointers)"
    lesson = ["Pinch the star to", "catch it", "Thumb and forefinger", "together on it", "Or tap it"]
    with opened(chromium, address, **TOUCH) as page:
        assert " ".join(written(page, script)[-len(lesson) :]) == " ".join(lesson)
    with opened(chromium, address) as page:
        assert written(page, script)[-3:-1] == ["Pinch the star to catch it", "Thumb and forefinger together on it"]


def test_rules_beyond_the_lesson_are_told_once(chromium: Any, address: str) -> None:
    line = "The blue comet is worth five stars"
    come = "window.game.world.rain.step = () => {}; window.game.world.add('comet', {y: 0.5, vy: 0}); window.step(1)"
    with opened(chromium, address) as page:
        page.evaluate(ROUND)
        assert line in written(page, come)
        assert line not in written(page, "window.step(5)")
        page.evaluate(ROUND)
        assert line not in written(page, come)


def test_what_falls_does_not_hide_the_score(chromium: Any, address: str) -> None:
    difference = """(add) => {
        const context = document.querySelector("canvas").getContext("2d");
        const pixels = () => context.getImageData(0, 0, 80, 40).data;
        window.game.world.rain.step = () => {};
        window.step(0.1);
        const before = pixels();
        window.game.world.add("meteor", { x: 0.04, y: 0.03, vy: 0 });
        window.step(0.1);
        return Math.max(...pixels().map((value, i) => Math.abs(value - before[i])));
    }"""
    with opened(chromium, address) as page:
        page.evaluate(ROUND)
        assert 0 < page.evaluate(difference) < 80


def test_two_hands_play(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        page.evaluate(ROUND)
        page.evaluate("""() => {
            window.game.world.add("star", { x: 0.2, y: 0.5, vy: 0 });
            window.game.world.add("meteor", { x: 0.8, y: 0.5, vy: 0 });
            window.step(0.1, [hand("pinch", 0.2), hand("fist", 0.8, 0.5, 2)]);
        }""")
        assert page.evaluate("window.game.score") == 25


def test_a_pause_stops_time_until_it_is_resumed(chromium: Any, address: str) -> None:
    world = "JSON.stringify([window.game.world.left, window.game.world.things])"
    with opened(chromium, address) as page:
        page.evaluate(ROUND)
        page.evaluate("window.step(5); window.game.pause()")
        before = page.evaluate(world)
        page.evaluate("window.step(3)")
        assert page.evaluate(world) == before
        page.evaluate("window.game.resume(); window.step(1)")
        assert page.evaluate("window.game.state") == "playing"
        assert page.evaluate(world) != before


def test_pause_and_resume_need_a_round(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        page.evaluate("window.game.pause(); window.game.resume()")
        assert page.evaluate("window.game.state") == "ready"


def test_a_still_palm_pauses_and_a_pinch_resumes(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        page.evaluate(ROUND)
        page.evaluate("window.step(0.9, [hand('open_palm')])")
        assert page.evaluate("window.game.state") == "playing"
        page.evaluate("window.step(0.5, [hand('open_palm')])")
        assert page.evaluate("window.game.state") == "paused"
        page.evaluate("window.step(2, [hand('open_palm')]); window.step(0.1, [hand('pinch')])")
        assert page.evaluate("window.game.state") == "playing"


def test_a_pinch_that_was_there_before_the_pause_does_not_end_it(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        page.evaluate(ROUND)
        page.evaluate("window.step(0.1, [hand('pinch')]); window.game.pause(); window.step(2, [hand('pinch')])")
        assert page.evaluate("window.game.state") == "paused"


def test_the_game_waits_for_hands_that_left_the_view(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        page.evaluate(ROUND)
        page.evaluate("window.step(1, [hand('none')]); window.step(2.5)")
        assert page.evaluate("window.game.state") == "playing"
        page.evaluate("window.step(1.5)")
        assert page.evaluate("[window.game.state, window.game.reason]") == ["paused", "lost"]


def test_a_mouse_that_rests_does_not_stand_for_a_hand_but_one_that_clicks_does(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        page.evaluate(ROUND)
        page.mouse.move(300, 300)
        page.evaluate("window.step(1, [hand('none')]); window.step(4)")
        assert page.evaluate("window.game.state") == "paused"
        page.evaluate("window.game.resume(); window.step(0.5, [hand('none')])")
        page.mouse.click(300, 300)
        page.evaluate("window.step(4)")
        assert page.evaluate("[window.game.state, window.game.hands.all.length]") == ["playing", 1]
        page.evaluate("window.step(2)")
        assert page.evaluate("[window.game.state, window.game.hands.all.length]") == ["playing", 0]


def test_the_game_pauses_when_its_page_is_hidden(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        page.evaluate(ROUND)
        page.evaluate("""() => {
            Object.defineProperty(document, "hidden", { value: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""")
        assert page.evaluate("window.game.state") == "paused"


def test_the_button_pauses_and_catches_nothing(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        page.evaluate(ROUND)
        states = []
        for _ in range(2):
            page.mouse.click(787, 37)
            page.evaluate("window.step(0.3)")
            states.append(page.evaluate("window.game.state"))
        assert states == ["paused", "playing"]


def test_a_round_ends_and_the_next_begins_without_the_lesson(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        page.evaluate("window.game.start()")
        assert page.evaluate("window.game.world.lesson !== null")
        page.evaluate("window.skip(60); window.skip(2, [hand('none')])")
        page.evaluate("""() => {
            window.game.resume();
            for (let i = 0; i < 200 && window.game.state !== "over"; i++) {
                const { things } = window.game.world;
                const act = i % 2 ? "none" : null;
                window.skip(0.5, things.map(({ x, y, kind }, id) => (
                    hand(act ?? (kind === "meteor" ? "fist" : "pinch"), x, y, id))).concat([hand("none", 0, 1, -1)]));
            }
        }""")
        assert page.evaluate("window.game.state") == "over"
        score = page.evaluate("window.game.score")
        assert score > 100
        assert str(score) in page.get_attribute("canvas", "aria-label")
        page.evaluate("window.step(1, [hand('none')]); window.step(0.2, [hand('pinch')])")
        assert page.evaluate("window.game.state") == "over"  # the score stands for a moment
        page.evaluate("window.step(2, [hand('none')]); window.step(0.2, [hand('pinch')])")
        assert page.evaluate("[window.game.state, window.game.score, window.game.world.lesson]") == ["playing", 0, None]
        page.reload()
        page.wait_for_function("window.game")
        assert page.evaluate("window.game.best.score") == score


def test_a_better_score_is_a_record(chromium: Any, address: str) -> None:
    end = "window.game.start(); window.game.world.lesson = null; window.game.world.score = {}; window.skip(78)"
    with opened(chromium, address) as page:
        records = []
        for score in (500, 400, 600):
            page.evaluate(end.format(score))
            records.append(page.evaluate("[window.game.state, window.game.record, window.game.best.score]"))
        assert records == [["over", False, 500], ["over", False, 500], ["over", True, 600]]


@pytest.mark.parametrize(
    "storage",
    ["get() { throw new DOMException('refused') }", "value: {getItem: () => '<b>9', setItem() { throw new Error() }}"],
)
def test_refused_storage_costs_the_best_score_only(chromium: Any, address: str, storage: str) -> None:
    with opened(chromium, address, f"Object.defineProperty(window, 'localStorage', {{{storage}}})") as page:
        assert page.evaluate("window.game.best.score") is None
        page.evaluate("window.game.start(); window.game.world.lesson = null; window.skip(78)")
        assert page.evaluate("[window.game.state, window.game.best.score]") == ["over", 0]


@pytest.mark.parametrize("language", ["zh", "zh-CN", "en", "fr"])
def test_every_screen_is_drawn_in_both_shapes(chromium: Any, address: str, language: str) -> None:
    with opened(chromium, f"{address}?language={language}", device_scale_factor=3) as page:
        seen = set()
        for size in (LANDSCAPE, PORTRAIT, {"width": 640, "height": 320}):
            page.evaluate("localStorage.clear()")  # the lesson comes again
            page.reload()
            page.wait_for_function("window.game")
            page.set_viewport_size(size)
            page.wait_for_function(f"document.querySelector('canvas').width === {2 * size['width']}")
            for screen in (
                "window.step(0.1)",
                "window.game.start(); window.skip(2, [hand('none')])",
                "window.game.world.lesson.next(); window.skip(2, [hand('fist', 0.1)])",
                "window.game.world.lesson.next(); window.step(0.5, [hand('open_palm')])",
                "window.game.pause(); window.step(0.1)",
                "window.game.resume(); window.step(0.2); window.game.world.left = 0.01; window.step(1)",
            ):
                page.evaluate(screen)
                seen.add(page.evaluate("window.colours()"))
        assert len(seen) == 18
        assert ("游戏" in page.get_attribute("canvas", "aria-label")) == language.startswith("zh")


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_reduced_motion_keeps_the_screens_still(chromium: Any, address: str, motion: str) -> None:
    with opened(chromium, address, reduced_motion=motion) as page:
        page.evaluate("window.step(3)")
        before = page.evaluate("window.colours()")
        page.evaluate("window.step(0.5)")
        assert (page.evaluate("window.colours()") == before) == (motion == "reduce")


def test_sound_is_off_until_it_is_switched_on(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        page.evaluate(ROUND)
        assert not page.evaluate("window.game.sounds.on")
        page.mouse.click(863, 37)
        page.evaluate("window.step(0.2)")
        assert page.evaluate("window.game.sounds.on")
        page.evaluate("""() => {
            for (const kind of ["star", "meteor"]) window.game.world.add(kind, { x: 0.5, y: 0.5, vy: 0 });
            window.step(0.2, [hand("pinch")]);
            window.step(0.2, [hand("fist")]);
        }""")
        assert page.evaluate("window.game.score") == 25
        page.keyboard.press("m")
        assert not page.evaluate("window.game.sounds.on")


def test_odd_steps_do_no_harm(chromium: Any, address: str) -> None:
    with opened(chromium, address) as page:
        page.evaluate(ROUND)
        page.evaluate("for (const seconds of [NaN, -5, 0, 1e9, undefined]) window.game.update([], seconds)")
        assert page.evaluate("window.game.world.left") > 74.8


def test_the_title_leaves_a_low_stages_button_free(chromium: Any, address: str) -> None:
    with opened(chromium, address, viewport={"width": 354, "height": 265}) as page:
        page.evaluate("window.step(0.1)")
        right, button = page.evaluate(
            """() => {
              const drawn = CanvasRenderingContext2D.prototype;
              const { fillText } = drawn;
              let right = 0;
              drawn.fillText = function (text, x, y) {
                if (text === "Starlit Village") right = x + this.measureText(text).width / 2;
                fillText.call(this, text, x, y);
              };
              window.game.update([], 1 / 60);
              drawn.fillText = fillText;
              const { x, radius } = window.game.drawing.size.buttons.sound;
              return [right, x - radius];
            }"""
        )
        assert 177 < right < button
