"""What is written plays in Chromium, where that is installed."""

import functools
import http.server
import json
import queue
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import write_clip

from modelscope_handkp.results.video import VideoWriter

pytest.importorskip("av", reason="PyAV is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--autoplay-policy=no-user-gesture-required"),
)
PAGE = """<video id="v" src="a.mp4" muted></video><script>
const v = document.getElementById("v"), shown = [];
const tell = (what) => fetch("/", {method: "POST", body: JSON.stringify({what, duration: v.duration,
  size: [v.videoWidth, v.videoHeight], time: v.currentTime, shown,
  frames: v.getVideoPlaybackQuality().totalVideoFrames, sound: v.webkitAudioDecodedByteCount})});
const look = (now, data) => { shown.push(data.mediaTime); v.requestVideoFrameCallback(look); };
v.requestVideoFrameCallback(look);
v.onended = () => tell("ended");
v.onerror = () => tell("error " + v.error.code + " " + v.error.message);
v.play().catch((error) => tell("refused " + error));
</script>"""


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and puts what the page posts into a queue."""

    def __init__(self, *args: Any, posted: "queue.Queue[dict]", **options: Any) -> None:
        self.posted = posted
        super().__init__(*args, **options)

    def do_POST(self) -> None:
        self.posted.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Nothing is printed."""


def play(folder: Path) -> dict[str, Any]:
    """What Chromium says after it played ``a.mp4`` in a folder."""
    (folder / "index.html").write_text(PAGE)
    posted: queue.Queue[dict] = queue.Queue()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder), posted=posted)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/index.html"
    browser = subprocess.Popen(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", address],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return posted.get(timeout=90)
    finally:
        browser.terminate()
        browser.wait(20)
        server.shutdown()
        server.server_close()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")
@pytest.mark.parametrize(("size", "sound"), [((321, 241), True), ((320, 240), False)])
def test_chromium_plays_it_to_the_end(size: tuple[int, int], sound: bool, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "source.mp4") if sound else None
    with VideoWriter(tmp_path / "a.mp4", size, 25, source) as writer:
        for index in range(50):
            writer.write(np.full((*size[::-1], 3), 5 * index, np.uint8), index / 25)
    said = play(tmp_path)
    assert said["what"] == "ended"
    assert said["size"] == [size[0] + size[0] % 2, size[1] + size[1] % 2]
    assert said["duration"] == pytest.approx(2, abs=0.05) and said["time"] == pytest.approx(2, abs=0.05)
    assert said["frames"] >= 40  # a busy machine leaves out a few
    assert [25 * time for time in said["shown"]] == pytest.approx([round(25 * time) for time in said["shown"]])
    assert (said["sound"] > 0) == sound
