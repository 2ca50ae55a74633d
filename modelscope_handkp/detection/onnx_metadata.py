"""What exporters write beside a detector in an ONNX file: class names, input size, stride. It is never executed."""

import ast
import math
from collections.abc import Mapping
from typing import Any

from ..errors import CheckpointError, InputError

MAX_SIDE = 2048  # of an input, pixels
MAX_LITERAL = 64 * 1024  # characters; deep expressions crash Python 3.10
MAX_DIGITS = 6  # of an index
SHOWN_NAMES = 20  # in an error
HAND = "hand"


def from_ultralytics(metadata: Mapping[str, str]) -> bool:
    """Whether ultralytics wrote the metadata."""
    return "names" in metadata and "stride" in metadata


def class_names(metadata: Mapping[str, str]) -> list[str] | None:
    """The names of the classes, a dict or list as a literal; None where there are none.

    Raises:
        CheckpointError: ``names`` is something else.
    """
    if "names" not in metadata:
        return None
    names = _literal(metadata, "names")
    if isinstance(names, dict) and names and set(names) == set(range(len(names))):
        names = [names[index] for index in range(len(names))]
    if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
        return names
    raise CheckpointError(f"the metadata 'names' must number the names of classes from 0, got {names!r:.80}.")


def keypoint_values(metadata: Mapping[str, str]) -> int:
    """How many values of keypoints follow a box, from ``kpt_shape``: keypoints times values of each; 0 without it.

    Raises:
        CheckpointError: it is no pair of whole numbers.
    """
    return math.prod(_whole_numbers(metadata, "kpt_shape")) if "kpt_shape" in metadata else 0


def stride(metadata: Mapping[str, str]) -> int:
    """Pixels, of which an input's sides are multiples.

    Raises:
        CheckpointError: it is no whole number.
    """
    return _whole_numbers(metadata, "stride")[0]


def input_sides(metadata: Mapping[str, str]) -> tuple[int, int] | None:
    """Height and width in pixels that the model was exported for, from ``imgsz``; None without it.

    Raises:
        CheckpointError: it is no whole number, nor two.
    """
    sides = _whole_numbers(metadata, "imgsz") if "imgsz" in metadata else []
    return (sides[0], sides[-1]) if sides else None


def hand_index(hand_class: int | str | None, names: list[str] | None, classes: int | None, file: str) -> int | None:
    """Which class is the hand.

    Args:
        hand_class: its name, in any case, or its index from 0. None: the class that is named hand, or the only one.
        names: of the classes, None where the file has none.
        classes: their number, None where the file does not tell.
        file: what errors call it.
    Returns:
        the index; None where neither the caller nor the file tells.
    Raises:
        InputError: no such class, or several of which none is named hand; the message lists them.
    """
    if hand_class is None and (classes is None or classes == 1):
        return None if classes is None else 0
    wanted = HAND if hand_class is None else str(hand_class)
    found = [index for index, name in enumerate(names or ()) if name.lower() == wanted.lower()]
    if len(found) == 1 and (hand_class is None or isinstance(hand_class, str)):
        return found[0]
    listed = _listed(names, classes)
    if hand_class is None:
        raise InputError(f"{file} has several classes; hand_class (--detector-class) says which is the hand: {listed}.")
    if not (wanted.isdecimal() and len(wanted) <= MAX_DIGITS and int(wanted) < (classes or 10**MAX_DIGITS)):
        raise InputError(f"hand_class {hand_class!r:.80} is no class of {file}, which has {listed}.")
    return int(wanted)


def _listed(names: list[str] | None, classes: int | None) -> str:
    if names is None:
        return "no names" if classes is None else f"0 to {classes - 1}, without names"
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(f"{index} {name!r:.40}" for index, name in enumerate(names[:SHOWN_NAMES])) + more


def _whole_numbers(metadata: Mapping[str, str], key: str) -> list[int]:
    """One or two numbers of 1 or more."""
    value = _literal(metadata, key)
    numbers = list(value) if isinstance(value, (list, tuple)) else [value]
    if not 1 <= len(numbers) <= 2 or not all(type(number) is int and 0 < number <= MAX_SIDE for number in numbers):
        raise CheckpointError(f"the metadata {key!r} must be whole numbers from 1 to {MAX_SIDE}, got {value!r:.80}.")
    return numbers


def _literal(metadata: Mapping[str, str], key: str) -> Any:
    text = metadata[key]
    if len(text) > MAX_LITERAL:
        raise CheckpointError(f"the metadata {key!r} has {len(text)} characters; more than {MAX_LITERAL} are not read.")
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise CheckpointError(
            f"the metadata {key!r} is no plain value: {text!r:.80} ({type(error).__name__})."
        ) from None
