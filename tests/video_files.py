"""Videos whose frames show their own numbers."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

DIGITS, BASE, STEP = 4, 8, 32  # a frame is four upright stripes, each as bright as a digit of its number
CODECS = {".avi": "mpeg4", ".webm": "libvpx-vp9", ".gif": "gif"}
PIXELS = {".gif": "rgb8"}


def numbered(number: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    """The image of a frame, (H, W, 3) uint8; 0 <= number < 4096."""
    digits = [number // BASE**place % BASE for place in reversed(range(DIGITS))]
    row = np.repeat(np.array(digits, np.uint8) * STEP + STEP // 2, -(-size[0] // DIGITS))[: size[0]]
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (size[1], size[0], 3)))


def number_of(image: np.ndarray) -> int:
    """The number that an upright frame shows."""
    height, width = image.shape[:2]
    middles = (np.arange(DIGITS) * 2 + 1) * -(-width // DIGITS) // 2
    digits = [int(image[height // 4 : -(height // 4), middle - 1 : middle + 2].mean()) // STEP for middle in middles]
    return sum(digit * BASE**place for place, digit in enumerate(reversed(digits)))


def write_video(
    path: Path,
    count: int = 20,
    size: tuple[int, int] = (64, 48),
    codec: str | None = None,
    pixels: str | None = None,
    rate: int = 25,
    timestamps: Sequence[int] | None = None,
    unit: Fraction | None = None,
    rotation: tuple[Any, ...] | None = None,
    options: dict[str, str] | None = None,
    container: dict[str, str] | None = None,
    images: Sequence[np.ndarray] | None = None,
    title: str = "",
) -> Path:
    """Write a video of `numbered` frames, or of ``images`` (H, W, 3) BGR.

    ``timestamps`` are in ``unit`` seconds; ``rotation`` is what PyAV's set_display_rotation takes.
    """
    import av

    with av.open(str(path), "w", options=container or {}) as file:
        file.metadata["title"] = title
        stream = file.add_stream(codec or CODECS.get(path.suffix, "libx264"), rate=rate, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = pixels or PIXELS.get(path.suffix, "yuv420p")
        stream.codec_context.time_base = unit or Fraction(1, rate)
        if rotation:
            stream.set_display_rotation(*rotation)
        for index in range(count if images is None else len(images)):
            image = numbered(index, size) if images is None else images[index]
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts = index if timestamps is None else timestamps[index]
            frame.time_base = unit or Fraction(1, rate)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path
