"""A folder of images -> frames, in the order of their names."""

import os
import re
from functools import partial
from pathlib import Path

from ..arrays import Image
from ..errors import HandkpError, InputError
from .frames import UnreadFrame, UnreadFrames, VideoFacts
from .images import load_image
from .listing import images_in

_NUMBER = re.compile(r"(\d+)")


class FramesFolder:
    """The images of a folder as the frames of a video whose rate is not known.

    Raises:
        MissingFileError: no image in it. InputError: the first image is broken.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.name = os.fsdecode(folder)
        self._files = sorted(images_in(self.name), key=_natural)
        if not self._files:
            load_image(folder)  # which says what is there instead
        height, width = _image(0, self._files[0]).shape[:2]
        self.facts = VideoFacts((width, height), rate=None, frame_count=len(self._files), duration=None, is_live=False)

    def frames(self, start: float) -> UnreadFrames:
        """Its frames; ``start`` is an index, as time is."""
        for index, file in enumerate(self._files):
            yield UnreadFrame(index, float(index), partial(_image, index, file))

    def close(self) -> None:
        """Nothing is open."""


def _natural(file: str) -> tuple[list[tuple[bool, int, str]], str]:
    """Sorts by name, and numbers in it by their value: frame2 comes before frame10."""
    parts = [part for part in _NUMBER.split(Path(file).stem.lower()) if part]
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts], file


def _image(index: int, file: str) -> Image:
    try:
        return load_image(file)
    except HandkpError as error:
        raise InputError(f"frame {index} cannot be read: {error}") from None
