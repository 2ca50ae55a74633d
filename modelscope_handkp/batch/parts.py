"""The parts of a result: what was written, and writing one."""

import io
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from ..errors import InputError
from ..results.image_rows import COLUMNS, image_table
from ..results.tables import import_pyarrow
from .plan import Plan
from .storage import storage_of

NAME = re.compile(r"part-(\d{7,})\.parquet")
READERS = 16  # threads that look at what was written
ROWS_PER_GROUP = 1024


class Written(NamedTuple):
    """One part of the result.

    Attributes:
        part: its number. images: rows of it. errors: rows with one.
    """

    part: int
    images: int
    errors: int


def write_part(plan: Plan, part: int, rows: Iterator[dict[str, Any]]) -> Written:
    """Write the rows of a part, whole or not at all. A part that is there is left as it is.

    Raises:
        OSError: the folder cannot be written. What ``rows`` raises.
    """
    path = plan.path(part)
    written = look_at(path, part)
    if written is None:
        content = io.BytesIO()
        table = image_table(rows)
        import_pyarrow().parquet.write_table(table, content, row_group_size=ROWS_PER_GROUP)
        storage_of(path).write(path, content.getvalue())
        written = Written(part, table.num_rows, table.num_rows - table.column("error").null_count)
    return written


def written_parts(plan: Plan) -> list[Written]:
    """The parts of a job that are there. What another program left under their names is not one of them."""
    found = storage_of(plan.output).entries(plan.output)[0]
    numbers = [(path, NAME.fullmatch(path.rpartition("/")[2])) for path in found]
    paths = [(path, int(match[1])) for path, match in numbers if match and int(match[1]) < plan.parts]
    with ThreadPoolExecutor(READERS) as pool:
        written = pool.map(look_at, *zip(*paths)) if paths else ()
        return [part for part in written if part]


def look_at(path: str, part: int) -> Written | None:
    """The part in a file; None where it is not there, or is not whole."""
    pyarrow = import_pyarrow()
    storage = storage_of(path)
    if not storage.is_file(path):
        return None
    try:
        with storage.open(path) as file:
            table = pyarrow.parquet.ParquetFile(file)
            if table.schema_arrow.names != list(COLUMNS):
                return None
            place = table.schema.names.index("error")
            groups = [table.metadata.row_group(index) for index in range(table.metadata.num_row_groups)]
            fine = sum(group.column(place).statistics.null_count for group in groups)
            return Written(part, table.metadata.num_rows, table.metadata.num_rows - fine)
    except (pyarrow.ArrowException, OSError, AttributeError, InputError):
        return None
