"""Results as JSON: one file for many images, or a line for each; and the entries that every format is written from."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..hands import Hands, Result
from ..skeleton import KEYPOINT_NAMES
from ..sources.names import source_name
from .growing_file import open_growing

Entry = dict[str, Any]
Add = Callable[[Entry], None]


def entry_of(result: Result, index: int | None = None, time: float | None = None) -> Entry:
    """What the files say of one image or frame.

    ``source``, for a frame ``index`` and ``time`` (s), then ``width``, ``height`` and ``hands`` (`Hands.to_list`) or
    ``error``. ``keypoint_threshold`` is there where it is not 0.
    """
    entry: Entry = {"source": source_name(result.source)}
    if index is not None:
        entry["index"] = int(index)
    if time is not None:
        entry["time"] = float(time)
    if result.hands is None or result.image is None:
        return {**entry, "error": str(result.error)}
    height, width = result.image.shape[:2]
    if result.hands.keypoint_threshold:
        entry["keypoint_threshold"] = result.hands.keypoint_threshold
    return {**entry, "width": width, "height": height, "hands": result.hands.to_list()}


def hands_of(entry: Entry) -> Hands | None:
    """The hands of an entry; None where it has an error in their place.

    Raises:
        InputError: the entry has neither, or other values than `entry_of` gives.
    """
    if "hands" not in entry and "error" in entry:
        return None
    width, height = entry.get("width"), entry.get("height")
    size = None if width is None or height is None else (width, height)
    return Hands.from_dict({**entry, "image_size": size})


@contextmanager
def json_report(path: str | Path) -> Iterator[Add]:
    """A function that adds an entry to the JSON at ``path``: ``{"keypoint_names": [21], "images": [entry, ...]}``.

    `growing_file.open_growing` says what is kept and what is raised.
    """
    head = f'{{"keypoint_names": {json.dumps(KEYPOINT_NAMES)},\n"images": ['.encode()
    with open_growing(path, head, first=b"\n", between=b",\n", tail=b"\n]}\n") as add:
        yield lambda entry: add(to_json(entry))


@contextmanager
def jsonl_report(path: str | Path) -> Iterator[Add]:
    """A function that adds an entry to the JSON lines at ``path``, a line an entry.

    `growing_file.open_growing` says what is kept and what is raised.
    """
    with open_growing(path) as add:
        yield lambda entry: add(to_json(entry) + b"\n")


def to_json(value: Any) -> bytes:
    """One line of JSON; numbers that JSON does not know (NaN, infinity) are null."""
    try:
        return json.dumps(value, allow_nan=False).encode()
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, (list, tuple)) else value
