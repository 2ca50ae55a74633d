"""One job at a time writes into a folder."""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import InputError
from .paths import SCHEME_END, join
from .plan import forget_plan
from .storage import UnreachableError, read_bytes, storage_of

LOCK, RUNNING = ".job/lock", ".job/running.json"
BEAT_SECONDS = 20.0  # from one sign of life on an object store to the next
STALE_SECONDS = 90.0  # after which a job there is taken for one that was killed
SETTLE_SECONDS = 3.0  # in which two that begin at once see each other's mark
MARK_BYTES = 1024  # of each, since a store may tell the length of one and give the content of the next


@contextlib.contextmanager
def only_job(output: str) -> Iterator[None]:
    """In the block this process alone writes to ``output``. Of a job that is not begun in it, nothing is left.

    On a disk the system lets go of the lock when the process ends, however it ends. An object store has no locks: there
    a job leaves a sign of life every `BEAT_SECONDS`, and one that was killed is taken for running for `STALE_SECONDS`.

    Raises:
        InputError: another job writes there. OSError: the folder cannot be written.
    """
    with _marked(output) if SCHEME_END in output else _locked(output):
        yield


@contextlib.contextmanager
def _locked(output: str) -> Iterator[None]:
    from filelock import FileLock, Timeout

    path = Path(join(output, LOCK))
    made = [folder for folder in path.parents if folder == path.parent or not folder.exists()]
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"{output} is being written by another job; wait for it, or name another folder.") from None
    try:
        yield
    finally:
        if forget_plan(output):
            path.unlink(missing_ok=True)  # filelock does not hold a lock on a file that was deleted
            with contextlib.suppress(OSError):  # a folder has something else in it
                for folder in made:
                    folder.rmdir()
        lock.release()


@contextlib.contextmanager
def _marked(output: str) -> Iterator[None]:
    storage, path, mine = storage_of(output), join(output, RUNNING), uuid.uuid4().hex

    def beat() -> None:
        about = {"job": mine, "time": time.time(), "host": socket.gethostname(), "process": os.getpid()}
        storage.write(path, json.dumps(about).encode().ljust(MARK_BYTES))

    _refuse(output, _mark(path), mine)
    beat()
    time.sleep(SETTLE_SECONDS)
    _refuse(output, _mark(path), mine)
    is_over = threading.Event()

    def beats() -> None:
        while not is_over.wait(BEAT_SECONDS):
            with contextlib.suppress(OSError):  # the next one may come through
                beat()

    thread = threading.Thread(target=beats, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        with contextlib.suppress(OSError):
            forget_plan(output)
            storage.delete(path)


def _mark(path: str) -> dict[str, Any]:
    """Who writes there; empty where nobody does, or something else lies there.

    Raises:
        UnreachableError: nothing is known.
    """
    try:
        mark = dict(json.loads(read_bytes(path, MARK_BYTES)))
        return {**mark, "time": float(mark["time"])}
    except UnreachableError:
        raise
    except (KeyError, FileNotFoundError, ValueError, TypeError, RecursionError):
        return {}


def _refuse(output: str, mark: dict[str, Any], mine: str) -> None:
    ago = time.time() - mark.get("time", 0)
    if mark.get("job", mine) != mine and ago < STALE_SECONDS:
        raise InputError(
            f"{output} is being written by another job (process {mark.get('process')} on {mark.get('host')}, seen "
            f"{ago:.0f} s ago); wait for it, or {STALE_SECONDS:.0f} s if it was killed."
        )
