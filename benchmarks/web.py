"""The page in headless Chromium: what is loaded, the time to the first result, frames a second of a rendered clip.

python benchmarks/web.py [--page build/web] [--seconds 20] [--mediapipe FOLDER]

`make web` builds the page. FOLDER is the npm package @mediapipe/hands, which ships its own models: npm pack
@mediapipe/hands, or node_modules/@mediapipe/hands. Both see the same clip through Chromium's fake camera, one frame
after the other, as fast as they can. MediaPipe computes on the processor, too: in software, its WebGL freezes the page.
"""

import argparse
import functools
import http.server
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from chromium import browser, open_page, write_camera  # noqa: E402

from modelscope_handkp.synthetic import render_clip  # noqa: E402

SIZE, SEED = (640, 480), 35
RENDERED_RATE, REPEATED = 5, 6  # frames a second; how often one is shown: the camera has 30
GESTURES = ("open_palm", "victory", "fist", "pinch")
PATIENCE = 180_000  # milliseconds
LISTEN = """window.seen = []; document.addEventListener("hands", ({ detail }) =>
  window.seen.push([performance.now(), detail.milliseconds, detail.hands.length]));"""
# A page that gives each frame of the camera to MediaPipe Hands.
MEDIAPIPE = """<!doctype html><link rel="icon" href="data:,"><video muted playsinline></video>
<script src="package/hands.js"></script><script type="module">
const start = performance.now();
const hands = new Hands({ locateFile: (name) => `package/${name}` });
hands.setOptions({ maxNumHands: 2, modelComplexity: 1, selfieMode: false, useCpuInference: true });
window.seen = [];
let before = 0;
hands.onResults(({ multiHandLandmarks }) =>
  window.seen.push([performance.now(), performance.now() - before, multiHandLandmarks?.length ?? 0]));
const video = document.querySelector("video");
video.srcObject = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
await video.play();
for (let last = -1; ; ) {
  await new Promise((next) => requestAnimationFrame(next));
  if (video.currentTime === last) continue;
  last = video.currentTime;
  before = performance.now();
  await hands.send({ image: video });
}
</script>"""


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def serve(folder):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}/"


def clip_for(folder):
    frames = render_clip(SEED, 2 * RENDERED_RATE * len(GESTURES), SIZE, 1, "easy", RENDERED_RATE, GESTURES)
    images = [frame.image for frame in frames for _ in range(REPEATED)]
    return write_camera(folder / "clip.y4m", images, RENDERED_RATE * REPEATED)


def sizes_of(page):
    files = {path.relative_to(page).as_posix(): path.stat().st_size for path in page.rglob("*") if path.is_file()}
    weights = sum(size for name, size in files.items() if name.endswith(".onnx"))
    runtimes = {
        name: sum(size for file, size in files.items() if f"/ort.{name}." in file) for name in ("wasm", "webgpu")
    }
    return weights, runtimes, sum(files.values()) - weights - sum(runtimes.values())


def first_result(address):
    """Seconds from opening the page to the hands of its example, with nothing in the browser's cache."""
    with browser() as chromium:
        start = time.perf_counter()
        with open_page(chromium, address) as opened:
            opened.page.wait_for_selector("#app:visible", timeout=PATIENCE)
            opened.page.click("#example")
            opened.page.wait_for_selector("#found li", timeout=PATIENCE)
            return time.perf_counter() - start


def live(address, camera, seconds, click):
    """Frames a second, the median of a frame's milliseconds and the share of frames with a hand, once it runs."""
    with browser(camera) as chromium, open_page(chromium, address) as opened:
        page = opened.page
        if click:
            page.wait_for_selector("html[data-ready]", timeout=PATIENCE)
            page.evaluate(LISTEN)
            page.click(click)
        else:
            page.wait_for_selector("video", state="attached")
        end = time.monotonic() + PATIENCE / 1000
        while page.evaluate("(window.seen ?? []).length") < 3:  # the first ones ready the networks
            if time.monotonic() > end:
                raise SystemExit(f"{address}: no result; the console says {opened.errors}")
            page.wait_for_timeout(200)
        page.evaluate("window.seen.length = 0")
        page.wait_for_timeout(1000 * seconds)
        seen = page.evaluate("window.seen")
    times, milliseconds, hands = zip(*seen)
    rate = (len(times) - 1) / (times[-1] - times[0]) * 1000
    return rate, statistics.median(milliseconds), statistics.mean(count > 0 for count in hands)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path, default=ROOT / "build" / "web", help="what make web built (%(default)s)")
    parser.add_argument("--seconds", type=int, default=20, help="that each is measured for (%(default)s)")
    parser.add_argument("--mediapipe", type=Path, metavar="FOLDER", help="the npm package @mediapipe/hands")
    arguments = parser.parse_args()
    if not (arguments.page / "files.json").is_file():
        parser.error(f"{arguments.page} holds no page: build it with make web")

    weights, runtimes, rest = sizes_of(arguments.page)
    print(f"weights {weights / 1e6:.1f} MB, page and game {rest / 1e6:.2f} MB, ONNX Runtime " + ", ".join(
        f"{name} {size / 1e6:.1f} MB" for name, size in runtimes.items()))  # fmt: skip
    address = serve(arguments.page)
    print(f"first result after {statistics.median(first_result(address) for _ in range(3)):.1f} s (median of 3)")
    print(
        "\n|  | frames a second | ms a frame, median | frames with a hand |\n| --- | ---: | ---: | ---: |", flush=True
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        camera = clip_for(folder)
        show("this page", live(address, camera, arguments.seconds, "#camera"))
        if arguments.mediapipe:
            shutil.copytree(arguments.mediapipe, folder / "package")
            (folder / "index.html").write_text(MEDIAPIPE)
            version = json.loads((folder / "package" / "package.json").read_text())["version"]
            show(f"@mediapipe/hands {version}", live(serve(folder), camera, arguments.seconds, None))


def show(name, measured):
    rate, milliseconds, found = measured
    print(f"| {name} | {rate:.1f} | {milliseconds:.0f} | {found:.0%} |", flush=True)


if __name__ == "__main__":
    main()
