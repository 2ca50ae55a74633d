"""A file that grows record by record and is whole after each of them."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..files import open_atomically


@contextmanager
def open_growing(
    path: str | Path, head: bytes = b"", first: bytes = b"", between: bytes = b"", tail: bytes = b""
) -> Iterator[Callable[[bytes], None]]:
    """A function that adds a record to the file at ``path``, which holds ``head first A between B between C ... tail``.

    Nothing stays in memory. The file appears when the block ends; whatever ends it, the records before are kept. The
    tail is written with each record, so that the file on the disk is whole at every moment and a full disk costs no
    more than the record that does not fit.

    Raises:
        InputError: ``path`` is a folder or a device. OSError: it cannot be written, or the disk is full.
    """
    stopped: BaseException | None = None
    with open_atomically(path) as file, io.FileIO(file.fileno(), "wb", closefd=False) as raw:  # without a buffer
        growing = _GrowingFile(raw, head, tail)

        def add(record: bytes) -> None:
            try:
                growing.append((first if growing.is_empty else between) + record)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from None

        try:
            yield add
        except BaseException as error:
            stopped = error
            growing.restore()  # a record may have been cut short
    if stopped:
        raise stopped


class _GrowingFile:
    def __init__(self, file: io.FileIO, head: bytes, tail: bytes) -> None:
        self._file, self._head, self._tail = file, head, tail
        write_at(file, 0, head + tail)
        self._end = len(head)  # of the last whole record

    @property
    def is_empty(self) -> bool:
        return self._end == len(self._head)

    def append(self, record: bytes) -> None:
        try:
            write_at(self._file, self._end, record + self._tail)
        except OSError:
            self.restore()
            raise
        self._end += len(record)

    def restore(self) -> None:
        """Leave the whole records; the room for the tail is there since it was before."""
        write_at(self._file, self._end, self._tail)
        self._file.truncate()


def write_at(file: io.FileIO, place: int, content: bytes) -> None:
    """Write all of ``content`` at ``place``, past any buffer: what was not written is not tried again on closing."""
    file.seek(place)
    left = memoryview(content)
    while left:
        left = left[file.write(left) :]
