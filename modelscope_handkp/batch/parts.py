"""The parts of a result: what was written, and writing one."""

import contextlib
import io
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, NamedTuple

from ..errors import HandkpError, MissingFileError
from ..results.image_rows import image_schema, image_table
from ..results.tables import import_pyarrow
from .plan import Plan
from .storage import UnreachableError, storage_of

NAME = re.compile(r"part-(\d{7,})\.parquet")
READERS = 16  # threads that look at what was written
ROWS_PER_GROUP = 1024


class Written(NamedTuple):
    """One part of the result.

    Attributes:
        part: its number. images: rows of it. errors: rows with one.
        failure: why it was not written; "": it was.
    """

    part: int
    images: int
    errors: int
    failure: str = ""


def write_part(plan: Plan, part: int, rows: Iterator[dict[str, Any]]) -> Written:
    """Write the rows of a part, whole or not at all. A part that is there is left as it is.

    Raises:
        OSError: the folder cannot be written. What ``rows`` raises.
    """
    path = plan.path(part)
    written = look_at(path, part)
    if written is not None:
        return written
    content, images, errors = io.BytesIO(), 0, 0
    with import_pyarrow().parquet.ParquetWriter(content, image_schema()) as writer:
        while some := list(islice(rows, ROWS_PER_GROUP)):
            writer.write_table(image_table(some))
            images += len(some)
            errors += sum(row.get("error") is not None for row in some)
    storage_of(path).write(path, content.getvalue())
    return Written(part, images, errors)


def written_parts(plan: Plan) -> list[Written]:
    """The parts of a job that are there. What another program left under their names is not one of them."""
    found = storage_of(plan.output).entries(plan.output)[0]
    numbers = [(path, NAME.fullmatch(path.rpartition("/")[2])) for path in found]
    paths = [(path, int(match[1])) for path, match in numbers if match and int(match[1]) < plan.parts]
    with ThreadPoolExecutor(READERS) as pool:
        written = pool.map(look_at, *zip(*paths)) if paths else ()
        return [part for part in written if part]


def look_at(path: str, part: int) -> Written | None:
    """The part in a file; None where it is not there, or is not whole.

    Raises:
        InputError: it cannot be reached.
    """
    pyarrow = import_pyarrow()
    try:
        with storage_of(path).open(path) as file:
            table = pyarrow.parquet.ParquetFile(file)
            if not table.schema_arrow.equals(image_schema()):
                return None
            place = table.schema.names.index("error")
            groups = [table.metadata.row_group(index) for index in range(table.metadata.num_row_groups)]
            fine = sum(group.column(place).statistics.null_count for group in groups)
            return Written(part, table.metadata.num_rows, table.metadata.num_rows - fine)
    except UnreachableError:
        raise
    except (MissingFileError, pyarrow.ArrowException, OSError, AttributeError):
        return None


def first_errors(plan: Plan, parts: Iterable[Written], most: int) -> list[str]:
    """A sentence for each of the first ``most`` rows with an error, which names the file."""
    pyarrow = import_pyarrow()
    said: list[str] = []
    for part in sorted(part for part in parts if part.errors):
        path = plan.path(part.part)
        with contextlib.suppress(HandkpError, pyarrow.ArrowException, OSError), storage_of(path).open(path) as file:
            table = pyarrow.parquet.ParquetFile(file).read(columns=["path", "frame", "error"])
            rows = table.filter(table["error"].is_valid()).slice(0, most - len(said))
            said += map(_said, rows.to_pylist())
        if len(said) == most:
            break
    return said


def _said(row: dict[str, Any]) -> str:
    """Errors of files name them, those of rows of a Parquet file and of object stores need not."""
    where = row["path"] if row["frame"] is None else f"{row['path']}, frame {row['frame']}"
    return str(row["error"] if row["path"] in row["error"] else f"{where}: {row['error']}")
