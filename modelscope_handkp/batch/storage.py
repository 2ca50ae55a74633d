"""Folders on disks and object stores: list, read, write whole files."""

import contextlib
import io
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from ..errors import InputError, MissingFileError, MissingPackageError
from ..files import write_atomically
from ..results.tables import import_pyarrow
from ..sources.listing import OF_THE_SYSTEM
from .paths import SCHEME_END

RENAMED = ("hdfs", "viewfs")  # file systems where a file grows under its name; object stores show it when it is whole
WITHOUT_FOLDERS = ("s3", "gs", "gcs")  # stores of keys, to which a folder is a request and a key more
QUERIES = {"gs": "?retry_limit_seconds=30", "gcs": "?retry_limit_seconds=30"}  # else a quarter of an hour
OF_ONE_FILE = ("ACCESS_DENIED", "INVALID_OBJECT_STATE")  # what S3 refuses for good, as a file in an archive
SHOWN = 200  # characters of a path or a reason in an error


class UnreachableError(InputError, ConnectionError):
    """A store that does not answer, or not now: nothing is known of the file, and trying again may help."""


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
            MissingFileError: it is not there. What reading raises: UnreachableError, InputError: of a store, which
            cannot be reached, or keeps the file back. OSError: of a disk.
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
        try:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as found:
                for entry in found:
                    is_link = entry.is_symlink()  # one to a folder may lead back here
                    if not (is_link and entry.is_dir()):
                        (folders if entry.is_dir() else files).append(entry.path)
        except OSError as error:
            raise InputError(f"{folder:.{SHOWN}} cannot be listed: {error.strerror}.") from None
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
        root: with which its paths begin, as "s3://bucket". inner: what ``files`` has in place of it.
        files: a `pyarrow.fs.FileSystem`.
    """

    def __init__(self, root: str, inner: str, files: Any) -> None:
        self._root, self._inner_root, self._files = root, inner, files
        self._scheme = root.partition(SCHEME_END)[0]

    def is_folder(self, path: str) -> bool:
        """As `Storage`."""
        return self._kind(path) == "Directory"

    def is_file(self, path: str) -> bool:
        """As `Storage`."""
        return self._kind(path) == "File"

    def entries(self, folder: str) -> tuple[list[str], list[str]]:
        """As `Storage`."""
        from pyarrow.fs import FileSelector

        with _reached(folder):
            found = self._files.get_file_info(FileSelector(self._inner(folder), allow_not_found=True))
        files = sorted(self._outer(entry.path) for entry in found if entry.type.name == "File")
        return files, sorted(self._outer(entry.path) for entry in found if entry.type.name == "Directory")

    def open(self, path: str) -> Any:
        """As `Storage`."""
        with _reached(path):
            return _StoredFile(self._files.open_input_file(self._inner(path)), path)

    def write(self, path: str, content: bytes) -> None:
        """As `Storage`."""
        inner = self._inner(path)
        written = f"{inner}.partial" if self._scheme in RENAMED else inner
        with _reached(path):
            if self._scheme not in WITHOUT_FOLDERS:
                self._files.create_dir(inner.rpartition("/")[0], recursive=True)
            with self._files.open_output_stream(written) as file:
                file.write(content)
            if written != inner:
                self._files.move(written, inner)

    def delete(self, path: str) -> None:
        """As `Storage`."""
        with contextlib.suppress(FileNotFoundError), _reached(path):
            self._files.delete_file(self._inner(path))

    def _kind(self, path: str) -> str:
        with _reached(path):
            return str(self._files.get_file_info(self._inner(path)).type.name)

    def _inner(self, path: str) -> str:
        return (self._inner_root + path.removeprefix(self._root)).rstrip("/")

    def _outer(self, path: str) -> str:
        return self._root + path.removeprefix(self._inner_root)


class _StoredFile(io.RawIOBase):
    """A file of a store, whose errors are told from those of its content."""

    def __init__(self, file: Any, path: str) -> None:
        self._file, self._path = file, path

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        with _reached(self._path):
            return bytes(self._file.read(None if size is None or size < 0 else size))

    def readinto(self, buffer: Any) -> int:
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        return int(self._file.seek(place, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        self._file.close()
        super().close()


@contextlib.contextmanager
def _reached(path: str) -> Iterator[None]:
    """In the block a store is asked for ``path``: what pyarrow, or any package of fsspec, raises becomes a sentence.

    Raises:
        MissingFileError: it is not there. InputError: it is kept back. UnreachableError: anything else.
    """
    try:
        yield
    except FileNotFoundError:
        raise MissingFileError(f"{path:.{SHOWN}} does not exist or is not a file.") from None
    except Exception as error:
        reason = first_line(error)
        if isinstance(error, PermissionError) or any(name in str(error) for name in OF_ONE_FILE):
            raise InputError(f"{path:.{SHOWN}} is kept back by its store; check the credentials: {reason}.") from None
        raise UnreachableError(f"{path:.{SHOWN}} cannot be reached: {reason}.") from None


def first_line(error: Exception) -> str:
    """The first line of an error, shortened and without a full stop."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")[:SHOWN]


@lru_cache(maxsize=64)
def _store(scheme: str, bucket: str) -> Store:
    import_pyarrow()
    from pyarrow import ArrowException
    from pyarrow.fs import FileSystem

    root = f"{scheme}{SCHEME_END}{bucket}"
    try:
        files, inner = FileSystem.from_uri(root + QUERIES.get(scheme, ""))
    except (ArrowException, OSError, ValueError) as error:
        if "Unrecognized filesystem type" in str(error):
            return _fsspec_store(scheme, root)
        needs = f"; {scheme} needs Java and Hadoop's libhdfs" if scheme in RENAMED else ""
        raise InputError(f"{root} cannot be reached: {first_line(error)}{needs}.") from None
    return Store(root, inner.rstrip("/"), files)


def _fsspec_store(scheme: str, root: str) -> Store:
    """A store that a package of fsspec reaches, with its configuration."""
    import fsspec
    from fsspec.registry import known_implementations
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    try:
        files, inner = fsspec.core.url_to_fs(root)
    except ImportError as error:
        package = known_implementations.get(scheme, {}).get("class", "fsspec").partition(".")[0]
        how = f"pip install {package}" if package != "fsspec" else first_line(error)
        raise MissingPackageError(f"{root} needs a package: {how}.") from None
    except Exception as error:  # of any package
        if scheme in known_implementations:
            raise InputError(f"{root} cannot be reached: {first_line(error)}.") from None
        known = "s3, gs, hdfs, abfs, or one of fsspec, such as oss"
        raise InputError(f"{root}: the scheme {scheme!r:.40} is not known; it is a path, or one of {known}.") from None
    return Store(root, inner.rstrip("/"), PyFileSystem(FSSpecHandler(files)))


def walk(path: str) -> Iterator[str]:
    """The files below a folder, deeper ones, too, folder by folder, each sorted; nothing that is hidden, nor what
    systems leave in folders.

    Raises:
        InputError: a folder that cannot be listed.
    """
    storage = storage_of(path)
    files, folders = storage.entries(path)
    yield from (file for file in files if not _is_hidden(file))
    for folder in folders:
        if not _is_hidden(folder):
            yield from walk(folder)


def read_bytes(path: str, limit: int) -> bytes:
    """The content of a file.

    Raises:
        MissingFileError, OSError: as `Storage.open`. InputError: it is larger than ``limit`` bytes, too.
    """
    with storage_of(path).open(path) as file:
        content: bytes = file.read(limit + 1)
    if len(content) > limit:
        raise InputError(f"{path[:SHOWN]} is larger than {limit} bytes.")
    return content


def _is_hidden(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith(".") or name.lower() in OF_THE_SYSTEM
