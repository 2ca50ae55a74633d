"""Parquet with a row an image or frame, whose hands are a list: what a batch job writes."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import MissingFileError
from ..hands import Result
from .json_report import hands_of
from .record import Record
from .tables import import_pyarrow

ROWS_AT_ONCE = 256  # in memory while reading
COLUMNS = ("path", "frame", "time", "width", "height", "error", "hands")


def image_row(path: str, result: Result, frame: int | None = None, time: float | None = None) -> dict[str, Any]:
    """One row of `COLUMNS`.

    Args:
        path: of the image or video; of what is no UTF-8 in it, or in an error, the bytes are escaped.
        frame, time: of a frame; the time in seconds.
    """
    row: dict[str, Any] = {"path": _legible(path), "frame": frame, "time": time}
    if result.hands is None or result.image is None:
        return {**row, "error": _legible(str(result.error))}
    height, width = result.image.shape[:2]
    return {**row, "width": width, "height": height, "hands": result.hands.to_list()}


def _legible(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def image_schema() -> Any:
    """The `pyarrow.Schema` of `COLUMNS`.

    ``frame`` and ``time`` (s) are null for an image; ``width`` and ``height`` (pixels) and ``hands`` are null where
    there is an ``error``. A hand is ``id`` (null where hands are not tracked), ``score``, ``confidence``, ``box`` (4
    numbers xyxy) and ``keypoints`` (21 of x, y, score), in image pixels.

    Raises:
        MissingPackageError: pyarrow is not installed.
    """
    pyarrow = import_pyarrow()
    numbers = pyarrow.list_(pyarrow.float32())
    hand = pyarrow.struct(
        {
            "id": pyarrow.int64(),
            "score": pyarrow.float32(),
            "confidence": pyarrow.float32(),
            "box": numbers,
            "keypoints": pyarrow.list_(numbers),
        }
    )
    return pyarrow.schema(
        {
            "path": pyarrow.string(),
            "frame": pyarrow.int64(),
            "time": pyarrow.float64(),
            "width": pyarrow.int32(),
            "height": pyarrow.int32(),
            "error": pyarrow.string(),
            "hands": pyarrow.list_(hand),
        }
    )


def image_table(rows: Iterable[dict[str, Any]]) -> Any:
    """A `pyarrow.Table` of rows that `image_row` made."""
    return import_pyarrow().Table.from_pylist(list(rows), schema=image_schema())


def has_image_rows(columns: Iterable[str]) -> bool:
    """Whether a Parquet file with these columns is one of `image_schema`."""
    return set(COLUMNS) <= set(columns)


def read_image_rows(file: Any) -> Iterator[Record]:
    """The images of an open `pyarrow.parquet.ParquetFile`, in its order.

    Raises:
        ValueError, pyarrow.ArrowException, OSError: columns of other types, or a file that is cut off.
    """
    for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(COLUMNS)):
        for row in batch.cast(image_schema()).to_pylist():
            hands = None if row["hands"] is None else hands_of(row)
            yield Record(row["path"] or "", row["frame"], row["time"], hands, row["error"])


def parts_of(folder: Path) -> list[Path]:
    """The Parquet files of a folder that a batch job wrote, in their order.

    Raises:
        MissingFileError: there are none.
    """
    parts = sorted(path for path in folder.glob("*.parquet") if not path.name.startswith("."))
    if not parts:
        raise MissingFileError(f"{folder} is a folder without a Parquet file of results.")
    return parts
