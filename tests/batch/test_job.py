"""Jobs that are refused, and jobs on a cluster of two nodes of which workers, nodes and drivers are killed."""

import json
import os
import random
import re
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

from modelscope_handkp import HandEstimator, Hands
from modelscope_handkp.batch import annotate_dataset, run_batch
from modelscope_handkp.batch.inputs import list_items
from modelscope_handkp.batch.lock import only_job
from modelscope_handkp.batch.options import job_settings, whole_options
from modelscope_handkp.batch.parts import write_part
from modelscope_handkp.batch.plan import Plan, begin, read_plan, write_plan
from modelscope_handkp.cli import main
from modelscope_handkp.cli.exit_codes import OK, REFUSED, SOME_FAILED
from modelscope_handkp.errors import HandkpError, InputError
from modelscope_handkp.hands import Result
from modelscope_handkp.results import read
from modelscope_handkp.results.image_rows import image_row
from modelscope_handkp.synthetic import render_clip, render_image

pytest.importorskip("ray", reason="batch jobs need Ray")
import pyarrow
import pyarrow.parquet
from ray_cluster import SETTINGS, TwoNodes
from small import narrow_dir
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


@pytest.fixture
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray is not started."""
    import ray

    monkeypatch.setattr(ray, "init", lambda **_: pytest.fail("Ray was started"))


def begun(output: Path, source: Path, **options: Any) -> Plan:
    """Leave in ``output`` what a job does that was killed before the first part was done."""
    settings = job_settings(str(source), None, False, whole_options(options))
    plan = write_plan(str(output), list_items(str(source)), settings)
    begin(plan)
    return plan


def rows(*kinds: str) -> Iterator[dict[str, Any]]:
    error = Result(None, error=InputError("it is empty."))
    fine = Result(None, np.zeros((8, 8, 3), np.uint8), Hands.empty())
    return (image_row(f"{number}.png", error if kind == "e" else fine) for number, kind in enumerate(kinds))


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model directory that is loaded fast."""
    return str(narrow_dir(tmp_path_factory.mktemp("narrow")))


WRONG = [
    ({"source": "images"}, "images does not exist"),
    ({"source": "in/*.jpg"}, "nothing matches"),
    ({"source": "list.csv"}, "no list: lists of paths end in"),
    ({"source": "list.txt"}, "is no list of paths: it is no text"),
    ({"source": ["a.png"]}, "is no path"),
    ({"source": "tables", "column": "y"}, "b.parquet has no column 'y'"),
    ({"column": "x"}, "has no Parquet file"),
    ({"track": True}, "has no video"),
    ({"workers": 0}, "workers must be a positive integer"),
    ({"workers": 1.5}, "workers must be a positive integer"),
    ({"modle": "x"}, "a job has no option 'modle'"),
    ({"tta": "fast"}, "tta 'fast' is not known"),
    ({"engine": "fast"}, "engine 'fast' is not known"),
    ({"hand_threshold": 2}, "hand_threshold must be a number from 0 to 1"),
    ({"model_dir": "/no/model"}, "/no/model"),
    ({"address": "127.0.0.1:1"}, "no Ray cluster can be used at 127.0.0.1:1"),
]


@pytest.mark.usefixtures("no_ray", "image")
@pytest.mark.parametrize(
    ("job", "wrong", "said"),
    [
        *((run_batch, *case) for case in WRONG),
        *((annotate_dataset, *case) for case in WRONG if "address" not in case[0]),
    ],
)
def test_what_is_wrong_is_refused_before_ray_starts_and_leaves_nothing(
    job: Any, wrong: dict[str, Any], said: str, narrow: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.csv").write_text("path,label\na.png,1\n")
    (tmp_path / "list.txt").write_bytes(b"in/a.png\n" * 70_000 + b"\0")
    for name, columns in (("a", {"x": ["1"], "y": ["1"]}), ("b", {"x": ["1"]})):
        (tmp_path / "tables").mkdir(exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "tables" / f"{name}.parquet")
    before = sorted(tmp_path.rglob("*"))
    arguments = {"source": "in", "output": "new/out", "model_dir": narrow, "engine": "eager", **wrong}
    if job is annotate_dataset:
        del arguments["output"]
    with pytest.raises(HandkpError, match=re.escape(said)) as caught:
        job(**arguments)
    assert len(str(caught.value).splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


def test_a_folder_with_other_files_is_refused(image: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match="has files in it"):
        run_batch(image, tmp_path, resume=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_job_is_refused_where_another_one_writes(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_job(str(tmp_path / "out")):
        assert main(["batch", str(image), str(tmp_path / "out")]) == REFUSED
    assert "is being written by another job" in capsys.readouterr().err


@pytest.mark.usefixtures("no_ray")
def test_a_job_that_was_begun_is_not_begun_again(image: Path, tmp_path: Path) -> None:
    begun(tmp_path / "out", image)
    with pytest.raises(InputError, match="--resume"):
        run_batch(image, tmp_path / "out")
    assert read_plan(str(tmp_path / "out"))


@pytest.mark.usefixtures("no_ray")
def test_a_job_is_not_resumed_with_other_settings(image: Path, tmp_path: Path) -> None:
    begun(tmp_path / "out", image)
    with pytest.raises(InputError) as caught:
        run_batch(image, tmp_path / "out", resume=True, tta="flip", engine="eager")
    assert str(caught.value) == (
        f"{tmp_path / 'out'} was begun with engine auto and tta full, now engine eager and tta flip: resume it with "
        "the same, or name another folder."
    )


@pytest.mark.usefixtures("no_ray")
def test_a_job_that_is_done_is_resumed_at_once(image: Path, tmp_path: Path) -> None:
    """Without a model, a cluster or the source."""
    plan = begun(tmp_path / "out", image, model_dir="owner/name")
    write_part(plan, 0, rows("h", "e", "h"))
    image.unlink()
    summary = run_batch(image, tmp_path / "out", address="127.0.0.1:1", resume=True, model_dir="owner/name")
    named = ("1.png: it is empty.",)
    assert summary[:6] == (str(tmp_path / "out"), 3, 1, (), "", 3) and summary.first_errors == named


@pytest.mark.usefixtures("no_ray")
def test_the_command_names_the_first_errors(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan = begun(tmp_path / "out", image)
    write_part(plan, 0, rows(*"heeehee"))
    capsys.readouterr()
    assert main(["batch", str(image), str(tmp_path / "out"), "--resume"]) == SOME_FAILED
    said = capsys.readouterr()
    failed = [f"failed: {number}.png: it is empty." for number in (1, 2, 3, 5, 6)]
    assert said.err.splitlines() == [*failed, f"see the column error of {tmp_path / 'out'}"]
    assert said.out == f"{tmp_path / 'out'}: 7 images and frames, 5 with an error; none in this run.\n"
    (tmp_path / "out" / "part-0000000.parquet").unlink()
    write_part(plan, 0, rows(*"eeeeeeee"))
    main(["batch", str(image), str(tmp_path / "out"), "--resume"])
    assert f"3 more; see the column error of {tmp_path / 'out'}" in capsys.readouterr().err


def test_the_help_has_the_stores_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["batch", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "(s3://, gs://, abfs://, oss://, hdfs://)" in said
    assert "modelscope-handkp batch images/ hands/ --tta none" in said


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
        np.testing.assert_allclose(record.hands.keypoints[..., :2], hands.keypoints[..., :2], atol=0.05)  # pixels


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
def test_a_job_on_two_nodes_has_each_image_once(images: Path, cluster: TwoNodes, tmp_path: Path) -> None:
    job = driver(images, tmp_path / "out", cluster)
    assert job.wait(SECONDS) == SOME_FAILED
    check_result(images, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.one_stack
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
@pytest.mark.one_stack
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
    assert first[:6] == [str(output), 13, 0, [], "", 0] and again[:6] == [str(output), 13, 0, [], "", 13]
    assert blocked[1:4] == [0, 0, [0]] and "part-0000000.parquet is not a file that can be written" in blocked[4]
    assert {(record.source, record.index) for record in read(output)} == {(row["path"], row["frame"]) for row in rows}


OWN_CLUSTERS = """
import json, logging, os, signal, sys
import ray
from modelscope_handkp.batch import annotate_dataset, run_batch

def of_process():
    return [str(signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT)]

found = [of_process()]
rows = annotate_dataset(sys.argv[1], workers=1, tta="none").take_all()
found.append(of_process())
ray.shutdown()
found.append(of_process())
run_batch(sys.argv[1], sys.argv[2], workers=1, tta="none")
found.append(of_process())
print(json.dumps([found, len(rows)]))
"""


@pytest.mark.slow
def test_clusters_of_a_job_leave_the_signals_of_the_process_and_say_nothing(image: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", OWN_CLUSTERS, str(image.parent), str(tmp_path / "out")]
    environment = {**os.environ, "RAY_worker_niceness": "0"}
    answer = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert answer.returncode == OK, answer.stderr
    (before, *later), count = json.loads(answer.stdout)
    assert (later, count) == ([before] * 3, 1)
    lines = [line for line in re.split(r"[\r\n]+", answer.stderr) if line.strip() and "it/s" not in line]
    assert [line for line in lines if not re.search(r"no model was chosen|listing:|images", line)] == []
