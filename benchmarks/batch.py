"""The batch job beside a plain loop: images a second and memory, in turn within one run, as a Markdown table.

    python benchmarks/batch.py [--images 1000] [--memory 500 5000] [--engine auto] [--tta none] [--json FILE]

Each row is a process of its own, or two. The loop calls the estimator on one image after another, on one thread; the
jobs have one and two workers of one thread each, on a Ray cluster of this machine. Images a second of a job are counted
from its first finished part to its last, so without the start of Ray and of the workers, which stands beside it. Memory
is the peak of the driver's process, and of Ray's object store, of jobs of ``--memory`` images with one worker.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
from embedded import HELD_OUT_SEED

from modelscope_handkp.synthetic import render_image

RENDERED, SIZE = 50, (320, 240)
STORE = "/dev/shm"  # Ray's object store
MIB = 1024 * 1024
ONE_THREAD = {"OMP_NUM_THREADS": "1", "RAY_worker_niceness": "0"}  # Ray's workers would yield to the loop's process
LOOP, JOB = "loop", "job"


def write_images(folder: Path, count: int) -> Path:
    """A folder of ``count`` images, of which `RENDERED` differ."""
    folder.mkdir()
    for number in range(count):
        path = folder / f"{number:06d}.jpg"
        if number < RENDERED:
            cv2.imwrite(str(path), render_image(HELD_OUT_SEED + number, SIZE, 1, "medium")[0])
        else:
            path.hardlink_to(folder / f"{number % RENDERED:06d}.jpg")
    return folder


def loop(folder: Path, options: dict[str, Any]) -> dict[str, float]:
    """The estimator on one image after another."""
    import torch

    from modelscope_handkp import HandEstimator

    torch.set_num_threads(1)
    estimator = HandEstimator.from_pretrained(**options)
    paths = sorted(map(str, folder.iterdir()))
    estimator(paths[0])
    begun = time.monotonic()
    for path in paths:
        estimator(path)
    return {"images a second": len(paths) / (time.monotonic() - begun)}


def job(folder: Path, output: Path, workers: int, options: dict[str, Any]) -> dict[str, float]:
    """The batch job."""
    from modelscope_handkp.batch import run_batch

    peak, is_over, before = [0], threading.Event(), _store_bytes()

    def watch() -> None:
        while not is_over.wait(0.2):
            peak[0] = max(peak[0], _store_bytes() - before)

    thread = threading.Thread(target=watch)
    thread.start()
    begun = time.time()
    summary = run_batch(str(folder), str(output), workers=workers, **options)
    is_over.set()
    thread.join()
    assert summary.errors == 0 and not summary.missing, summary
    parts = sorted(output.glob("*.parquet"), key=lambda part: part.stat().st_mtime)
    first, last = parts[0].stat().st_mtime, parts[-1].stat().st_mtime
    return {
        "images a second": summary.images * (len(parts) - 1) / len(parts) / (last - first),
        "seconds until the first part": first - begun,
        "driver, MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MIB,
        "object store, MiB": peak[0] / MIB,
    }


def _store_bytes() -> int:
    about = os.statvfs(STORE)
    return (about.f_blocks - about.f_bfree) * about.f_frsize


def in_process(*arguments: str) -> dict[str, float]:
    """What this script prints, run as a process of its own."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, check=True, env={**os.environ, **ONE_THREAD}, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def rows(arguments: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    """Every row of the table, by its name."""
    options = json.dumps({"engine": arguments.engine, "tta": arguments.tta})
    images = write_images(folder / "images", arguments.images)
    found = {"plain loop": in_process(LOOP, str(images), options)}
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: in_process(LOOP, str(images), options)["images a second"], range(2)))
    found["two plain loops at once"] = {"images a second": sum(both)}  # what the machine's second CPU is worth
    for workers in (1, 2):
        output = str(folder / f"workers{workers}")
        found[f"job, workers: {workers}"] = in_process(JOB, str(images), output, str(workers), options)
    for row in found.values():
        row["ratio to the loop"] = row["images a second"] / found["plain loop"]["images a second"]
    for count in arguments.memory:
        some = write_images(folder / f"images{count}", count)
        found[f"job, {count} images"] = in_process(JOB, str(some), str(folder / f"out{count}"), "1", options)
    return found


def table(found: dict[str, dict[str, float]]) -> str:
    """As Markdown."""
    columns = list(dict.fromkeys(column for row in found.values() for column in row))
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    lines += [
        [name, *(f"{row[column]:.2f}" if column in row else "" for column in columns)] for name, row in found.items()
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    if sys.argv[1:2] == [LOOP]:
        print(json.dumps(loop(Path(sys.argv[2]), json.loads(sys.argv[3]))))
        return
    if sys.argv[1:2] == [JOB]:
        print(json.dumps(job(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]), json.loads(sys.argv[5]))))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--memory", type=int, nargs="*", default=[500, 5000])
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--tta", default="none")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        found = rows(arguments, Path(folder))
    print(table(found))
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
