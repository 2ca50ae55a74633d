"""Jobs that are refused, and jobs on a cluster of two nodes of which workers, nodes and drivers are killed."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from modelscope_handkp import HandEstimator
from modelscope_handkp.batch import run_batch
from modelscope_handkp.batch.inputs import list_items
from modelscope_handkp.batch.lock import only_job
from modelscope_handkp.batch.plan import write_plan
from modelscope_handkp.cli import main
from modelscope_handkp.cli.exit_codes import OK, REFUSED, SOME_FAILED
from modelscope_handkp.errors import InputError, MissingFileError
from modelscope_handkp.results import read
from modelscope_handkp.synthetic import render_clip, render_image

pytest.importorskip("ray", reason="batch jobs need Ray")
from ray_cluster import SETTINGS, TwoNodes
from video_files import write_video

COUNT, BROKEN, RENDERED = 2000, 20, 40
KILLS = 10
OPTIONS = ("--tta", "none", "--engine", "eager", "--workers", "2")
SECONDS = 600  # in which any job here ends


@pytest.fixture
def image(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.png"
    cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    return path


def test_a_source_that_is_not_there_is_refused_and_nothing_is_begun(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"images does not exist\.$"):
        run_batch(str(tmp_path / "images"), str(tmp_path / "out"))
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_a_folder_with_other_files_is_refused(image: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="has files in it"):
        run_batch(str(image), str(tmp_path), resume=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_model_that_is_not_there_is_refused_before_anything_is_listed(image: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingFileError):
        run_batch(str(image), str(tmp_path / "out"), model_dir=str(tmp_path / "model"))
    assert not list((tmp_path / "out").rglob("*.parquet"))


def test_a_job_is_refused_where_another_one_writes(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_job(str(tmp_path / "out")):
        assert main(["batch", str(image), str(tmp_path / "out")]) == REFUSED
    assert "is being written by another job" in capsys.readouterr().err


def test_a_cluster_that_is_not_there_is_named(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["batch", str(image), str(tmp_path / "out"), "--address", "127.0.0.1:1"]) == REFUSED
    assert "no Ray cluster can be used at 127.0.0.1:1" in capsys.readouterr().err


def begun(output: Path, source: Path) -> None:
    """Leave in ``output`` what a job of one part does that was killed at once."""
    settings = {"source": str(source), "column": None, "track": False, "options": {}}
    write_plan(str(output), list_items(str(source)), settings)


def test_a_job_that_was_begun_is_not_begun_again(image: Path, tmp_path: Path) -> None:
    begun(tmp_path / "out", image)
    with pytest.raises(InputError, match="--resume"):
        run_batch(str(image), str(tmp_path / "out"))


def test_a_job_is_not_resumed_with_other_settings(image: Path, tmp_path: Path) -> None:
    begun(tmp_path / "out", image)
    with pytest.raises(InputError, match=r"\{'options': \{\}\}, which cannot be resumed with .*'flip'"):
        run_batch(str(image), str(tmp_path / "out"), resume=True, tta="flip")


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As the workers have it: with more, the sums of a network differ in their last digits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 2,000 images that differ, 20 of them broken."""
    folder = tmp_path_factory.mktemp("images")
    rendered = [render_image(900 + seed, (160, 120), 1, "easy")[0] for seed in range(RENDERED)]
    broken = set(np.random.default_rng(0).choice(COUNT, BROKEN, replace=False).tolist())
    for number in range(COUNT):
        path, shift = folder / f"{number:04d}.jpg", number // RENDERED
        if number in broken:
            path.write_bytes(b"\xff\xd8\xff and no more")
        else:
            cv2.imwrite(str(path), np.roll(rendered[number % RENDERED], shift % 7, axis=1) + np.uint8(shift // 7))
    return folder


@pytest.fixture(scope="module")
def cluster() -> Iterator[TwoNodes]:
    with TwoNodes() as nodes:
        yield nodes


def driver(images: Path, output: Path, cluster: TwoNodes) -> "subprocess.Popen[bytes]":
    """A job in a process of its own, which resumes."""
    command = [sys.executable, "-c", "import sys; from modelscope_handkp.cli import main; sys.exit(main())", "batch"]
    command += [str(images), str(output), "--address", cluster.address, "--resume", *OPTIONS]
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env={**os.environ, **SETTINGS}, **quiet)


def check_result(images: Path, output: Path) -> None:
    """Each image is in the result once, 20 with an error, and the others as the estimator has them."""
    records = list(read(output))
    assert sorted(record.source for record in records) == sorted(map(str, images.iterdir()))
    assert sum(record.error is not None for record in records) == BROKEN
    estimator = HandEstimator.from_pretrained(tta="none")
    fine = [record for record in records if record.error is None]
    for record in fine[::20]:
        hands = estimator(record.source)
        assert record.hands is not None and len(record.hands) == len(hands)
        np.testing.assert_allclose(record.hands.keypoints[..., :2], hands.keypoints[..., :2], atol=1e-3)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_job_on_two_nodes_has_each_image_once(images: Path, cluster: TwoNodes, tmp_path: Path) -> None:
    job = driver(images, tmp_path / "out", cluster)
    assert job.wait(SECONDS) == SOME_FAILED
    check_result(images, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_what_is_killed_loses_nothing_and_does_nothing_twice(images: Path, cluster: TwoNodes, tmp_path: Path) -> None:
    choice, output, killed = random.Random(0), tmp_path / "out", 0
    job = driver(images, output, cluster)
    limit = time.monotonic() + SECONDS
    while killed < KILLS and job.poll() is None and time.monotonic() < limit:
        time.sleep(choice.uniform(2, 12))
        what = choice.choice(["worker", "node", "driver"])
        if what == "driver":
            job.kill()
            job.wait()
            job = driver(images, output, cluster)
        elif what == "node":
            cluster.lose_node(choice.uniform(0, 4))
        elif not cluster.kill_worker(choice):
            continue
        killed += 1
    assert job.wait(SECONDS) == SOME_FAILED
    assert killed >= KILLS // 2, "the job was over too soon to be killed"
    check_result(images, output)


LOCAL_JOBS = """
import json, sys
import ray
from modelscope_handkp.batch import annotate_dataset, run_batch

source, output = sys.argv[1:]
ray.init("local", include_dashboard=False)
rows = annotate_dataset(source, workers=1, tta="none", track=True).take_all()
first = run_batch(source, output, workers=1, tta="none", track=True)
again = run_batch(source, output, workers=1, tta="none", track=True, resume=True)
blocked = run_batch(source, output + "-blocked", workers=1, tta="none", track=True)
print(json.dumps([rows, first, again, blocked]))
"""


@pytest.mark.slow
def test_the_same_rows_from_python_with_ids_in_videos(tmp_path: Path) -> None:
    source, output = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    frames = [frame.image for frame in render_clip(3, frames=12, size=(320, 240), level="easy")]
    write_video(source / "clip.mp4", size=(320, 240), images=frames)
    cv2.imwrite(str(source / "frame.png"), frames[0])
    (tmp_path / "out-blocked" / "part-0000000.parquet").mkdir(parents=True)  # no file can be written there
    command = [sys.executable, "-c", LOCAL_JOBS, str(source), str(output)]
    answer = subprocess.run(
        command, check=False, env={**os.environ, **SETTINGS}, capture_output=True, text=True, timeout=SECONDS
    )
    assert answer.returncode == OK, answer.stderr
    rows, first, again, blocked = json.loads(answer.stdout.splitlines()[-1])
    expected = [("frame.png", None), *(("clip.mp4", frame) for frame in range(12))]
    assert sorted((Path(row["path"]).name, row["frame"]) for row in rows) == sorted(expected)
    ids = {row["frame"]: [hand["id"] for hand in row["hands"]] for row in rows}
    assert ids.pop(None) == [None]
    assert [1] in ids.values() and {identity for found in ids.values() for identity in found} == {1}
    assert first[:-1] == [str(output), 13, 0, [], "", 0] and again[:-1] == [str(output), 13, 0, [], "", 13]
    assert blocked[1:4] == [0, 0, [0]] and "part-0000000.parquet is not a file that can be written" in blocked[4]
    assert {(record.source, record.index) for record in read(output)} == {(row["path"], row["frame"]) for row in rows}
