"""Which items a job has, and in which part of the result each is: written once, read by every worker."""

import io
import json
import re
from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import Any, NamedTuple

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from ..errors import InputError
from ..results.tables import import_pyarrow
from .inputs import Item
from .paths import join
from .storage import read_bytes, storage_of

PLAN, SETTINGS = ".job/plan-{:05d}.parquet", ".job/job.json"
PLAN_NAME = re.compile(r"/plan-\d{5,}\.parquet$")
PARTS_PER_FILE = 1000  # a reader takes in the index of a whole file
LEAST_PER_PART, MOST_PER_PART = 64, 4096  # images
PARTS_ABOUT = 1000  # of a middling job
UNKNOWN = 512  # images that a video of unknown length is taken for
PART = "part-{:07d}.parquet"
VERSION = 1  # of the two files
MAX_SETTINGS = 1 << 20  # bytes


class Plan(NamedTuple):
    """What is in a plan.

    Attributes:
        output: the folder of the job.
        parts: how many. images: how many images and frames they probably have.
        settings: what the rows depend on; a job that is resumed has the same.
    """

    output: str
    parts: int
    images: int
    settings: dict[str, Any]

    def path(self, part: int) -> str:
        """Of the rows of a part."""
        return join(self.output, PART.format(part))


def write_plan(output: str, items: Iterable[Item], settings: dict[str, Any]) -> Plan:
    """Write which items are in which part. The job is begun when its settings are written, too (`begin`).

    Raises:
        OSError: the folder cannot be written. What ``items`` raises.
    """
    parts = images = 0
    with logging_redirect_tqdm(), tqdm(unit=" items", desc="listing") as progress:
        grouped = (group for group in groups(items) if progress.update(len(group)) or True)
        for file in count():
            content, counts = _plan_file(islice(grouped, PARTS_PER_FILE))
            if not counts:
                break
            storage_of(output).write(join(output, PLAN.format(file)), content)
            parts, images = parts + len(counts), images + sum(counts)
    return Plan(output, parts, images, settings)


def begin(plan: Plan) -> None:
    """Write the settings of a plan, without which it is none.

    Raises:
        OSError: the folder cannot be written.
    """
    about = {"version": VERSION, "parts": plan.parts, "images": plan.images, "settings": plan.settings}
    storage_of(plan.output).write(join(plan.output, SETTINGS), json.dumps(about, indent=1).encode())


def forget_plan(output: str) -> bool:
    """Delete the plan of a job that was not begun; whether it was not."""
    storage, path = storage_of(output), join(output, SETTINGS)
    if storage.is_file(path):
        return False
    for file in storage.entries(path.rpartition("/")[0])[0]:
        if PLAN_NAME.search(file):
            storage.delete(file)
    return True


def read_plan(output: str) -> Plan | None:
    """The plan in a folder; None where no job was begun.

    Raises:
        InputError: it is of another release, no plan, or not whole.
    """
    path = join(output, SETTINGS)
    if not storage_of(output).is_file(path):
        return None
    text = read_bytes(path, MAX_SETTINGS)
    try:
        content = json.loads(text)
        version, parts, images, settings = (content[name] for name in ("version", "parts", "images", "settings"))
    except (KeyError, TypeError, ValueError, RecursionError):
        raise InputError(f"{path} is not what a job wrote; name another folder.") from None
    if version != VERSION:
        raise InputError(f"{path} was written by another release of this package; name another folder.")
    if not (_is_count(parts) and _is_count(images) and isinstance(settings, dict)):
        raise InputError(f"{path} is not what a job wrote; name another folder.")
    files = storage_of(output).entries(path.rpartition("/")[0])[0]
    plans = [file for file in files if PLAN_NAME.search(file)]
    if len(plans) < -(-parts // PARTS_PER_FILE):
        raise InputError(f"{path} states {parts} parts, which are not all in the {len(plans)} files beside it.")
    return Plan(output, parts, images, settings)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


class PlanReader:
    """Reads the parts of a plan; the file of the last one stays open."""

    def __init__(self, plan: Plan) -> None:
        self._plan, self._number = plan, -1

    def items(self, part: int) -> list[Item]:
        """The items of a part.

        Raises:
            OSError, pyarrow.ArrowException: the plan cannot be read.
        """
        number, group = divmod(part, PARTS_PER_FILE)
        if number != self._number:
            path = join(self._plan.output, PLAN.format(number))
            self._file = import_pyarrow().parquet.ParquetFile(storage_of(path).open(path))
            self._number = number
        return items_of(self._file.read_row_group(group))


def items_table(items: Iterable[Item]) -> Any:
    """A `pyarrow.Table` with a row an item."""
    columns = list(zip(*items)) or [()] * len(Item._fields)
    return import_pyarrow().Table.from_arrays(list(map(list, columns)), schema=_schema())


def items_of(table: Any) -> list[Item]:
    """The items that `items_table` wrote."""
    return [Item(**row) for row in table.to_pylist()]


def _schema() -> Any:
    pyarrow = import_pyarrow()
    return pyarrow.schema(
        {
            "kind": pyarrow.string(),
            "path": pyarrow.binary(),
            "start": pyarrow.float64(),
            "end": pyarrow.float64(),
            "count": pyarrow.int64(),
        }
    )


def _plan_file(groups: Iterable[list[Item]]) -> tuple[bytes, list[int]]:
    """A Parquet file with a row group for each part, so that a worker reads its own alone; and the images of each."""
    content, counts = io.BytesIO(), []
    with import_pyarrow().parquet.ParquetWriter(content, _schema(), use_dictionary=["kind"]) as writer:
        for group in groups:
            writer.write_table(items_table(group), row_group_size=len(group))
            counts.append(sum(item.count or 0 for item in group))
    return content.getvalue(), counts


def groups(items: Iterable[Item]) -> Iterator[list[Item]]:
    """The items of each part.

    Parts grow with what was listed before them: a small job has many, so that its workers end together and little is
    done again after a kill, and a large one has no more files than an object store lists in seconds.
    """
    group: list[Item] = []
    listed = images = 0
    size = LEAST_PER_PART
    for item in items:
        group.append(item)
        images += UNKNOWN if item.count is None else item.count
        if images >= size:
            yield group
            listed += images
            group, images = [], 0
            size = min(max(listed // PARTS_ABOUT, LEAST_PER_PART), MOST_PER_PART)
    if group:
        yield group
