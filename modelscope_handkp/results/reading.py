"""Files of results -> `Hands`."""

import os
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from ..errors import InputError, MissingFileError
from ..file_kind import HEAD_BYTES, JSON, TEXT, file_kind
from .image_rows import parts_of
from .reading_json import read_json
from .reading_tables import read_csv, read_parquet
from .record import Record

ADVICE = {"archive": "unpack it and name the file in it", "UTF-": "save it as UTF-8"}  # for `file_kind`
PARQUET = b"PAR1"
LINES = (".jsonl", ".ndjson")  # of a file with no entry, nothing but the name says what it is
MAX_NAME = 200  # characters of a file's name in an error


def read(path: str | Path) -> Iterator[Record]:
    """The images and frames of a result file in any of `formats.FORMATS`, in the file's order, one at a time.

    Also of what a batch job wrote: its folder, whose parts are read in their order, or one of these.
    The content says which format it is. What the formats do not hold is not given back:

    - JSON and JSON lines hold everything, with the same numbers.
    - The parts of a batch job hold everything but ``is_left`` and ``keypoint_threshold``.
    - CSV and Parquet have no row for an image without hands. Keypoints that were not `Hands.visible` lie at (0, 0), and
      the ``keypoint_threshold`` is the highest of their scores, so that they are not visible again. Rows that follow
      each other with the same source, index, time and size are one image.
    - COCO results have no entry for an image without hands, no size of the image, and one score for ``scores`` and
      ``confidence``; keypoints are rounded to 0.0001. Entries that follow each other with the same ``image_id`` are one
      image.

    Raises:
        MissingFileError: no such file, or a folder without parts.
        MissingPackageError: a Parquet file, and pyarrow is not installed.
        InputError: another kind of file, one that is cut off, or a value that cannot be. What can be read before it is
            given first.
    """
    path = Path(path)
    name = str(path)[:MAX_NAME]
    if os.path.isdir(path):  # noqa: PTH112  Path.is_dir raises on a name that is too long
        return chain.from_iterable(map(read, parts_of(path)))
    if not os.path.isfile(path):  # noqa: PTH113  Path.is_file raises on a name that is too long
        raise MissingFileError(f"{name} does not exist or is not a file.")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head and path.suffix.lower() in LINES:
        return iter(())
    kind = "Parquet" if head.startswith(PARQUET) else file_kind(head, ADVICE) or "of no kind that is known"
    if kind == "Parquet":
        records = read_parquet(path, name)
    elif kind.startswith(JSON):
        records = read_json(path, name)
    elif kind.startswith(TEXT):
        records = read_csv(path, name)
    else:
        raise InputError(f"{name} holds no results: it is {kind}.")
    first = next(records, None)  # what is no result file at all is refused here
    return iter(()) if first is None else chain([first], records)
