"""How many samples an mp4 or mov file states, before libav makes room for them."""

import os
import re
from typing import IO

from ..errors import InputError
from .cut_off import ISO_TYPES, Element, iso_boxes

SPARE_SAMPLES = 1 << 20  # which a file may state beyond one a byte, as one with sound that is cut off does
MAX_BOXES = 1_000_000
CHUNK = 1 << 22
BOX_HEAD = 32  # bytes, of which the count is one of the last
COUNT_AT = {b"stsz": 8, b"stz2": 8, b"trun": 4}  # bytes behind the size and the type of a box
_BOXES = re.compile(rb"stsz|stz2|trun|cmov")


def check_samples(file: IO[bytes], name: str) -> None:
    """Refuse an mp4 or mov file that states more samples than it can hold: libav makes room for each, there or not.

    The boxes that state them are looked for everywhere outside the media data, as libav finds them at odd places.

    Args:
        file: any; can seek.
    Raises:
        InputError: with ``name`` and the number.
    """
    size, stated = file.seek(0, os.SEEK_END), 0
    file.seek(4)
    if file.read(4) not in ISO_TYPES:
        return
    for number, box in enumerate(iso_boxes(file)):
        if box.kind != b"mdat":
            stated += _stated_in(file, box, name)
        if stated > max(size, SPARE_SAMPLES):
            raise InputError(f"{name} states {stated} samples, which its {size} bytes cannot hold.")
        if number > MAX_BOXES:
            raise InputError(f"{name} has more than {MAX_BOXES} boxes.")


def _stated_in(file: IO[bytes], box: Element, name: str) -> int:
    """The sum of the boxes stsz, stz2 and trun in a box, of any depth (ISO/IEC 14496-12, 8.7.3 and 8.8.8)."""
    stated = 0
    for place in range(box.start, box.end, CHUNK):
        file.seek(place)
        data = file.read(min(CHUNK + BOX_HEAD, box.end - place))
        if not data:
            break
        for found in _BOXES.finditer(data):
            kind, head, start = found[0], found.start() - 4, found.end()
            length = int.from_bytes(data[max(head, 0) : head + 4], "big")
            if not 0 <= head < CHUNK:  # it is one of the chunk before, or of the next
                continue
            if 1 < length < 16 or length > box.end - box.start:  # numbers that look like its type by chance
                continue
            if kind == b"cmov":
                raise InputError(f"{name} has a compressed index, as no camera writes: convert it to mp4.")
            count = start + COUNT_AT[kind] + (8 if length == 1 else 0)  # 1: the length follows the type
            stated += int.from_bytes(data[count : count + 4], "big")
    return stated
