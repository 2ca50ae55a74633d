"""Results in JSON, JSON lines and COCO -> `Record`s."""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from ..data.json_stream import JsonReader
from ..errors import InputError
from ..geometry.boxes import xywh_to_xyxy
from ..hands import Hands
from ..skeleton import NUM_KEYPOINTS
from .json_report import hands_of
from .record import Record

MAX_ENTRY = 1 << 26  # characters of an image's entry: some 40,000 hands
MAX_MEMBERS = 64  # of an entry
MAX_HANDS = 10_000  # of an image in COCO results
CHUNK = 1 << 20  # characters read at once


def read_json(path: Path, name: str) -> Iterator[Record]:
    """The entries of a file that `json_report`, `jsonl_report` or `coco_report` wrote, whatever its white space.

    Raises:
        InputError: another kind of JSON, or one that is cut off; names the file by ``name`` and the place in it.
    """
    with path.open(encoding="utf-8-sig") as file:
        reader = JsonReader(file, CHUNK, MAX_ENTRY)
        try:
            yield from _coco(reader) if reader.peek() == "[" else _entries(reader)
        except UnicodeDecodeError:
            raise InputError(f"{name} holds no results that can be read: it is no UTF-8; save it as UTF-8.") from None
        except (ValueError, RecursionError) as error:
            message = error.msg if isinstance(error, json.JSONDecodeError) else str(error).rstrip(".")
            raise InputError(
                f"{name} holds no results that can be read: {message}, near character {reader.at}."
            ) from None


def _entries(reader: JsonReader) -> Iterator[Record]:
    """Of an object with ``images``, or of one object after another."""
    while reader.peek():
        entry: dict[Any, Any] = {}
        is_report = False
        reader.expect("{", "an object")
        while reader.peek() != "}":
            key = reader.value()
            reader.expect(":", "a colon")
            if key == "images" and not is_report and reader.peek() == "[":
                is_report = True
                yield from map(_record, _elements(reader))
            else:
                entry[key] = reader.value()
            if len(entry) > MAX_MEMBERS:
                raise InputError(f"an entry with more than {MAX_MEMBERS} members")
            reader.separator("}")
        reader.expect("}", "the object's end")
        if is_report:
            _check_end(reader)
            return
        yield _record(entry)


def _elements(reader: JsonReader) -> Iterator[Any]:
    reader.expect("[", "an array")
    while reader.peek() != "]":
        yield reader.value()
        reader.separator("]")
    reader.expect("]", "the array's end")


def _check_end(reader: JsonReader) -> None:
    if reader.peek():
        raise InputError("something follows the results, as where two files were joined")


def _record(entry: Any) -> Record:
    if not isinstance(entry, dict) or not isinstance(entry.get("source"), str):
        shown = list(entry)[:8] if isinstance(entry, dict) else entry
        raise InputError(f"an entry has a 'source', got {shown!r:.80}")
    index, time, error = (entry.get(key) for key in ("index", "time", "error"))
    if index is not None and (not isinstance(index, int) or isinstance(index, bool)):
        raise InputError(f"'index' must be a whole number, got {index!r:.80}")
    if not (time is None or isinstance(time, float) or (isinstance(time, int) and not isinstance(time, bool))):
        raise InputError(f"'time' must be a number of seconds, got {time!r:.80}")
    if not isinstance(error, (str, type(None))):
        raise InputError(f"'error' must be a text, got {error!r:.80}")
    return Record(entry["source"], index, None if time is None else float(time), hands_of(entry), error)


def _coco(reader: JsonReader) -> Iterator[Record]:
    """Of a list of COCO results, where the hands of an image follow each other."""
    for image_id, entries in groupby(map(_checked, _elements(reader)), key=lambda entry: entry["image_id"]):
        hands = []
        for entry in entries:
            hands.append(entry)
            if len(hands) > MAX_HANDS:
                raise InputError(f"image {image_id!r:.80} has more than {MAX_HANDS} hands")
        yield Record(str(image_id), hands=_coco_hands(hands))
    _check_end(reader)


def _checked(entry: Any) -> dict[str, Any]:
    if not isinstance(entry, dict) or not isinstance(entry.get("image_id"), (int, str)):
        raise InputError(f"a COCO result has an 'image_id' that is a number or a text, got {entry!r:.80}")
    points = entry.get("keypoints")
    if not isinstance(points, list):
        raise InputError(f"a COCO result of a hand has 'keypoints', got {list(entry)[:8]!r:.80}")
    if len(points) != 3 * NUM_KEYPOINTS:
        raise InputError(f"a hand has {3 * NUM_KEYPOINTS} numbers under 'keypoints', got {len(points)}")
    return entry


def _coco_hands(entries: list[dict[str, Any]]) -> Hands:
    try:
        keypoints = np.array([entry["keypoints"] for entry in entries], np.float32).reshape(-1, NUM_KEYPOINTS, 3)
        boxes = [entry.get("bbox") or _around(points) for entry, points in zip(entries, keypoints)]
        scores = np.array([entry["score"] for entry in entries], np.float32)
        xyxy = xywh_to_xyxy(np.array(boxes, np.float64).reshape(len(entries), 4))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"a COCO result of a hand has numbers in 'bbox', 'keypoints' and 'score': {error}") from None
    ids, sides = ([entry.get(key) for entry in entries] for key in ("track_id", "is_left"))
    known_sides = None if all(side is None for side in sides) else np.array(sides, object)
    return Hands(keypoints, xyxy, scores, ids=None if None in ids else np.array(ids), is_left=known_sides)


def _around(keypoints: Any) -> list[float]:
    """xywh around the keypoints, as pycocotools' ``loadRes`` has it where a result has no box."""
    first, last = keypoints[:, :2].min(axis=0), keypoints[:, :2].max(axis=0)
    return [*first.tolist(), *(last - first).tolist()]
