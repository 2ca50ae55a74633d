"""Items -> images, read ahead in threads while the network runs."""

import contextlib
import errno
import os
import queue
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..arrays import Image
from ..errors import HandkpError, InputError
from ..results.tables import import_pyarrow
from ..sources.encoded import MAX_ENCODED_BYTES
from ..sources.frames import EndsBeforeError
from ..sources.images import load_image
from ..sources.video import open_video
from .columns import image_column
from .inputs import IMAGE, ROWS, Item
from .paths import SCHEME_END, join
from .storage import UnreachableError, read_bytes, storage_of

HTTP = ("http://", "https://")
ROWS_AT_ONCE = 16  # of encoded images, in memory
MAX_GROUP = 1 << 34  # bytes of a row group of encoded images, unpacked
COPIED = 1 << 22  # bytes at once


class Loaded(NamedTuple):
    """An image of an item, or why there is none.

    Attributes:
        path: legible; of an encoded image the path that is stored with it, or FILE#ROW.
        image: (H, W, 3) uint8 BGR. error: where there is no image.
        frame, time: of a frame of a video, the time in seconds.
    """

    path: str
    image: Image | None = None
    error: Exception | None = None
    frame: int | None = None
    time: float | None = None


def load(items: Iterable[Item], column: str | None, threads: int, ahead: int) -> Iterator[Loaded]:
    """The images of items, in order.

    Args:
        column: of the Parquet files in which `ROWS` lie, as in `list_items`.
        threads: that read images; a video has one.
        ahead: how many images are read before they are needed.
    Raises:
        OSError: the disk has no room for the copy of a video. UnreachableError: a store does not answer, which says
            nothing of the images.
    """
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Loaded]] = deque()
        for task in _tasks(items, column, ahead):
            waiting.append(pool.submit(task))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _tasks(items: Iterable[Item], column: str | None, ahead: int) -> Iterator[Callable[[], Loaded]]:
    """What gives one image each, when a thread calls it."""
    for item in items:
        if item.kind == IMAGE:
            yield partial(_image, item)
        elif item.kind == ROWS:
            yield from _encoded(item, column)
        else:
            yield from (partial(_same, frame) for frame in in_thread(frames(item), ahead))


def _same(loaded: Loaded) -> Loaded:
    return loaded


def legible(path: bytes) -> str:
    """A path as text: of a name that is no UTF-8, the bytes that are none are escaped."""
    return path.decode("utf-8", "backslashreplace")


def _image(item: Item) -> Loaded:
    path = os.fsdecode(item.path)
    return _decoded(legible(item.path), partial(_load, path))


def _load(path: str) -> Image:
    is_remote = SCHEME_END in path and not path.startswith(HTTP)
    return load_image(read_bytes(path, MAX_ENCODED_BYTES) if is_remote else path)


def _decoded(path: str, read: Callable[[], Image]) -> Loaded:
    try:
        return Loaded(path, read())
    except UnreachableError:
        raise
    except (HandkpError, OSError) as error:
        return Loaded(path, error=error)


def _encoded(item: Item, named: str | None) -> Iterator[Callable[[], Loaded]]:
    """The images of rows of a Parquet file."""
    pyarrow = import_pyarrow()
    path, rows = os.fsdecode(item.path), range(int(item.start or 0), int(item.end or 0))
    position = rows.start
    try:
        with storage_of(path).open(path) as file:
            table = pyarrow.parquet.ParquetFile(file)
            column = image_column(table.schema_arrow, named, path)
            for values in _values(table, column, rows):
                yield partial(_decoded, *_cell(values, path, position))
                position += 1
    except UnreachableError:
        raise
    except (pyarrow.ArrowException, OSError, HandkpError) as error:
        for missing in rows[position - rows.start :]:
            yield partial(Loaded, f"{legible(item.path)}#{missing}", error=error)


def _values(table: Any, column: str, rows: range) -> Iterator[Any]:
    """The values of ``rows`` in a column of an open Parquet file."""
    first = 0
    for group in range(table.metadata.num_row_groups):
        about = table.metadata.row_group(group)
        behind = first + about.num_rows
        if first < rows.stop and behind > rows.start:
            if about.total_byte_size > MAX_GROUP:
                raise InputError(f"a row group has more than {MAX_GROUP} bytes")
            position = first
            for batch in table.iter_batches(ROWS_AT_ONCE, row_groups=[group], columns=[column]):
                inside = range(max(rows.start - position, 0), min(rows.stop - position, len(batch)))
                yield from (batch.column(0)[index].as_py() for index in inside)
                position += len(batch)
                if position >= rows.stop:
                    return
        first = behind


def _cell(value: Any, path: str, row: int) -> tuple[str, Callable[[], Image]]:
    """The name of an encoded image and what decodes it."""
    stored = value.get("path") if isinstance(value, dict) else None
    stored = stored if isinstance(stored, str) else None
    content = value.get("bytes") if isinstance(value, dict) else value
    name = stored or f"{legible(os.fsencode(path))}#{row}"
    if content is None and stored:
        return name, partial(_load, join(path.rpartition("/")[0], stored))
    return name, partial(_load_bytes, content)


def _load_bytes(content: bytes | None) -> Image:
    if not content:
        raise InputError("the row has no image.")
    return load_image(content)


def frames(item: Item) -> Iterator[Loaded]:
    """The frames of a `VIDEO`; behind the last that can be read, the error that ends it.

    Raises:
        OSError: the disk has no room for the copy of a video. UnreachableError: as `load`.
    """
    path, name = os.fsdecode(item.path), legible(item.path)
    is_behind = False  # what can be read: then the error is told by the item that has the last frame
    try:
        with local_copy(path) as local, open_video(local, item.start, item.end) as video:
            is_behind = item.start is not None
            for index, time, image in video:
                is_behind = False
                yield Loaded(name, image, None, index, time)
    except EndsBeforeError:  # it is shorter than it states; what it has is in the items before
        return
    except UnreachableError:
        raise
    except (HandkpError, OSError) as error:
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise
        if not is_behind:
            yield Loaded(name, error=error)


@contextlib.contextmanager
def local_copy(path: str) -> Iterator[str]:
    """A file on a disk: the path itself, or a temporary copy of what lies on an object store.

    Raises:
        MissingFileError: it is not there. OSError: the disk has no room.
    """
    if SCHEME_END not in path or path.startswith(HTTP):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="handkp-") as folder:
        local = Path(folder, "video" + Path(path).suffix)
        with storage_of(path).open(path) as source, local.open("wb") as copy:
            while chunk := source.read(COPIED):
                copy.write(chunk)
        yield str(local)


def in_thread(values: Iterator[Loaded], ahead: int) -> Iterator[Loaded]:
    """The same values, made in a thread that is up to ``ahead`` of them in front."""
    made: queue.Queue[Any] = queue.Queue(ahead)
    is_over = threading.Event()

    def put(value: Any) -> bool:
        while not is_over.is_set():
            with contextlib.suppress(queue.Full):
                made.put(value, timeout=0.1)
                return True
        return False

    def make() -> None:
        ended: BaseException | None = None
        try:
            with contextlib.closing(values):  # type: ignore[type-var]  # a generator
                for value in values:
                    if not put((value, None)):
                        return
        except BaseException as error:  # of the thread that takes them
            ended = error
        put((None, ended or StopIteration()))

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while True:
            value, ended = made.get()
            if isinstance(ended, StopIteration):
                return
            if ended is not None:
                raise ended
            yield value
    finally:
        is_over.set()
        thread.join()
