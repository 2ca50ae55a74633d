"""What a job reads -> items: an image, frames of a video, or rows of a Parquet file that hold encoded images."""

import glob
import logging
import os
import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, NamedTuple

from ..errors import HandkpError, InputError, MissingFileError
from ..results.tables import import_pyarrow
from ..sources.encoded import MAX_ENCODED_BYTES
from ..sources.images import load_image
from ..sources.listing import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from ..sources.video import is_video, open_video
from .columns import image_column, is_text
from .paths import SCHEME_END, absolute, join
from .storage import UnreachableError, first_line, read_bytes, storage_of, walk

IMAGE, VIDEO, ROWS = "image", "video", "rows"
LIST_SUFFIXES = (".txt", ".lst")
PARQUET_SUFFIXES = (".parquet", ".pq")
READ_SUFFIXES = (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, *PARQUET_SUFFIXES)
BEGUN_INSIDE = (".mp4", ".m4v", ".mov", ".qt", ".3gp", ".mkv", ".webm")  # others are decoded from their beginning
MAX_PARTS = 64  # of a video, since its index is read for each
PATHS_AT_ONCE = 10_000  # of a Parquet list, in memory
MAX_LINE = 1 << 14  # bytes of a path in a list
CHUNK = 1 << 20  # bytes of a list, at once
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
SHOWN = 200  # characters of a name in an error
SHOWN_NAMES = 5  # of files that are left out

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


def list_items(source: str, column: str | None = None, at_once: int = 512, track: bool = False) -> Iterator[Item]:
    """The items of a source, in an order that is the same each time.

    Args:
        source: a folder, with the folders in it; a glob pattern; a text file with a path a line; a Parquet file of
            paths or of encoded images, or a folder of such; an image or a video. On a disk, or on an object store
            (s3://, gs://, oss://, hdfs:// ...). Paths in a list are taken from the folder of the list.
        column: of Parquet. None: the only one that holds paths or encoded images.
        at_once: how many rows of a Parquet file an item has, and frames of a video, of which a long one has more.
        track: do not split videos.
    Raises:
        MissingFileError: nothing is there. InputError: a folder, list or column that cannot be read, a file of another
            kind; and behind the last item: ``column`` without a Parquet file, ``track`` without a video.
    """
    listing = _Listing(column, at_once, track)
    path = absolute(source)
    storage = storage_of(path)
    if storage.is_folder(path):
        items, otherwise = listing.folder(path), "{} is a folder without images, videos or Parquet files."
    elif storage.is_file(path):
        items, otherwise = listing.named(path), "{} names no images."
    elif glob.has_magic(source):
        items, otherwise = listing.files(_media(path)), "nothing matches {}."
    else:
        items, otherwise = iter(()), "{} does not exist."
    first = next(items, None)
    if first is None:
        raise MissingFileError(otherwise.format(source[:SHOWN]))
    return chain([first], items, listing.unused(source))


def _media(pattern: str) -> Iterator[str]:
    """The files that a pattern matches.

    Raises:
        InputError: it asks for files of another kind, such as lists.
    """
    kind = re.search(r"\.[^./*?\[\]]+$", pattern)
    for number, path in enumerate(_matching(pattern)):
        if number == 0 and kind and not _ends(pattern, READ_SUFFIXES):
            _check_is_image(path)
        yield path


def _check_is_image(path: str) -> None:
    """Refuse a file that is none by its content."""
    try:
        load_image(read_bytes(path, MAX_ENCODED_BYTES))
    except UnreachableError:
        raise
    except HandkpError:
        raise InputError(
            f"{path:.{SHOWN}} is no image or video that can be read, and no list: lists of paths end in "
            f"{', '.join(LIST_SUFFIXES)} (a path a line) or {PARQUET_SUFFIXES[0]}."
        ) from None


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

    def __init__(self, column: str | None, at_once: int, track: bool) -> None:
        self._column, self._at_once, self._track = column, at_once, track
        self._has_tables = self._has_videos = False

    def unused(self, source: str) -> Iterator[Item]:
        """No item. Behind all others, it refuses what nothing in the source is for."""
        if self._column is not None and not self._has_tables:
            raise InputError(
                f"{source:.{SHOWN}} has no Parquet file, of which {self._column!r:.80} would be a column: leave column "
                "(--column) out."
            )
        if self._track and not self._has_videos:
            raise InputError(
                f"{source:.{SHOWN}} has no video, and hands of images have no ids: leave track (--track) out."
            )
        yield from ()

    def folder(self, folder: str) -> Iterator[Item]:
        """Images and videos; where there are none, Parquet files: beside videos these hold other things."""
        tables, found, others = [], False, _LeftOut(folder)
        for path in walk(folder):
            if _ends(path, PARQUET_SUFFIXES):
                tables.append(path)
            elif _ends(path, READ_SUFFIXES):
                found = True
                yield from self.file(path)
            else:
                others.add(path)
        if found:
            for path in tables:
                others.add(path)
        else:
            yield from self.files(tables)
        others.warn()

    def files(self, paths: Iterable[str]) -> Iterator[Item]:
        for path in paths:
            yield from self.file(path)

    def named(self, path: str) -> Iterator[Item]:
        """The items of a file that is the source itself: a list is one here alone, and the content tells of other names
        what they are.

        Raises:
            InputError: it is nothing that is read.
        """
        if _ends(path, LIST_SUFFIXES):
            yield from self.files(_lines(path))
        elif _ends(path, READ_SUFFIXES):
            yield from self.file(path)
        elif SCHEME_END not in path and is_video(path):
            yield from self._video(path)
        else:
            _check_is_image(path)
            yield from self._medium(path)

    def file(self, path: str) -> Iterator[Item]:
        """The items of one file."""
        return self._table(path) if _ends(path, PARQUET_SUFFIXES) else self._medium(path)

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
        self._has_videos = True
        count = rate = None
        if SCHEME_END not in path:
            try:
                with open_video(path) as video:
                    count, rate = video.frame_count, video.rate
            except HandkpError:
                count = rate = None
        if count is None or rate is None or self._track or not _ends(path, BEGUN_INSIDE):
            yield Item(VIDEO, os.fsencode(path), count=count)
            return
        size = max(self._at_once, -(-count // MAX_PARTS))
        for first in range(0, count, size):
            start, end = first / rate or None, None if first + size >= count else (first + size) / rate
            yield Item(VIDEO, os.fsencode(path), start, end, min(size, count - first))

    def _table(self, path: str) -> Iterator[Item]:
        self._has_tables = True
        pyarrow = import_pyarrow()
        try:
            with storage_of(path).open(path) as file:
                table = pyarrow.parquet.ParquetFile(file)
                column = image_column(table.schema_arrow, self._column, path)
                if is_text(table.schema_arrow.field(column).type):
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


class _LeftOut:
    """Files of a folder that are no images or videos by their names, of which a few are named."""

    def __init__(self, folder: str) -> None:
        self._folder, self._count = folder, 0
        self._first: list[str] = []

    def add(self, path: str) -> None:
        self._count += 1
        if len(self._first) < SHOWN_NAMES:
            self._first.append(path.removeprefix(self._folder).lstrip("/"))

    def warn(self) -> None:
        if self._count:
            names = ", ".join(map(repr, self._first)) + (", ..." if self._count > len(self._first) else "")
            what = "1 file" if self._count == 1 else f"{self._count} files"
            logger.warning("%s: left out, since no image or video has such a name: %s (%s).", self._folder, what, names)


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
