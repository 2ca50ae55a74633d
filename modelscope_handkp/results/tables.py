"""`Hands` as tables: objects of other packages, and files with a row a hand."""

import csv
import io
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import MissingPackageError
from ..files import open_atomically
from ..hands import Hands
from ..skeleton import KEYPOINT_NAMES
from .growing_file import open_growing, write_at
from .json_report import Add, Entry, hands_of

BOX_COLUMNS = ("x1", "y1", "x2", "y2")
KEYPOINT_COLUMNS = tuple(f"{name}_{part}" for name in KEYPOINT_NAMES for part in ("x", "y", "score"))
HAND_COLUMNS = ("id", "is_left", "score", "confidence", *BOX_COLUMNS, *KEYPOINT_COLUMNS)  # of to_dataframe
IMAGE_COLUMNS = ("source", "index", "time", "width", "height")  # before them in a file
COLUMNS = (*IMAGE_COLUMNS, *HAND_COLUMNS)
ROWS_PER_GROUP = 2048  # of a Parquet file; these are in memory
FOOTER_PER_GROUP = 1 << 15  # bytes, of the index of a group's columns; above what is measured
PARQUET_MARGIN = 1 << 16  # bytes that a group may be larger than its arrays


def to_dataframe(hands: Hands) -> Any:
    """A ``pandas.DataFrame``, a row a hand.

    Columns: ``id``, ``is_left`` (None where unknown), ``score``, ``confidence``, ``x1`` ... ``y2``, then ``NAME_x``,
    ``NAME_y``, ``NAME_score`` of each keypoint; x and y in image pixels, NaN where the keypoint is not `Hands.visible`.

    Raises:
        MissingPackageError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise MissingPackageError("to_dataframe needs pandas: pip install 'modelscope-handkp[tables]'.") from None
    return pandas.DataFrame(_columns(hands))


@contextmanager
def csv_report(path: str | Path) -> Iterator[Add]:
    """A function that adds the hands of an entry to the CSV at ``path``: a row a hand.

    It is RFC 4180 in UTF-8, with a header. The columns are `COLUMNS`: ``source``, ``index`` and ``time`` (s) of a
    frame, ``width`` and ``height`` of the image, then those of `to_dataframe`. What is not known, and x and y of a
    keypoint that is not `Hands.visible`, is an empty cell. An entry without hands, or with an error in their place, has
    no row. Names of files are written as they are: a spreadsheet takes one that begins with ``=`` for a formula, so
    import the column as text there. `growing_file.open_growing` says what is kept and what is raised.
    """
    with open_growing(path, _csv([COLUMNS])) as add:

        def add_rows(entry: Entry) -> None:
            rows = [[_cell(value) for value in row] for row in _rows(entry)]
            if rows:
                add(_csv(rows))

        yield add_rows


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, (float, np.floating)) and math.isnan(value)):
        return ""
    return f"{value:.9g}" if isinstance(value, np.float32) else str(value)  # 9 digits are enough for any float32


@contextmanager
def parquet_report(path: str | Path) -> Iterator[Add]:
    """As `csv_report`, as Parquet with typed columns; what is not known is null. At most 2048 rows are in memory.

    Raises:
        MissingPackageError: pyarrow is not installed. InputError, OSError: as `growing_file.open_growing`; what a full
            disk has no room for are the last rows, at most 2048.
    """
    pyarrow = import_pyarrow()
    stopped: BaseException | None = None
    with (
        open_atomically(path) as file,
        io.FileIO(file.fileno(), "wb", closefd=False) as raw,
        pyarrow.OSFile(os.fsencode(file.name), "wb") as sink,
    ):
        writer = _ParquetWriter(pyarrow, raw, sink, str(path))
        try:
            yield writer.add
        except BaseException as error:
            stopped = error
        try:
            writer.write_group()
        except OSError as error:
            stopped = stopped or error
        writer.close()
    if stopped:
        raise stopped


class _ParquetWriter:
    """Row groups on a file. A group is begun when there is room for it and for the index behind it."""

    def __init__(self, pyarrow: Any, file: io.FileIO, sink: Any, name: str) -> None:
        self._pyarrow, self._file, self._sink, self._name = pyarrow, file, sink, name
        self._schema = pyarrow.schema([(column, _type(pyarrow, column)) for column in COLUMNS])
        self._rows: list[tuple[Any, ...]] = []
        self._groups = 0
        self._writer = pyarrow.parquet.ParquetWriter(sink, self._schema, use_dictionary=["source"])

    def add(self, entry: Entry) -> None:
        self._rows.extend(_rows(entry))
        if len(self._rows) >= ROWS_PER_GROUP:
            self.write_group()

    def write_group(self) -> None:
        rows, self._rows = self._rows, []
        if not rows:
            return
        arrays = [
            self._pyarrow.array(values, field.type, from_pandas=True) for values, field in zip(zip(*rows), self._schema)
        ]
        table = self._pyarrow.Table.from_arrays(arrays, schema=self._schema)
        self._reserve(table.nbytes + PARQUET_MARGIN + (self._groups + 2) * FOOTER_PER_GROUP)
        self._writer.write_table(table)
        self._groups += 1

    def close(self) -> None:
        self._writer.close()
        self._file.truncate(self._sink.tell())  # what was reserved and is not needed

    def _reserve(self, size: int) -> None:
        """Let the file system find room behind what is written: a group that breaks off would take all with it."""
        try:
            write_at(self._file, self._sink.tell(), bytes(size))
        except OSError as error:
            raise OSError(error.errno, error.strerror, self._name) from None


def _type(pyarrow: Any, column: str) -> Any:
    known = {"source": pyarrow.string(), "is_left": pyarrow.bool_(), "time": pyarrow.float64(), "id": pyarrow.int64()}
    known |= {column: pyarrow.int64() for column in ("index", "width", "height")}
    return known.get(column, pyarrow.float32())


def import_pyarrow() -> Any:
    """pyarrow, with what reads and writes Parquet.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.compute
        import pyarrow.parquet
    except ImportError:
        raise MissingPackageError("Parquet files need pyarrow: pip install 'modelscope-handkp[tables]'.") from None
    return pyarrow


def _rows(entry: Entry) -> Iterator[tuple[Any, ...]]:
    """The hands of an entry, as rows of `COLUMNS`."""
    hands = hands_of(entry)
    if hands is None:
        return iter(())
    source = entry["source"].encode("utf-8", "backslashreplace").decode()  # a name that is no UTF-8 becomes legible
    image = (source, *(entry.get(column) for column in IMAGE_COLUMNS[1:]))
    return ((*image, *row) for row in zip(*_columns(hands).values()))


def _columns(hands: Hands) -> dict[str, Any]:
    """The columns of `to_dataframe`, each with a value a hand."""
    keypoints = np.array(hands.keypoints)
    keypoints[~hands.visible, :2] = np.nan
    values: list[Any] = [
        [hand.id for hand in hands],
        [hand.is_left for hand in hands],
        hands.scores,
        hands.confidence,
        *hands.boxes.T,
        *keypoints.reshape(len(hands), len(KEYPOINT_COLUMNS)).T,
    ]
    return dict(zip(HAND_COLUMNS, values))


def to_supervision(hands: Hands) -> Any:
    """``supervision.KeyPoints``: ``xy`` (N, 21, 2) image pixels, ``keypoint_confidence`` (N, 21), the scores.

    ``data`` has ``id`` and ``is_left`` where known. KeyPoints have no ``tracker_id``; Detections do:
    ``detections = points.as_detections(); detections.tracker_id = detections.data["id"]``.
    Keypoints that are not `Hands.visible` lie at (0, 0), which supervision does not draw.

    Raises:
        MissingPackageError: supervision is not installed.
    """
    try:
        import supervision
    except ImportError:
        raise MissingPackageError(
            "to_supervision needs supervision: pip install 'modelscope-handkp[supervision]'."
        ) from None
    if not len(hands):
        return supervision.KeyPoints.empty()
    xy = np.where(hands.visible[..., None], hands.keypoints[..., :2], 0).astype(np.float32)
    scores = np.array(hands.keypoints[..., 2])
    known = {"id": hands.ids, "is_left": hands.is_left}
    data: dict[str, Any] = {name: np.array(values) for name, values in known.items() if values is not None}
    return supervision.KeyPoints(xy=xy, keypoint_confidence=scores, class_id=np.zeros(len(hands), int), data=data)
