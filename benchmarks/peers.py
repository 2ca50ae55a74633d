"""Speed and memory of this package beside other libraries, in turn within one run, as a Markdown table.

    python benchmarks/peers.py [--peer mediapipe=PYTHON] [--peer rtmlib=PYTHON] [--peer ultralytics=PYTHON]
                               [--peer mmpose=PYTHON] [--peer easycv=PYTHON] [--compile] [--rounds 5] [--json FILE]

PYTHON is the interpreter of an environment in which that library is installed. Each row is a process that is asked in
turn with the others, on the same cores (peer_workers.py).

Columns: the hosted network (HRNetV2-W18, 256 x 256, random weights) and the embedded one on one crop, in the views of
the row, so with the flip test where the row says "full"; whole rendered images of 640 x 480 with 1, 3 and 8 hands,
embedded model; a fresh process until its first result, with exported networks cached; its peak memory after an image of
8 hands. In brackets the ratio to the first row. Each time is of a second look at the same; each number is the median
over the rounds. Who finds fewer hands has less to do. Below the table: decoding alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from embedded import HELD_OUT_SEED
from peer_workers import THREADS
from tqdm import tqdm

from modelscope_handkp.model_dir.hub import EMBEDDED_MODEL_DIR
from modelscope_handkp.pose.codec import HeatmapCodec
from modelscope_handkp.skeleton import NUM_KEYPOINTS
from modelscope_handkp.synthetic import render_image

REPOSITORY = Path(__file__).resolve().parent.parent  # its configuration.json is that of the hosted model
WORKER = Path(__file__).with_name("peer_workers.py")
HANDS = {1: HELD_OUT_SEED, 3: HELD_OUT_SEED, 8: HELD_OUT_SEED + 8}  # seeds of images that show them all
NETWORKS = {"hosted": "hosted network, ms", "embedded": "embedded network, ms"}
IMAGES = {hands: f"{hands} hand{'s' * (hands > 1)}, ms" for hands in HANDS}
COLD, MEMORY = "first result, ms", "peak memory, MiB"
COLUMNS = [*NETWORKS.values(), *IMAGES.values(), COLD, MEMORY]
OPTIONS: dict[str, dict[str, dict[str, Any]]] = {  # of each peer, by what a row is called
    "mediapipe": {
        "MediaPipe Hands, still images": {"tracking": False},
        "MediaPipe Hands, tracking": {"tracking": True},
    },
    "rtmlib": {"rtmlib Hand": {}},
    "ultralytics": {"ultralytics": {}},
    "mmpose": {
        "mmpose HRNetV2-W18 DARK": {"config": "td-hm_hrnetv2-w18_dark-"},
        "mmpose RTMPose-m": {"config": "rtmpose-m_"},
    },
    "easycv": {"EasyCV": {"hosted": str(REPOSITORY)}},
}


@dataclass
class Row:
    """A library in one setting: the arguments of its worker, and what was measured.

    requests: by column, what the worker is asked. values: by column, one a round. hands: by column, how many were
    found. remark: also why something was not measured.
    """

    name: str
    peer: str
    options: dict[str, Any]
    python: str = sys.executable
    requests: dict[str, dict[str, Any]] = field(default_factory=dict)
    values: dict[str, list[float]] = field(default_factory=dict)
    hands: dict[str, int] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    remark: str = ""

    def fail(self, column: str, error: object) -> None:
        """Ask no more for a column, and say why."""
        self.requests.pop(column, None)
        self.values.pop(column, None)
        self.remark = "; ".join(filter(None, [self.remark, f"{column}: {error}"]))

    def put(self, column: str, value: float) -> None:
        """One more value of a column."""
        self.values.setdefault(column, []).append(value)

    def median(self, column: str) -> float | None:
        """None where nothing was measured."""
        return statistics.median(self.values[column]) if self.values.get(column) else None


class WorkerError(Exception):
    """A worker says what it cannot do, or has ended."""


class Worker:
    """The process of a row, in a folder of its own; `ask` waits for its answer."""

    def __init__(self, row: Row, folder: Path) -> None:
        variables = ("OMP", "MKL", "OPENBLAS", "NUMEXPR")
        environment = {**os.environ, **{f"{name}_NUM_THREADS": str(THREADS) for name in variables}}
        if row.peer == "handkp":
            environment |= {"PYTHONPATH": str(REPOSITORY), "XDG_CACHE_HOME": str(folder / "cache")}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        command = [row.python, str(WORKER), row.peer, json.dumps(row.options)]
        self.process = subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)
        self.row = row

    def hello(self) -> dict[str, Any]:
        """What the worker says of itself."""
        return self._answer()

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to a request of `peer_workers.answer`."""
        assert self.process.stdin
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # its last words are still to be read
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise WorkerError(f"its process ended with {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer


def rows(model: str, compiled: bool, peers: dict[str, str]) -> list[Row]:
    """This package in each setting, the one that others are compared with first, and the peers."""
    fixed = {"model": model, "hosted": str(REPOSITORY)}
    engines = ["eager", "onnxruntime", "openvino"] + ["compile"] * compiled
    chosen = [(engine, precision, "full") for engine in engines for precision in ("float32", "bfloat16")]
    chosen += [("auto", precision, "none") for precision in ("float32", "bfloat16")]
    ours = [
        Row(f"this package, {engine}, {precision}, {tta}", "handkp",
            {**fixed, "engine": engine, "precision": precision, "tta": tta})
        for engine, precision, tta in chosen
    ]  # fmt: skip
    return ours + [
        Row(name, peer, options, python) for peer, python in peers.items() for name, options in OPTIONS[peer].items()
    ]


def write_images(folder: Path) -> dict[str, dict[str, Any]]:
    """By column, the request for its image."""
    requests = {}
    for hands, seed in HANDS.items():
        image, _, boxes = render_image(seed, hands=hands)
        np.save(folder / f"{hands}.npy", image)
        requests[IMAGES[hands]] = {"what": "image", "image": str(folder / f"{hands}.npy"), "boxes": boxes.tolist()}
    return requests


def measure(table: list[Row], rounds: int, folder: Path) -> None:
    """Fill the rows."""
    images = write_images(folder)
    workers = [start(row, images, folder) for row in tqdm(table, "start", leave=False)]
    running = [worker for worker in workers if worker]
    try:
        for number in tqdm(range(rounds + 1), "rounds", leave=False):
            for column in [*NETWORKS.values(), *IMAGES.values()]:
                for worker in running:
                    if column in worker.row.requests:
                        look(worker, column, counts=number > 0)  # the first one builds networks and caches
    finally:
        for worker in running:
            worker.close()
    first, last = IMAGES[min(HANDS)], IMAGES[max(HANDS)]
    for _ in tqdm(range(rounds), "fresh processes", leave=False):
        for row in table:
            if first in row.requests and last in row.requests:
                look_fresh(row, first, last, folder)


def start(row: Row, images: dict[str, dict[str, Any]], folder: Path) -> Worker | None:
    """The worker of a row, which says what it can be asked; None if it cannot run."""
    worker = Worker(row, folder)
    try:
        hello = worker.hello()
    except WorkerError as error:
        worker.close()
        row.remark = f"not run: {error}"
        return None
    row.versions, row.remark = hello["versions"], hello["remark"]
    row.requests = {column: {"what": name} for name, column in NETWORKS.items() if name in hello["answers"]}
    row.requests |= images if "image" in hello["answers"] else {}
    return worker


def look(worker: Worker, column: str, counts: bool) -> None:
    """One value of a column, after one look that does not count."""
    row = worker.row
    try:
        answer = worker.ask(**row.requests[column], warm=1)
    except WorkerError as error:
        row.fail(column, error)
        return
    if counts:
        row.put(column, 1000 * answer["seconds"])
        if answer["hands"] is not None:
            row.hands[column] = answer["hands"]


def look_fresh(row: Row, first: str, last: str, folder: Path) -> None:
    """Time and memory of a process of its own."""
    started = time.perf_counter()
    worker = Worker(row, folder)
    try:
        worker.hello()
        worker.ask(**row.requests[first])
        row.put(COLD, 1000 * (time.perf_counter() - started))
        worker.ask(**row.requests[last])
        row.put(MEMORY, worker.ask(what="memory")["mebibytes"])
    except WorkerError as error:
        for column in (COLD, MEMORY):
            row.fail(column, error)
        row.requests.clear()  # not tried again
    finally:
        worker.close()


def decoding(rounds: int) -> dict[str, float]:
    """Milliseconds a hand that `HeatmapCodec.decode` takes, by what it decodes."""
    codecs = {side: HeatmapCodec((4 * side, 4 * side), (side, side)) for side in (64, 32)}
    times: dict[str, list[float]] = {}
    for _ in range(rounds + 1):
        for side, codec in codecs.items():
            for crops in (1, 16):
                maps = torch.rand(crops, NUM_KEYPOINTS, side, side, generator=torch.Generator().manual_seed(0))
                places = np.full((crops, 2), 128.0), np.full((crops, 2), 1.28)
                started = time.perf_counter()
                codec.decode(maps, *places)
                taken = 1000 * (time.perf_counter() - started) / crops
                times.setdefault(f"{side} x {side}, {crops} crop{'s' * (crops > 1)} at once", []).append(taken)
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def markdown(table: list[Row]) -> str:
    """The table; in brackets the ratio to the first row."""
    lines = [["", *COLUMNS, f"hands found of {', '.join(map(str, HANDS))}", "remarks"]]
    lines += [["---"] + ["---:"] * len(COLUMNS) + ["---", "---"]]
    for row in table:
        cells = [cell(row.median(column), table[0].median(column)) for column in COLUMNS]
        found = [str(row.hands.get(column, "-")) for column in IMAGES.values()] if row.hands else ["-"]
        lines.append([row.name, *cells, ", ".join(found), row.remark.replace("|", "/")])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(value: float | None, reference: float | None) -> str:
    """A number and its ratio to another one."""
    if value is None:
        return "-"
    shown = f"{value:.1f}" if value < 100 else f"{value:.0f}"
    return shown if reference is None else f"{shown} ({value / reference:.2f})"


def machine() -> str:
    """Processor and system."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores, {platform.platform()}"


def peer(text: str) -> tuple[str, str]:
    """NAME=PYTHON of the command line."""
    name, _, python = text.partition("=")
    if name not in OPTIONS:
        raise argparse.ArgumentTypeError(f"{name!r} is not known; known are {', '.join(OPTIONS)}")
    program = shutil.which(python)
    if program is None:
        raise argparse.ArgumentTypeError(f"{python!r} is no program; write {name}=PYTHON")
    return name, str(Path(program).absolute())  # workers run in another folder


def main() -> None:
    """Measure, print the table and write the numbers if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=peer, action="append", default=[], metavar="NAME=PYTHON", help="may be repeated")
    parser.add_argument("--compile", action="store_true", help="also the engine compile, which takes minutes to start")
    parser.add_argument("--model", type=Path, default=EMBEDDED_MODEL_DIR, help="directory in place of the embedded one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="file that gets every single number")
    arguments = parser.parse_args()
    if arguments.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {arguments.rounds}")
    if arguments.json and not arguments.json.parent.is_dir():
        parser.error(f"{arguments.json.parent} is no folder")
    torch.set_num_threads(THREADS)
    table = rows(str(arguments.model.resolve()), arguments.compile, dict(arguments.peer))
    decoded = decoding(20 * arguments.rounds)
    with tempfile.TemporaryDirectory() as folder:
        measure(table, arguments.rounds, Path(folder))
    names = ", ".join(sorted({f"{name} {version}" for row in table for name, version in row.versions.items()}))
    print(f"{machine()}; {THREADS} threads on {THREADS} cores, median of {arguments.rounds} rounds")
    print(f"{names}\n")
    print(markdown(table))
    print("\nWho finds fewer hands has less to do.\n")
    print("Decoding, ms a hand: " + "; ".join(f"{name} {value:.2f}" for name, value in decoded.items()))
    if arguments.json:
        content = {"machine": machine(), "threads": THREADS, "rounds": arguments.rounds, "decoding": decoded}
        arguments.json.write_text(json.dumps({**content, "rows": [asdict(row) for row in table]}, indent=1))


if __name__ == "__main__":
    main()
