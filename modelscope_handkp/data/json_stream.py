"""Read the large arrays of a JSON object one element at a time, in memory that does not grow with the file."""

import json
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

from ..errors import DatasetError, MissingFileError
from ..file_kind import HEAD_BYTES, JSON, file_kind

CHUNK = 1 << 22  # characters read at once
MAX_STRING, LONGEST_TOKEN = 1 << 26, 16  # characters; the latter of what is no string, such as -Infinity
SHOWN, MAX_LISTED, MAX_NAME = 40, 8, 200  # characters of a key, keys, and characters of a file's name in an error
ADVICE = {  # for `file_kind`
    "archive": "unpack it and name the annotation file in it",
    "UTF-": "save it as UTF-8",
    "": "name the annotation file",
}
_SPACE = re.compile(r"[ \t\r\n]*")


def iterate_arrays(
    path: str | Path,
    keys: Collection[str],
    chunk: int = CHUNK,
    required: Collection[str] = (),
    whole: Collection[str] = (),
) -> Iterator[tuple[str, Any]]:
    """Yield ``(key, element)`` for each element of the top-level arrays named in ``keys``, in the file's order.

    Args:
        path: a JSON file that holds an object, as COCO annotation files do.
        required: keys that the object must have. whole: keys whose value is given as it is, as one element.
        chunk: characters read at once; memory stays at a few chunks, or at the largest single element.
    Raises:
        MissingFileError: no such file.
        DatasetError: another kind of file, not valid JSON, not an object, a key of ``keys`` that holds no array, or, at
            the end, a required key that is not there; names the file.
    """
    path = Path(path)
    if not os.path.isfile(path):  # noqa: PTH113  Path.is_file raises on a name that is too long
        what = "is a folder, not an annotation file" if os.path.isdir(path) else "does not exist"  # noqa: PTH112
        raise MissingFileError(f"annotation file {str(path)[:MAX_NAME]} {what}.")
    with path.open("rb") as head:
        kind = file_kind(head.read(HEAD_BYTES), ADVICE)
    if kind and not kind.startswith(JSON):
        raise DatasetError(f"{path} is not a COCO annotation file: it is {kind}.")
    with path.open(encoding="utf-8-sig") as file:  # Windows writes a byte-order mark
        reader = JsonReader(file, chunk)
        try:
            yield from _members(reader, keys, required, whole)
        except UnicodeDecodeError:
            raise DatasetError(f"{path} is not a COCO annotation file: it is no UTF-8; save it as UTF-8.") from None
        except (ValueError, RecursionError) as error:
            message = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            raise DatasetError(f"{path} is not a COCO annotation file: {message} near character {reader.at}.") from None


def _members(
    reader: "JsonReader", keys: Collection[str], required: Collection[str], whole: Collection[str]
) -> Iterator[tuple[str, Any]]:
    reader.expect("{", "an object with 'images' and 'annotations'")
    seen: list[str] = []
    while reader.peek() != "}":
        key = reader.value()
        seen.append(str(key)[:SHOWN])
        reader.expect(":", "a colon")
        if key in keys:
            reader.expect("[", f"an array under {key!r}")
            while reader.peek() != "]":
                yield key, reader.value()
                reader.separator("]")
            reader.expect("]", "the array's end")
        else:
            value = reader.value()
            if key in whole:
                yield key, value
        reader.separator("}")
    reader.expect("}", "the object's end")
    if reader.peek():
        raise ValueError("something follows the object, as where two files were joined")
    missing = [key for key in required if key not in seen]
    if missing:
        raise ValueError(f"it has no {missing[0]!r} but {', '.join(map(repr, seen[:MAX_LISTED])) or 'nothing'}")


class JsonReader:
    """A window of text on a file: the JSON value under the cursor, more text when the window ends inside it.

    Args:
        chunk: characters read at once.
        largest: characters of a value, about; None: a value may be as large as the file.
    Raises:
        ValueError: what is read is not JSON, or a value is larger; of every method.
    """

    def __init__(self, file: IO[str], chunk: int = CHUNK, largest: int | None = None) -> None:
        self._file, self._chunk, self._largest = file, chunk, largest
        self._text, self._cursor, self._before = "", 0, 0
        self._decoder = json.JSONDecoder()

    @property
    def at(self) -> int:
        """Characters from the start of the file to the cursor."""
        return self._before + self._cursor

    def peek(self) -> str:
        """The next character that is not white space; "" at the end of the file."""
        while True:
            match = _SPACE.match(self._text, self._cursor)
            self._cursor = match.end() if match else self._cursor
            if self._cursor < len(self._text):
                return self._text[self._cursor]
            if not self._more(self._chunk):
                return ""

    def expect(self, character: str, what: str) -> None:
        """Step over ``character``; ``what`` it is, for the error."""
        found = self.peek()
        if found != character:
            raise ValueError(f"expected {what}, found {found!r}" if found else f"expected {what}, the file ends")
        self._cursor += 1

    def separator(self, end: str) -> None:
        """Step over a comma, or stay before ``end``."""
        if self.peek() != end:
            self.expect(",", f"',' or {end!r}")
            if self.peek() == end:
                raise ValueError(f"a comma before {end!r}")

    def value(self) -> Any:
        """The value under the cursor; the cursor moves behind it."""
        self.peek()
        size = self._chunk
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._cursor)
                length = end - self._cursor
                if end < len(self._text) or not self._more(size):  # a number may continue beyond the window
                    self._cursor += length
                    return value
            except json.JSONDecodeError as error:
                left = len(self._text) - error.pos
                if left > (MAX_STRING if error.msg.startswith("Unterminated string") else LONGEST_TOKEN):
                    raise  # more text would not mend it
                if not self._more(size):
                    raise ValueError("the file ends in the middle, as after a download that broke off") from None
                if self._largest is not None and len(self._text) > self._largest + self._chunk:
                    raise ValueError(f"a value of more than {self._largest} characters") from None
            size *= 2  # the cost of a value larger than a chunk stays linear

    def _more(self, size: int) -> bool:
        more = self._file.read(size)
        self._before += self._cursor
        self._text, self._cursor = self._text[self._cursor :] + more, 0
        return bool(more)
