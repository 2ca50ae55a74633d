"""The page of the app under concurrent visitors on this machine: requests, wrong answers, latency, memory.

python benchmarks/app.py [--clients N] [--seconds S] [--engine NAME]

Each client has a thread and a session of its own: it uploads an image, waits for the answer, downloads its JSON,
compares the hands with those that the estimator finds alone, and begins anew. Linux; needs the extra app.
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import cv2
import numpy as np

from modelscope_handkp import HandEstimator
from modelscope_handkp.synthetic import render_image

HANDS = (0, 1, 2, 3)  # of the images
SIZE = (640, 480)
TOLERANCE = 2.0  # pixels of a keypoint, between the server's engine and this one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--engine", default="auto")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        images = write_images(Path(folder))
        estimator = HandEstimator.from_pretrained(engine=arguments.engine)
        expected = [estimator(str(path)).keypoints for path in images]
        command = [sys.executable, "-m", "modelscope_handkp", "app", "--port", "0", "--engine", arguments.engine]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            address = re.search(r"http://\S+", server.stdout.readline()).group()
            before = memory(server.pid)
            load = Load(address, images, expected, time.monotonic() + arguments.seconds)
            load.run(arguments.clients)
            report(load, arguments, before, memory(server.pid))
            server.terminate()


def write_images(folder: Path) -> list[Path]:
    paths = []
    for hands in HANDS:
        path = folder / f"{hands}.png"
        cv2.imwrite(str(path), render_image(hands, SIZE, hands, "easy")[0])
        paths.append(path)
    return paths


class Load:
    """Clients that ask until a moment of the monotonic clock."""

    def __init__(self, address: str, images: list[Path], expected: list[np.ndarray], until: float) -> None:
        self.address, self.images, self.expected, self.until = address, images, expected, until
        self.seconds: list[float] = []  # of each answer
        self.wrong: list[str] = []

    def run(self, clients: int) -> None:
        threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _ask(self, number: int) -> None:
        from gradio_client import Client, handle_file

        with tempfile.TemporaryDirectory() as folder:
            client = Client(self.address, verbose=False, download_files=folder, analytics_enabled=False)
            while time.monotonic() < self.until:
                number += 1
                which = number % len(self.images)
                begun = time.monotonic()
                try:
                    answer = client.predict(handle_file(str(self.images[which])), api_name="/image")
                    self._compare(answer, self.expected[which])
                except Exception as error:
                    self.wrong.append(f"{type(error).__name__}: {error}")
                self.seconds.append(time.monotonic() - begun)

    def _compare(self, answer: tuple, expected: np.ndarray) -> None:
        (entry,) = json.loads(Path(answer[2]["value"] if isinstance(answer[2], dict) else answer[2]).read_text())[
            "images"
        ]
        found = np.array([hand["keypoints"] for hand in entry["hands"]]).reshape(-1, 21, 3)
        if found.shape != expected.shape:
            self.wrong.append(f"{len(found)} hands, not {len(expected)}")
        elif len(found) and np.abs(found - expected)[..., :2].max() > TOLERANCE:
            self.wrong.append(f"a keypoint is {np.abs(found - expected)[..., :2].max():.1f} px off")


def memory(process: int) -> dict[str, float]:
    """MiB of a process: now and at most."""
    text = Path(f"/proc/{process}/status").read_text()
    return {name: int(kilobytes) / 1024 for name, kilobytes in re.findall(r"^(VmRSS|VmHWM):\s+(\d+) kB", text, re.M)}


def report(load: Load, arguments: argparse.Namespace, before: dict[str, float], after: dict[str, float]) -> None:
    seconds = sorted(load.seconds)
    late = seconds[int(0.95 * (len(seconds) - 1))]
    print("clients | seconds | requests | wrong | median | 95 % | memory before | at the end | at most")
    print(
        f"{arguments.clients} | {arguments.seconds:g} | {len(seconds)} | {len(load.wrong)} | "
        f"{statistics.median(seconds):.2f} s | {late:.2f} s | {before['VmRSS']:.0f} MiB | {after['VmRSS']:.0f} MiB | "
        f"{after['VmHWM']:.0f} MiB"
    )
    for what in sorted(set(load.wrong))[:5]:
        print(what, file=sys.stderr)


if __name__ == "__main__":
    main()
