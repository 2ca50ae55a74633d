"""The fields of an annotation file's entries, checked: each function raises a ValueError with key and value."""

import math
import re
from array import array
from collections.abc import Mapping
from typing import Any

SHOWN = 40  # characters of a value in an error
MAX_NUMBER = 1e9  # no image and no box is as large
EXACT_FLOAT = 2**53  # beyond it a float stands for several whole numbers
FLAGS = {"true": True, "false": False, "1": True, "0": False}
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,99})")


def require(entry: Mapping[str, Any], key: str) -> Any:
    """The value under ``key``."""
    if key not in entry:
        raise ValueError(f"it has no {key!r}")
    return entry[key]


def flag(entry: Mapping[str, Any], key: str) -> bool:
    """A boolean, 0 or 1, or their texts; False where the key is missing."""
    value = entry.get(key, False)
    if isinstance(value, str):
        value = FLAGS.get(value.strip().lower(), value)
    if not isinstance(value, (bool, int, float)) or value not in (0, 1):
        raise _wrong(key, "true or false", value)
    return bool(value)


def identifier(entry: Mapping[str, Any], key: str) -> int | str:
    """An id as it is written: a whole number, however large, or a text that is not empty."""
    value = require(entry, key)
    if isinstance(value, float) and value.is_integer() and abs(value) <= EXACT_FLOAT:
        value = int(value)
    if not isinstance(value, (int, str)) or isinstance(value, bool) or value == "":
        raise _wrong(key, "a whole number or a text", value)
    return value


def same_id(value: int | str) -> int | str:
    """What ids that mean the same have in common: 7, 7.0 and "7" are one id."""
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else value


def text(entry: Mapping[str, Any], key: str) -> str:
    """A text that is not empty."""
    value = require(entry, key)
    if not isinstance(value, str) or not value or "\0" in value:
        raise _wrong(key, "a text", value)
    return value


def numbers(entry: Mapping[str, Any], key: str, count: int, cut: bool = False) -> "array[float]":
    """``count`` finite numbers of at most `MAX_NUMBER`, also as a list of lists; ``cut`` leaves further ones out."""
    value = require(entry, key)
    if isinstance(value, list) and value and all(isinstance(part, list) for part in value):
        value = [number for part in value for number in part]
    try:
        if not isinstance(value, list):
            raise TypeError
        read = array("d", value[:count] if cut else value)
    except (TypeError, OverflowError):
        raise _wrong(key, f"a list of {count} numbers", value) from None
    if len(read) != count:
        raise ValueError(f"{key!r} must have {count} numbers, it has {len(read)}")
    if not (max(read) <= MAX_NUMBER and min(read) >= -MAX_NUMBER and math.isfinite(sum(read))):
        wrong = next(number for number in read if not abs(number) <= MAX_NUMBER)
        raise ValueError(f"{key!r} must have finite numbers of at most {MAX_NUMBER:g}, it has {wrong:g}")
    return read


def number(entry: Mapping[str, Any], key: str) -> float:
    """A finite number of at most `MAX_NUMBER`; 0 where it is missing or null."""
    value = entry.get(key)
    if value is None:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= MAX_NUMBER:
        raise _wrong(key, f"a number of at most {MAX_NUMBER:g}", value)
    return float(value)


def side_length(entry: Mapping[str, Any], key: str) -> int:
    """The width or height of an image, whole pixels; 0 where it is not stated."""
    value = number(entry, key)
    if value < 0 or value % 1:
        raise _wrong(key, "a whole number of pixels", value)
    return int(value)


def _wrong(key: str, what: str, value: Any) -> ValueError:
    return ValueError(f"{key!r} must be {what}, got {repr(value)[:SHOWN]}")
