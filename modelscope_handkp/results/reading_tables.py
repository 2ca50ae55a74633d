"""Results in CSV and Parquet -> `Record`s."""

import csv
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array
from ..errors import InputError
from ..hands import Hands
from ..skeleton import NUM_KEYPOINTS
from .image_rows import has_image_rows, read_image_rows
from .record import Record
from .tables import COLUMNS, HAND_COLUMNS, import_pyarrow

NUMBERS = HAND_COLUMNS[2:]  # score, confidence, box and keypoints: float32
MAX_HANDS = 10_000  # of an image
MAX_ROW = 1 << 17  # characters of a row of CSV
MAX_TEXT = 1 << 16  # bytes of a source in Parquet
MAX_GROUP = 1 << 32  # bytes of a row group of Parquet, unpacked
BATCH = 1024  # rows of Parquet in memory
SIDES = {"": None, "true": True, "false": False}


class _Row(NamedTuple):
    image: tuple[str, int | None, float | None, int | None, int | None]  # source, index, time, width, height
    id: int | None
    is_left: bool | None
    numbers: Array  # (69,), of NUMBERS


def read_csv(path: Path, name: str) -> Iterator[Record]:
    """The images of a file that `csv_report` wrote; its columns may be in another order, and others may be there.

    Raises:
        InputError: columns that are missing, or a value that cannot be; names the file by ``name`` and the line.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = _Lines(file)
        reader = csv.reader(lines, strict=True)
        try:
            header = next(reader, [])
            _check_columns(header)
            places = [header.index(column) for column in COLUMNS]
            yield from _records(_parsed(row, places, len(header)) for row in lines.between(reader) if row)
        except UnicodeDecodeError:
            raise InputError(f"{name} holds no results that can be read: it is no UTF-8; save it as UTF-8.") from None
        except (ValueError, csv.Error) as error:
            message = str(error).rstrip(".")
            raise InputError(f"{name} holds no results that can be read: line {reader.line_num}: {message}.") from None


class _Lines:
    """The lines of a file, none longer than a row may be, nor more of them in a row."""

    def __init__(self, file: Any) -> None:
        self._file, self._size = file, 0

    def __iter__(self) -> Iterator[str]:
        while line := self._file.readline(MAX_ROW):
            self._size += len(line)
            if self._size > MAX_ROW:
                raise InputError(f"a row of more than {MAX_ROW} characters")
            if len(line) < MAX_ROW and not line.endswith(("\n", "\r")):
                raise InputError("the file ends in the middle of a row, as after a download that broke off")
            yield line

    def between(self, rows: Iterable[list[str]]) -> Iterator[list[str]]:
        for row in rows:
            self._size = 0
            yield row


def _check_columns(columns: list[str]) -> None:
    missing = [column for column in COLUMNS if column not in columns]
    if missing:
        shown = ", ".join(map(repr, columns[:8])) or "nothing"
        raise InputError(f"there is no column {missing[0]!r}; the columns are {shown:.200}, and {len(columns)} in all")


def _parsed(cells: list[str], places: list[int], count: int) -> _Row:
    """A row of CSV; ``places`` of `COLUMNS` among its cells, which should be ``count``."""
    if len(cells) != count:
        raise InputError(f"a row has {count} cells, got {len(cells)}")
    values = dict(zip(COLUMNS, (cells[place] for place in places)))
    side = values["is_left"].lower()
    if side not in SIDES:
        raise InputError(f"'is_left' must be True, False or empty, got {values['is_left']!r:.80}")
    with np.errstate(over="ignore"):  # of numbers that float32 does not hold
        numbers = np.array([float(values[column] or "nan") for column in NUMBERS]).astype(np.float32)
    index, width, height, identity = (_whole(values[column]) for column in ("index", "width", "height", "id"))
    time = float(values["time"]) if values["time"] else None
    return _Row((values["source"], index, time, width, height), identity, SIDES[side], numbers)


def _whole(cell: str) -> int | None:
    """A whole number, also as other programs write it where some are missing: 3.0."""
    if not cell:
        return None
    try:
        return int(cell)
    except ValueError:
        number = float(cell)
    if not number.is_integer():
        raise InputError(f"expected a whole number, got {cell!r:.80}")
    return int(number)


def read_parquet(path: Path, name: str) -> Iterator[Record]:
    """The images of a file that `parquet_report` or a batch job wrote; its columns may be in another order, and others
    may be there.

    Raises:
        MissingPackageError: pyarrow is not installed.
        InputError: columns that are missing or of other types, or a file that is cut off; names it by ``name``.
    """
    pyarrow = import_pyarrow()
    try:
        with path.open("rb") as opened:
            columns = pyarrow.parquet.read_schema(opened).names
            is_job = has_image_rows(columns)
            if not is_job:
                _check_columns(columns)
            names = [] if is_job else ["source"]  # are read as numbers of a dictionary
            file = pyarrow.parquet.ParquetFile(opened, read_dictionary=names, buffer_size=1 << 16)
            groups = map(file.metadata.row_group, range(file.metadata.num_row_groups))
            if any(group.total_byte_size > MAX_GROUP for group in groups):
                raise InputError(f"a row group of more than {MAX_GROUP} bytes")
            yield from read_image_rows(file) if is_job else _read_hands(pyarrow, file)
    except (pyarrow.ArrowException, ValueError, OSError) as error:
        message = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise InputError(f"{name} holds no results that can be read: {message:.300}.") from None


def _read_hands(pyarrow: Any, file: Any) -> Iterator[Record]:
    batches = file.iter_batches(BATCH, columns=list(COLUMNS))
    return _records(row for batch in batches for row in _batch_rows(pyarrow, batch))


def _batch_rows(pyarrow: Any, batch: Any) -> Iterator[_Row]:
    columns = {column: batch.column(column) for column in COLUMNS}
    names = columns["source"]
    longest = pyarrow.compute.max(pyarrow.compute.binary_length(names.dictionary)).as_py()
    if (longest or 0) > MAX_TEXT:
        raise InputError(f"a source of {longest} bytes")
    whole = [columns[column].cast(pyarrow.int64()).to_pylist() for column in ("index", "width", "height", "id")]
    times = columns["time"].cast(pyarrow.float64()).to_pylist()
    sides = columns["is_left"].cast(pyarrow.bool_()).to_pylist()
    numbers = [columns[column].cast(pyarrow.float32()).to_numpy(zero_copy_only=False) for column in NUMBERS]
    rows = zip(names.to_pylist(), times, sides, *whole, np.stack(numbers, axis=1))
    for source, time, side, index, width, height, identity, values in rows:
        yield _Row((source or "", index, time, width, height), identity, side, values)


def _records(rows: Iterable[_Row]) -> Iterator[Record]:
    """Rows that follow each other with the same image become one record."""
    for image, group in groupby(rows, key=lambda row: row.image):
        hands = []
        for row in group:
            hands.append(row)
            if len(hands) > MAX_HANDS:
                raise InputError(f"{image[0]:.80} has more than {MAX_HANDS} hands")
        source, index, time, width, height = image
        size = None if width is None or height is None else (width, height)
        yield Record(source, index, time, _hands(hands, size))


def _hands(rows: list[_Row], size: tuple[int, int] | None) -> Hands:
    numbers = np.stack([row.numbers for row in rows])
    scores, confidence, boxes = numbers[:, 0], numbers[:, 1], numbers[:, 2:6]
    keypoints = numbers[:, 6:].reshape(len(rows), NUM_KEYPOINTS, 3)
    hidden = np.isnan(keypoints[..., :2]).any(axis=-1)
    keypoints[hidden, :2] = 0
    threshold = float(np.clip(np.max(keypoints[hidden, 2], initial=0), 0, 1))
    ids, sides = [row.id for row in rows], [row.is_left for row in rows]
    known_ids = None if None in ids else np.array(ids)
    known_sides = None if all(side is None for side in sides) else np.array(sides, object)
    return Hands(keypoints, boxes, scores, confidence, size, known_ids, known_sides, threshold)
