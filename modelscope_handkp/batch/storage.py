"""Folders on disks and object stores: list, read, write whole files."""

import contextlib
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from ..errors import InputError, MissingFileError, MissingPackageError
from ..files import write_atomically
from ..results.tables import import_pyarrow

SCHEME_END = "://"
RENAMED = ("hdfs", "viewfs")  # file systems where a file grows under its name; object stores show it when it is whole
SHOWN = 200  # characters of a path in an error


class Storage(Protocol):
    """What a path is on. Paths are absolute, with the scheme where there is one; "/" parts them."""

    def is_folder(self, path: str) -> bool:
        """Whether it is a folder with something in it, or an empty one of a disk."""

    def is_file(self, path: str) -> bool:
        """Whether it is a file."""

    def entries(self, folder: str) -> tuple[list[str], list[str]]:
        """The files and the folders directly in a folder, each sorted; none where it is not there."""

    def open(self, path: str) -> Any:
        """A file to read from and seek in, as pyarrow takes it.

        Raises:
            MissingFileError: it is not there.
        """

    def write(self, path: str, content: bytes) -> None:
        """Write a whole file; whoever looks sees the old one or all of the new one. Its folder is made."""

    def delete(self, path: str) -> None:
        """Delete a file, if it is there."""


def storage_of(path: str) -> Storage:
    """The storage that a path is on.

    Raises:
        InputError: a scheme that nothing here knows, or a store that cannot be reached.
        MissingPackageError: pyarrow, or the package of the scheme, is not installed.
    """
    scheme, end, rest = path.partition(SCHEME_END)
    if not end or scheme == "file":
        return Disk()
    return _store(scheme, rest.partition("/")[0])


def absolute(path: str) -> str:
    """A path that means the same in another process; what has a scheme stays as it is."""
    if SCHEME_END in path and not path.startswith("file://"):
        return path.rstrip("/")
    return os.path.abspath(path.removeprefix("file://"))  # noqa: PTH100  Path would need a name that is UTF-8


def join(folder: str, name: str) -> str:
    """The path of something in a folder; ``name`` itself where it is absolute or has a scheme."""
    if SCHEME_END in name or name.startswith("/"):
        return name
    return os.path.join(folder, name) if SCHEME_END not in folder else f"{folder.rstrip('/')}/{name}"


class Disk:
    """Local disks, and what is mounted as one."""

    def is_folder(self, path: str) -> bool:
        """As `Storage`."""
        return os.path.isdir(path)  # noqa: PTH112  Path.is_dir raises on a name that is too long

    def is_file(self, path: str) -> bool:
        """As `Storage`."""
        return os.path.isfile(path)  # noqa: PTH113

    def entries(self, folder: str) -> tuple[list[str], list[str]]:
        """As `Storage`; links to folders are left out."""
        files: list[str] = []
        folders: list[str] = []
        with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as found:
            for entry in found:
                is_link = entry.is_symlink()  # one to a folder may lead back here
                if not (is_link and entry.is_dir()):
                    (folders if entry.is_dir() else files).append(entry.path)
        return sorted(files), sorted(folders)

    def open(self, path: str) -> Any:
        """As `Storage`."""
        if not self.is_file(path):
            raise MissingFileError(f"{path[:SHOWN]} does not exist or is not a file.")
        return Path(path).open("rb")

    def write(self, path: str, content: bytes) -> None:
        """As `Storage`."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)

    def delete(self, path: str) -> None:
        """As `Storage`."""
        Path(path).unlink(missing_ok=True)


class Store:
    """A bucket, or another file system that pyarrow or fsspec reaches.

    Args:
        scheme: as "s3". files: a `pyarrow.fs.FileSystem`.
    """

    def __init__(self, scheme: str, files: Any) -> None:
        self._scheme, self._files = scheme, files

    def is_folder(self, path: str) -> bool:
        """As `Storage`."""
        return self._kind(path) == "Directory"

    def is_file(self, path: str) -> bool:
        """As `Storage`."""
        return self._kind(path) == "File"

    def entries(self, folder: str) -> tuple[list[str], list[str]]:
        """As `Storage`; links to folders are left out."""
        from pyarrow.fs import FileSelector

        found = self._files.get_file_info(FileSelector(self._inner(folder), allow_not_found=True))
        files = sorted(self._outer(entry.path) for entry in found if entry.type.name == "File")
        return files, sorted(self._outer(entry.path) for entry in found if entry.type.name == "Directory")

    def open(self, path: str) -> Any:
        """As `Storage`."""
        try:
            return self._files.open_input_file(self._inner(path))
        except FileNotFoundError:
            raise MissingFileError(f"{path[:SHOWN]} does not exist or is not a file.") from None

    def write(self, path: str, content: bytes) -> None:
        """As `Storage`."""
        inner = self._inner(path)
        self._files.create_dir(inner.rpartition("/")[0], recursive=True)
        written = f"{inner}.partial" if self._scheme in RENAMED else inner
        with self._files.open_output_stream(written) as file:
            file.write(content)
        if written != inner:
            self._files.move(written, inner)

    def delete(self, path: str) -> None:
        """As `Storage`."""
        with contextlib.suppress(FileNotFoundError):
            self._files.delete_file(self._inner(path))

    def _kind(self, path: str) -> str:
        return str(self._files.get_file_info(self._inner(path)).type.name)

    def _inner(self, path: str) -> str:
        return path.partition(SCHEME_END)[2].rstrip("/")

    def _outer(self, path: str) -> str:
        return f"{self._scheme}{SCHEME_END}{path}"


@lru_cache(maxsize=64)
def _store(scheme: str, bucket: str) -> Store:
    import_pyarrow()
    from pyarrow import ArrowException
    from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem

    root = f"{scheme}{SCHEME_END}{bucket}"
    try:
        return Store(scheme, FileSystem.from_uri(root)[0])
    except (ArrowException, OSError, ValueError) as error:
        reason = str(error)
        if "Unrecognized filesystem type" not in reason:
            raise InputError(f"{root} cannot be reached: {reason.splitlines()[0].rstrip('.'):.200}.") from None
    import fsspec

    try:
        return Store(scheme, PyFileSystem(FSSpecHandler(fsspec.core.url_to_fs(root)[0])))
    except ImportError as error:  # fsspec's sentence names the package
        raise MissingPackageError(f"{root} needs a package: {str(error).rstrip('.')}.") from None
    except ValueError:
        known = "s3, gs, hdfs, abfs, or one of fsspec, such as oss"
        raise InputError(f"{root}: the scheme {scheme!r:.40} is not known; it is a path, or one of {known}.") from None


def walk(path: str) -> Iterator[str]:
    """The files below a folder, deeper ones, too, folder by folder, each sorted; nothing that is hidden."""
    storage = storage_of(path)
    files, folders = storage.entries(path)
    yield from (file for file in files if not _is_hidden(file))
    for folder in folders:
        if not _is_hidden(folder):
            yield from walk(folder)


def read_bytes(path: str, limit: int) -> bytes:
    """The content of a file.

    Raises:
        MissingFileError: it is not there. InputError: it is larger than ``limit`` bytes. OSError: it cannot be read.
    """
    with storage_of(path).open(path) as file:
        content: bytes = file.read(limit + 1)
    if len(content) > limit:
        raise InputError(f"{path[:SHOWN]} is larger than {limit} bytes.")
    return content


def _is_hidden(path: str) -> bool:
    return path.rpartition("/")[2].startswith(".")
