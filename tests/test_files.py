"""Files are written whole or not at all."""

import os
import resource
from pathlib import Path

import pytest

from modelscope_handkp.errors import InputError
from modelscope_handkp.files import open_atomically, remove_partial, write_atomically


def test_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_atomically(path, b"old")
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "nothing" / "a.bin", b"x")


def test_no_room_leaves_the_old_file_whole(tmp_path: Path) -> None:
    """A limit of 1 MB a file stops the writing as a full disk would."""
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))
    try:
        with pytest.raises(OSError, match="large"):
            write_atomically(path, bytes(1 << 21))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]


def test_what_killed_processes_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".a.bin.123.partial").touch()
    (tmp_path / ".other").touch()
    remove_partial(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [".other"]


def test_an_error_leaves_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), open_atomically(path) as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.bin"]


def test_a_folder_or_a_device_is_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, pipe):
        with pytest.raises(InputError, match=str(path)):
            write_atomically(path, b"x")
    assert not pipe.is_file()
