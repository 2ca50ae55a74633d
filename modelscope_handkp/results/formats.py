"""The formats of result files, by name."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType

from ..errors import InputError
from .coco import coco_report
from .json_report import Add, json_report, jsonl_report
from .tables import csv_report, parquet_report

FORMATS: Mapping[str, Callable[[str | Path], AbstractContextManager[Add]]] = MappingProxyType(
    {"json": json_report, "jsonl": jsonl_report, "coco": coco_report, "csv": csv_report, "parquet": parquet_report}
)


def open_results(path: str | Path, format: str) -> AbstractContextManager[Add]:
    """A context manager that gives a function ``add(entry)``; entries are those of `json_report.entry_of`.

    Nothing of what was added stays in memory. The file appears when the block ends; whatever ends it, an error or
    Ctrl-C, the entries before are kept.

    Args:
        format: a name of `FORMATS`.
    Raises:
        InputError: no such format, or ``path`` is a folder or a device.
        MissingPackageError: the format needs a package that is not installed.
        OSError: the file cannot be written, or the disk is full.
    """
    if not isinstance(format, str) or format not in FORMATS:
        raise InputError(f"format must be one of {', '.join(FORMATS)}, got {format!r:.80}.")
    return FORMATS[format](path)
