"""Which values of an image stand for black and white, and what they are in 8 bits.

The bulk of the values decides, not their maximum: a hot pixel or a highlight is clipped.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import Image
from ..errors import InputError

FEW = 0.005  # of the values above black, that may be outliers
OUTLIER = 16.0  # times white at most; beyond it, dark images of 0..255 are as likely
OVERSHOOT = 0.5  # of white; cubic interpolation of black and white reaches 0.45 beyond them
MAX_MEAN_BELOW_BLACK = 0.03  # of white; cubic interpolation of black and white noise leaves 0.02, -1..1 has 0.2
DARKEST_PEAK = 4.0  # maximum of a 0..255 image with fractions; mean and deviation of ImageNet bring white to 2.6
MAX_HIGHLIGHTS = 0.1  # of the values above black of a 0..1 image with a wide dynamic range
CAMERAS_WHITES = (2**8 - 1, 2**10 - 1, 2**12 - 1)  # of 8, 10 and 12 bits, which are stored in 16
WHITE_16 = 2**16 - 1


def check_values(array: NDArray[Any]) -> None:
    """Refuse what is no number.

    Raises:
        InputError: another type than integers and floats; NaN or infinity.
    """
    if array.dtype.kind == "b":
        raise InputError("an image array holds integers or floats, not bool: for a mask pass array * numpy.uint8(255).")
    if array.dtype.kind not in "iuf":
        raise InputError(f"an image array holds integers or floats, not {array.dtype}.")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputError(f"{_described(array)}: replace NaN and infinity.")


def white_of(array: NDArray[Any]) -> int:
    """The value of white in an image (H, W) or (H, W, C), or in a batch (N, H, W, C), as `load_image` states it.

    Args:
        array: integers or finite floats. A fourth channel is alpha, which says nothing of the colours.
    Raises:
        InputError: values beyond every range, or such that fit several.
    """
    has_alpha = array.ndim > 2 and array.shape[-1] == 4
    colours: NDArray[Any] = array[..., :3] if has_alpha else array
    if array.dtype.kind == "f":
        return _white_of_floats(colours, array[..., 3] if has_alpha else None)
    if array.dtype == np.uint8:
        return CAMERAS_WHITES[0]
    if array.dtype.newbyteorder("=") == np.uint16:
        if (white := white_of_16_bits(colours)) != WHITE_16:
            raise InputError(
                f"{_described(colours)}, {'all' if colours.max() <= white else 'nearly all'} at most {white}, which is "
                "black in 16 bits: pass numpy.uint8(numpy.clip(array * (255 / white), 0, 255)) with the white that is "
                f"meant, such as {white}."
            )
        return WHITE_16
    if array.min() < 0 or array.max() > CAMERAS_WHITES[0]:
        raise InputError(f"{_described(array)}; integers are 0..255, and 0..65535 as uint16.")
    return CAMERAS_WHITES[0]


def white_of_16_bits(values: NDArray[Any]) -> int:
    """The white of 8, 10, 12 or 16 bits: the least one that hardly a value of 0..65535 exceeds."""
    if not values.any() or _share_above(values, CAMERAS_WHITES[-1]) > FEW:
        return WHITE_16
    return next(white for white in CAMERAS_WHITES if _share_above(values, white) <= FEW)


def to_eight_bit(array: NDArray[Any], white: int) -> Image:
    """0..``white`` -> 0..255, clipped; ``white`` is 255, of floats also 1, of uint16 any."""
    if array.dtype == np.uint8 and white == 255:
        return array
    if array.dtype.newbyteorder("=") == np.uint16:  # a table, since arithmetic on large images takes seconds
        table = np.rint(np.clip(np.arange(WHITE_16 + 1) / (white / 255), 0, 255)).astype(np.uint8)
        return np.asarray(table[array])
    return np.asarray(np.rint(np.clip(array if white == 255 else array * 255, 0, 255)), np.uint8)


def _white_of_floats(colours: NDArray[Any], alpha: NDArray[Any] | None) -> int:
    values, high = _described(colours), float(colours.max())
    unit = 255 if _share_above(colours, DARKEST_PEAK) > FEW else 1
    _refuse_normalised(colours, unit, values)
    white, is_whole = 255, not (colours != np.rint(colours)).any()
    if high <= 1 + OVERSHOOT:
        white = 1
    elif not is_whole:
        beyond = _share_above(colours, 1 + OVERSHOOT)
        is_hdr = beyond <= MAX_HIGHLIGHTS and _share_above(colours, OUTLIER) <= FEW
        white = 1 if beyond <= FEW else 255
        if (white == 1 and high > OUTLIER) or (white == 255 and (unit == 1 or is_hdr)):
            raise InputError(f"{values}, which may be meant as 0..1 or as 0..255: scale it to 0..255 and pass uint8.")
    if _share_above(colours, (1 + OVERSHOOT) * white) > FEW or high > OUTLIER * white:
        raise InputError(f"{values}: scale it to 0..1 or 0..255.")
    if alpha is None or not alpha.any() or (alpha.max() > 1 + OVERSHOOT) == (white == 255):
        return white
    if white == 1 and is_whole:  # black, or nearly: alpha tells the range
        return 255
    raise InputError(f"{values}, but those of its alpha channel reach {alpha.max()}: bring both to one range.")


def _refuse_normalised(colours: NDArray[Any], unit: int, values: str) -> None:
    low = float(colours.min())
    if low >= 0:
        return
    mean_below = -np.clip(colours, -OVERSHOOT * unit, 0).mean(dtype=np.float64)
    far_below = np.count_nonzero(colours < -OVERSHOOT * unit) / colours.size
    if low < -OUTLIER * unit or far_below > FEW or mean_below > MAX_MEAN_BELOW_BLACK * unit:
        raise InputError(f"{values}, as a normalised image has: undo that; 0..1 and 0..255 are read.")


def _share_above(values: NDArray[Any], limit: float) -> float:
    """Of the values above black, how many are above ``limit``."""
    return int(np.count_nonzero(values > limit)) / max(int(np.count_nonzero(values > 0)), 1)


def _described(array: NDArray[Any]) -> str:
    return f"an image array of {array.dtype} has values from {array.min()} to {array.max()}"
