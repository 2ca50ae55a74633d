"""One JSON file for many images, written as results come in."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..files import open_atomically
from ..hands import Result
from ..skeleton import KEYPOINT_NAMES
from ..sources.names import source_name

Entry = dict[str, Any]


def entry_of(result: Result) -> Entry:
    """What the file says of one image: ``source``, and ``width``, ``height`` and ``hands`` (`Hands.to_list`) or
    ``error``."""
    if result.hands is None or result.image is None:
        return {"source": source_name(result.source), "error": str(result.error)}
    height, width = result.image.shape[:2]
    return {"source": source_name(result.source), "width": width, "height": height, "hands": result.hands.to_list()}


@contextmanager
def json_report(path: str | Path) -> Iterator[Callable[[Entry], None]]:
    """A function that adds an entry to the JSON at ``path``: ``{"keypoint_names": [21], "images": [entry, ...]}``.

    Nothing stays in memory. The file appears when the block ends; whatever ends it, the entries before are kept.

    Raises:
        InputError: ``path`` is a folder or a device. OSError: it cannot be written.
    """
    with open_atomically(path) as file:
        file.write(f'{{"keypoint_names": {json.dumps(KEYPOINT_NAMES)},\n"images": ['.encode())
        separator, end = "\n", file.tell()

        def add(entry: Entry) -> None:
            nonlocal separator, end
            file.write(f"{separator}{json.dumps(entry)}".encode())
            separator, end = ",\n", file.tell()

        stopped: BaseException | None = None
        try:
            yield add
        except BaseException as error:
            stopped = error
        file.seek(end)  # an entry may have been cut short
        file.truncate()
        file.write(b"\n]}\n")
    if stopped:
        raise stopped
