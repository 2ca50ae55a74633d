"""Writing files so that a kill or a full disk leaves the old one whole."""

import os
from pathlib import Path

TEMPORARY = ".partial"  # ends the names of files that are being written


def write_atomically(path: str | Path, content: bytes) -> None:
    """Write ``content`` under a temporary name in the same folder, then rename it to ``path``.

    Raises:
        OSError: the folder is not there or not writable, or the disk is full; ``path`` is as it was before and nothing
            else is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
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
