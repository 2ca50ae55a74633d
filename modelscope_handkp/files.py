"""Writing files so that a kill or a full disk leaves the old one whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from .errors import InputError

TEMPORARY = ".partial"  # ends the names of files that are being written


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write ``content`` to ``path``, as `open_atomically` does."""
    with open_atomically(path) as file:
        file.write(content)


@contextmanager
def open_atomically(path: str | Path) -> Iterator[IO[bytes]]:
    """A file to write to under a temporary name in the same folder, renamed to ``path`` when the block is done.

    Raises:
        InputError: ``path`` is a folder or a device, which a rename would replace.
        OSError: the folder is not there or not writable, or the disk is full; ``path`` is as it was before and nothing
            else is left behind. The same goes for whatever else ends the block.
    """
    path = Path(path)
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not a file that can be written anew; name another.")
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def remove_partial(folder: str | Path) -> None:
    """Delete what killed processes left half-written in ``folder``."""
    for path in Path(folder).glob(f".*{TEMPORARY}"):
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Let the rename survive a power cut, where the system offers that."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
