"""Whether a video file is whole, by the sizes that its outermost elements state."""

import os
from collections.abc import Iterator
from typing import IO

MAX_ELEMENTS = 100_000  # that are looked at
MISCOUNTED = 8  # bytes, which some programs count that should not
ISO_TYPES = {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"mfra", b"sidx", b"free", b"skip", b"wide", b"uuid", b"pnot"}
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def what_is_missing(file: IO[bytes]) -> str:
    """What a file lacks, such as "500 of its 1000 bytes are there", or "" where nothing tells that it lacks any.

    mp4, mov, avi, mkv and webm state their size, unless they were sent while they were recorded; others do not.

    Args:
        file: can seek.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(8)
    is_iso = head[4:] in ISO_TYPES
    walk = _riff if head[:4] == b"RIFF" else _ebml if head[:4] == EBML else _iso
    elements = list(walk(file, size))
    kinds, end = {kind for kind, _ in elements}, max((end for _, end in elements), default=0)
    if end > size + MISCOUNTED:
        return f"{size} of its {end} bytes are there"
    if is_iso and end == size and not kinds & {b"moov", b"moof"}:
        return "it has no index, the moov box, which may be written last"
    return ""


def _iso(file: IO[bytes], size: int) -> Iterator[tuple[bytes, int]]:
    """The type and the end of each box (ISO/IEC 14496-12, 4.2), up to the first that is of no known type."""
    place = 0
    for _ in range(MAX_ELEMENTS):
        file.seek(place)
        head = file.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if kind not in ISO_TYPES:
            return
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        place = place + length if length >= 8 else size  # 0: up to the end of the file
        yield kind, place
        if place >= size:
            return


def _riff(file: IO[bytes], size: int) -> Iterator[tuple[bytes, int]]:
    """The type and the end of each RIFF chunk: an AVI file of more than a gigabyte has several."""
    place = 0
    for _ in range(MAX_ELEMENTS):
        file.seek(place)
        head = file.read(8)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] != b"RIFF" or not 0 < length < 0xFFFFFFFF:  # as a camera leaves it until it has written all
            return
        place += 8 + length
        yield head[:4], place
        place += length % 2
        if place >= size:
            return


def _ebml(file: IO[bytes], size: int) -> Iterator[tuple[bytes, int]]:
    """The identifier and the end of each element (RFC 8794, 4 to 6), up to the first without a stated size."""
    place = 0
    for _ in range(MAX_ELEMENTS):
        file.seek(place)
        head = file.read(12)
        if head[:4] not in (EBML, SEGMENT) or len(head) < 12:
            return
        width = 9 - head[4].bit_length()  # of the size, whose leading bits tell it
        unknown = (1 << 7 * width) - 1
        length = int.from_bytes(head[4 : 4 + width], "big") & unknown
        if length == unknown or width > 8:
            return
        place += 4 + width + length
        yield head[:4], place
        if place >= size:
            return
