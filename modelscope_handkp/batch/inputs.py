"""What a job reads -> items: an image, frames of a video, or rows of a Parquet file that hold encoded images."""

import glob
import logging
import os
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..errors import HandkpError, InputError, MissingFileError
from ..results.tables import import_pyarrow
from ..sources.listing import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from ..sources.video import is_video, open_video
from .storage import SCHEME_END, absolute, first_line, join, storage_of, walk

IMAGE, VIDEO, ROWS = "image", "video", "rows"
LIST_SUFFIXES = (".txt", ".lst")
PARQUET_SUFFIXES = (".parquet", ".pq")
BEGUN_INSIDE = (".mp4", ".m4v", ".mov", ".qt", ".3gp", ".mkv", ".webm")  # others are decoded from their beginning
MAX_PARTS = 64  # of a video, since its index is read for each
TEXT_TYPES = ("string", "large_string", "string_view")
BYTES_TYPES = ("binary", "large_binary", "binary_view")
PATHS_AT_ONCE = 10_000  # of a Parquet list, in memory
MAX_LINE = 1 << 14  # bytes of a path in a list
CHUNK = 1 << 20  # bytes of a list, at once
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SHOWN = 200  # characters of a name in an error

logger = logging.getLogger(__name__)


class Item(NamedTuple):
    """What is read at once.

    Attributes:
        kind: `IMAGE`, `VIDEO` or `ROWS`.
        path: absolute, as bytes (`os.fsencode`), since names of files need not be UTF-8.
        start, end: of a video, in seconds, None from its beginning and to its end; of rows, the first and the one
            behind the last, in the whole file; None for an image.
        count: how many images that probably is; None: unknown.
    """

    kind: str
    path: bytes
    start: float | None = None
    end: float | None = None
    count: int | None = None  # type: ignore[assignment]  # in place of tuple.count, which nobody needs


def list_items(
    source: str, column: str | None = None, at_once: int = 512, whole_videos: bool = False
) -> Iterator[Item]:
    """The items of a source, in an order that is the same each time.

    Args:
        source: a folder, with the folders in it; a glob pattern; a text file with a path a line; a Parquet file of
            paths or of encoded images, or a folder of such; an image or a video. On a disk, or on an object store
            (s3://, gs://, oss://, hdfs:// ...). Paths in a list are taken from the folder of the list.
        column: of Parquet. None: the only one that holds paths or encoded images.
        at_once: how many rows of a Parquet file an item has, and frames of a video, of which a long one has more.
        whole_videos: do not split videos.
    Raises:
        MissingFileError: nothing is there. InputError: a folder, list or column that cannot be read.
    """
    listing = _Listing(column, at_once, whole_videos)
    path = absolute(source)
    storage = storage_of(path)
    if storage.is_folder(path):
        return _some(listing.folder(path), f"{source:.{SHOWN}} is a folder without images, videos or Parquet files")
    if storage.is_file(path):
        return _some(listing.file(path, is_named=True), f"{source:.{SHOWN}} names no images")
    if glob.has_magic(source):
        return _some(listing.files(_matching(path)), f"nothing matches {source:.{SHOWN}}")
    raise MissingFileError(f"{source:.{SHOWN}} does not exist.")


def _some(items: Iterator[Item], otherwise: str) -> Iterator[Item]:
    """The items, of which there must be one."""
    first = next(items, None)
    if first is None:
        raise MissingFileError(f"{otherwise}.")
    yield first
    yield from items


def _matching(pattern: str) -> Iterator[str]:
    """The files that a pattern matches, in which ``**`` stands for any folders."""
    if SCHEME_END not in pattern:
        yield from sorted(path for path in glob.iglob(pattern, recursive=True) if os.path.isfile(path))  # noqa: PTH113
        return
    fixed = re.split(r"[*?\[]", pattern, maxsplit=1)[0].rpartition("/")[0]
    matches = re.compile(_expression(pattern)).fullmatch
    yield from (path for path in walk(fixed) if matches(path))


def _expression(pattern: str) -> str:
    """The regular expression of a glob pattern."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?[^\]]+\])", pattern)
    known = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        known[part] if part in known else part.replace("[!", "[^") if part.startswith("[") else re.escape(part)
        for part in parts
    )


class _Listing:
    """How files become items."""

    def __init__(self, column: str | None, at_once: int, whole_videos: bool) -> None:
        self._column, self._at_once, self._whole_videos = column, at_once, whole_videos

    def folder(self, folder: str) -> Iterator[Item]:
        """Images and videos; where there are none, Parquet files: beside videos these hold other things."""
        tables, others, found = [], 0, False
        for path in walk(folder):
            if _ends(path, PARQUET_SUFFIXES):
                tables.append(path)
            elif _ends(path, (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES)):
                found = True
                yield from self.file(path)
            else:
                others += 1
        if not found:
            yield from self.files(tables)
        left_out = others + found * len(tables)
        if left_out:
            logger.warning("%s: %d files are left out, which are no images or videos by their names.", folder, left_out)

    def files(self, paths: Iterable[str]) -> Iterator[Item]:
        for path in paths:
            yield from self.file(path)

    def file(self, path: str, is_named: bool = False) -> Iterator[Item]:
        """The items of one file; a list is read as one where it is the source itself."""
        if _ends(path, PARQUET_SUFFIXES):
            yield from self._table(path)
        elif is_named and _ends(path, LIST_SUFFIXES):
            yield from self.files(_lines(path))
        else:
            yield from self._medium(path)

    def _medium(self, path: str) -> Iterator[Item]:
        """The items of an image or a video; of what it is, its name tells, and of a GIF its content."""
        is_gif = _ends(path, ".gif") and SCHEME_END not in path
        if _ends(path, VIDEO_SUFFIXES) or (is_gif and is_video(path)):
            yield from self._video(path)
        else:
            yield Item(IMAGE, os.fsencode(path), count=1)

    def _video(self, path: str) -> Iterator[Item]:
        """Parts of a video by time, the last to its end; one that cannot be opened is told where it is read.

        A video is one part where whoever reads the last frame has to fetch or to decode all of it: on an object store,
        and in a container without an index that can be relied on.
        """
        count = rate = None
        if SCHEME_END not in path:
            try:
                with open_video(path) as video:
                    count, rate = video.frame_count, video.rate
            except HandkpError:
                count = rate = None
        if count is None or rate is None or self._whole_videos or not _ends(path, BEGUN_INSIDE):
            yield Item(VIDEO, os.fsencode(path), count=count)
            return
        size = max(self._at_once, -(-count // MAX_PARTS))
        for first in range(0, count, size):
            start, end = first / rate or None, None if first + size >= count else (first + size) / rate
            yield Item(VIDEO, os.fsencode(path), start, end, min(size, count - first))

    def _table(self, path: str) -> Iterator[Item]:
        pyarrow = import_pyarrow()
        try:
            with storage_of(path).open(path) as file:
                table = pyarrow.parquet.ParquetFile(file)
                column = image_column(table.schema_arrow, self._column, path)
                if _is_text(table.schema_arrow.field(column).type):
                    folder = path.rpartition("/")[0]
                    for batch in table.iter_batches(PATHS_AT_ONCE, columns=[column]):
                        for name in filter(None, batch.column(0).to_pylist()):
                            yield from self._medium(join(folder, name))
                else:
                    yield from self._rows(path, table.metadata)
        except (pyarrow.ArrowException, OSError) as error:
            if isinstance(error, HandkpError):
                raise
            raise InputError(f"{path:.{SHOWN}} is not a Parquet file that can be read: {first_line(error)}.") from None

    def _rows(self, path: str, metadata: Any) -> Iterator[Item]:
        """Parts of row groups, since a group is read from its beginning."""
        group_first = 0
        for group in range(metadata.num_row_groups):
            behind = group_first + metadata.row_group(group).num_rows
            for first in range(group_first, behind, self._at_once):
                last = min(first + self._at_once, behind)
                yield Item(ROWS, os.fsencode(path), first, last, last - first)
            group_first = behind


def image_column(schema: Any, named: str | None, path: str) -> str:
    """The column of a Parquet file that holds images: encoded, paths, or the struct of both that `datasets` writes.

    Raises:
        InputError: there is none, several could be meant, or the named one holds something else.
    """
    if named is not None and named not in schema.names:
        raise InputError(f"{path:.{SHOWN}} has no column {named!r:.80}; its columns are {_names(schema.names)}.")
    names = [name for name in schema.names if _holds_images(schema.field(name).type)]
    texts = [name for name in schema.names if _is_text(schema.field(name).type)]
    fitting = [name for name in (names or texts) if named is None] or [name for name in names + texts if name == named]
    if len(fitting) != 1:
        what = "holds no paths or encoded images" if named or not fitting else "could be meant by several columns"
        raise InputError(
            f"{path:.{SHOWN}} {what}{f' in column {named!r:.80}' if named else ''}; name one of its columns "
            f"{_names(schema.names)} with --column."
        )
    return str(fitting[0])


def _holds_images(kind: Any) -> bool:
    """Whether a column of this type holds encoded images: bytes, or a struct with ``bytes``."""
    if str(kind).startswith("struct<"):
        return any(field.name == "bytes" and _holds_images(field.type) for field in kind)
    return str(kind) in BYTES_TYPES


def _is_text(kind: Any) -> bool:
    return str(getattr(kind, "value_type", kind)) in TEXT_TYPES and not str(kind).startswith("list")


def _names(names: list[str]) -> str:
    return ", ".join(map(repr, names[:20]))


def _lines(path: str) -> Iterator[str]:
    """The paths of a text list; empty lines and those that begin with # are left out."""
    folder = path.rpartition("/")[0]
    with storage_of(path).open(path) as file:
        rest = b""
        while chunk := file.read(CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in (*lines, rest):
                if len(line) > MAX_LINE or b"\0" in line:
                    what = f"a line has more than {MAX_LINE} bytes" if len(line) > MAX_LINE else "it is no text"
                    raise InputError(f"{path:.{SHOWN}} is no list of paths: {what}.")
            yield from _paths(folder, lines)
        yield from _paths(folder, [rest])


def _paths(folder: str, lines: list[bytes]) -> Iterator[str]:
    for line in lines:
        name = line.removeprefix(BYTE_ORDER_MARK).strip()
        if name and not name.startswith(b"#"):
            yield join(folder, os.fsdecode(name))


def _ends(path: str, suffixes: str | tuple[str, ...]) -> bool:
    return path.lower().endswith(suffixes)
