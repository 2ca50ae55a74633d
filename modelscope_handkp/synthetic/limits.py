"""What may be asked of the renderer."""

from __future__ import annotations

import numpy as np

from ..errors import InputError

MOST = 2**32  # images, frames, or a seed
MOST_HANDS = 20  # in an image
_SMALLEST_SIDE, _LARGEST_SIDE = 16, 4096  # px of an image


def check_range(name: str, value: int, lowest: int, highest: int) -> None:
    """Refuse what is not a whole number, Python's or numpy's, in its range.

    Raises:
        InputError: names it, the range and the value.
    """
    if not (isinstance(value, (int, np.integer)) and lowest <= value <= highest):
        raise InputError(f"{name} must be from {lowest} to {highest}, got {value!r:.80}.")


def check_size(size: tuple[int, int]) -> None:
    """Refuse images of `size` (width, height) px that are too small or too large.

    Raises:
        InputError: names the side, the range and the value.
    """
    for name, side in zip(("width", "height"), size):
        check_range(name, side, _SMALLEST_SIDE, _LARGEST_SIDE)
