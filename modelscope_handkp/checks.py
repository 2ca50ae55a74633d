"""Checks of arguments, made where a caller passes them."""

import math
from typing import Any

import numpy as np

from .errors import InputError


def is_number(value: Any) -> bool:
    """Whether it is a finite number, Python's or numpy's; True and False are none."""
    is_real = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return is_real and math.isfinite(value)


def check_threshold(name: str, value: Any) -> None:
    """Refuse what is neither None nor a number from 0 to 1.

    Raises:
        InputError: names the argument and its value.
    """
    if value is not None and not (is_number(value) and 0 <= value <= 1):
        raise InputError(f"{name} must be a number from 0 to 1, got {value!r:.80}.")


def check_count(name: str, value: Any) -> int:
    """A whole number of 1 or more, Python's or numpy's, as an int.

    Raises:
        InputError: anything else; names the argument and its value.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise InputError(f"{name} must be a positive integer, got {value!r:.80}.")
    return int(value)
