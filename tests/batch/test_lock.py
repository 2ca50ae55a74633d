"""One job at a time writes into a folder, whatever became of the one before."""

import json
import multiprocessing
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pytest.importorskip("filelock", reason="filelock is not installed")

from modelscope_handkp.batch import lock
from modelscope_handkp.batch.inputs import IMAGE, Item
from modelscope_handkp.batch.lock import only_job
from modelscope_handkp.batch.plan import begin, read_plan, write_plan
from modelscope_handkp.batch.storage import read_bytes, storage_of
from modelscope_handkp.errors import InputError


def refused(output: str, message: str) -> None:
    """Assert that no job may begin there."""
    with pytest.raises(InputError, match=message), only_job(output):
        raise AssertionError("it was let in")


# --- disks


def hold(output: str, held: Any) -> None:
    with only_job(output):
        held.set()
        time.sleep(600)


def test_another_process_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("fork")
    held = processes.Event()
    holder = processes.Process(target=hold, args=(str(tmp_path / "out"), held), daemon=True)
    holder.start()
    try:
        assert held.wait(60)
        refused(str(tmp_path / "out"), r"out is being written by another job; wait for it, or name another folder")
    finally:
        holder.kill()
        holder.join()
    with only_job(str(tmp_path / "out")):
        pass


ITEMS = [Item(IMAGE, b"/a.jpg", count=1)]


def test_a_job_that_ended_lets_the_next_in(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(OSError, match="no room"), only_job(str(tmp_path)):
            begin(write_plan(str(tmp_path), ITEMS, {}))
            raise OSError("no room")
    assert read_plan(str(tmp_path)) is not None


@pytest.mark.parametrize("output", ["out", "new/er/out", "."])
def test_of_a_job_that_was_not_begun_nothing_is_left(output: str, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no room"), only_job(str(tmp_path / output)):
        write_plan(str(tmp_path / output), ITEMS, {})
        raise OSError("no room")
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_before_a_job_that_was_not_begun_stays(tmp_path: Path) -> None:
    for name in ("out/a.txt", "out/.job/b.txt", "other/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with only_job(str(tmp_path / "out")), only_job(str(tmp_path / "other" / "new")):
        pass
    assert sorted(tmp_path.rglob("*")) == before


def test_a_job_that_is_refused_leaves_the_one_that_runs_alone(tmp_path: Path) -> None:
    with only_job(str(tmp_path / "out")):
        refused(str(tmp_path / "out"), "another job")
        write_plan(str(tmp_path / "out"), ITEMS, {})
        refused(str(tmp_path / "out"), "another job")
        begin(write_plan(str(tmp_path / "out"), ITEMS, {}))
        assert read_plan(str(tmp_path / "out")) is not None


def test_other_folders_are_not_held(tmp_path: Path) -> None:
    with only_job(str(tmp_path / "a")), only_job(str(tmp_path / "b")):
        pass


# --- object stores


@pytest.fixture(params=["memory", "s3"])
def output(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, seconds in (("SETTLE_SECONDS", 0.2), ("BEAT_SECONDS", 0.1), ("STALE_SECONDS", 1.0)):
        monkeypatch.setattr(lock, name, seconds)
    root = f"memory://{tmp_path.name}" if request.param == "memory" else request.getfixturevalue("bucket").url
    yield f"{root}/out"


def mark(output: str) -> dict[str, Any]:
    return dict(json.loads(read_bytes(f"{output}/.job/running.json", 10_000)))


def leave_mark(output: str, **values: Any) -> None:
    content = json.dumps({"job": "other", "time": time.time(), "host": "there", "process": 7, **values})
    storage_of(output).write(f"{output}/.job/running.json", content.encode())


def test_a_job_gives_signs_of_life_and_takes_them_away(output: str) -> None:
    with only_job(output):
        first = mark(output)["time"]
        deadline = time.monotonic() + 10
        while mark(output)["time"] == first and time.monotonic() < deadline:
            time.sleep(0.05)
        assert mark(output)["time"] > first
        refused(output, r"is being written by another job \(process \d+ on .*, seen 0 s ago\)")
    assert storage_of(output).entries(f"{output}/.job") == ([], [])
    with only_job(output):
        pass


def test_of_a_job_on_a_store_that_was_not_begun_nothing_is_left(output: str) -> None:
    with only_job(output):
        write_plan(output, ITEMS, {})
    assert storage_of(output).entries(f"{output}/.job") == ([], [])
    with only_job(output):
        begin(write_plan(output, ITEMS, {}))
    assert read_plan(output) is not None


def test_a_sign_of_life_is_always_as_long(output: str) -> None:
    """A store may tell the length of one and give the content of the next."""
    with only_job(output):
        assert len(read_bytes(f"{output}/.job/running.json", 10_000)) == 1024


def test_a_job_that_was_killed_is_waited_for(output: str) -> None:
    leave_mark(output)
    refused(output, r"process 7 on there, seen 0 s ago\); wait for it, or 1 s if it was killed")
    leave_mark(output, time=time.time() - 2)
    with only_job(output):
        assert mark(output)["job"] != "other"


def test_of_two_that_begin_at_once_one_goes_on(output: str) -> None:
    outcomes: list[str] = []

    def begin() -> None:
        try:
            with only_job(output):
                outcomes.append("in")
                time.sleep(0.6)
        except InputError:
            outcomes.append("refused")

    threads = [threading.Thread(target=begin) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["in", "refused"]


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"\xff", b'{"job": "x"}', b'{"job": "x", "time": "now"}', b'{"job": "x", "time": [1]}'],
)
def test_a_mark_of_something_else_is_none(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "SETTLE_SECONDS", 0)
    output = f"memory://{tmp_path.name}/out"
    storage_of(output).write(f"{output}/.job/running.json", content)
    with only_job(output):
        pass
