"""Whether a video file is whole, by the sizes that its outermost elements state."""

import os
from collections.abc import Iterator
from typing import IO, NamedTuple

MAX_ELEMENTS = 1_000_000  # that are looked at
MISCOUNTED = 8  # bytes, which some programs count that should not
ISO_TYPES = {b"ftyp", b"styp", b"moov", b"moof", b"mdat", b"mfra", b"sidx", b"free", b"skip", b"wide", b"uuid", b"pnot"}
FRAGMENTS = {b"moof", b"sidx", b"mfra"}
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
GIF_IMAGE, GIF_EXTENSION, GIF_END = b",", b"!", b";"


class Element(NamedTuple):
    """An outermost element of a file: what it is, and the bytes from ``start`` to ``end`` that it states."""

    kind: bytes
    start: int
    end: int


def what_is_missing(file: IO[bytes]) -> str:
    """What a file lacks, such as "500 of its 1000 bytes are there", or "" where nothing tells that it lacks any.

    mp4, mov, avi, mkv, webm and GIF state it, unless they were sent while they were recorded; others do not.

    Args:
        file: can seek.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(8)
    if head[4:] in ISO_TYPES:
        boxes = list(iso_boxes(file))
        if boxes[-1].end >= size and not {box.kind for box in boxes} & {b"moov", b"moof"}:
            return "its index, the moov box, is not there, which is written last"
        return _beyond([box for box in boxes if box.kind in ISO_TYPES], size)
    if head[:4] == b"RIFF":
        return _beyond(_riff(file, size), size)
    if head[:4] == EBML:
        return _beyond(_ebml(file, size), size)
    if head[:4] == b"GIF8":
        return "" if _gif_ends(file, size) else "its end is not there"
    return ""


def is_fragmented(file: IO[bytes]) -> bool:
    """Whether it is an mp4 in parts, each with its own index, as it is sent while it is recorded."""
    file.seek(4)
    return file.read(4) in ISO_TYPES and any(box.kind in FRAGMENTS for box in iso_boxes(file))


def iso_boxes(file: IO[bytes]) -> Iterator[Element]:
    """The outermost boxes of mp4 and mov (ISO/IEC 14496-12, 4.2)."""
    size, place = file.seek(0, os.SEEK_END), 0
    while place < size:
        file.seek(place)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        end = place + length if length >= 8 else size  # 0: up to the end of the file
        yield Element(head[4:8], place, end)
        place = end


def _beyond(elements: list[Element], size: int) -> str:
    end = max((element.end for element in elements), default=0)
    return f"{size} of its {end} bytes are there" if end > size + MISCOUNTED else ""


def _riff(file: IO[bytes], size: int) -> list[Element]:
    """The RIFF chunks: an AVI file of more than a gigabyte has several."""
    chunks: list[Element] = []
    place = 0
    while place < size and len(chunks) < MAX_ELEMENTS:
        file.seek(place)
        head = file.read(8)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] != b"RIFF" or not 0 < length < 0xFFFFFFFF:  # as a camera leaves it until it has written all
            break
        chunks.append(Element(head[:4], place, place + 8 + length))
        place += 8 + length + length % 2
    return chunks


def _ebml(file: IO[bytes], size: int) -> list[Element]:
    """The head and the segments, up to one without a stated size (RFC 8794, 4 to 6)."""
    elements: list[Element] = []
    place = 0
    while place < size and len(elements) < MAX_ELEMENTS:
        file.seek(place)
        head = file.read(12).ljust(12, b"\0")
        width = 9 - head[4].bit_length()  # of the size, whose leading bits tell it
        unknown = (1 << 7 * width) - 1
        length = int.from_bytes(head[4 : 4 + width], "big") & unknown
        if head[:4] not in (EBML, SEGMENT) or width > 8 or length == unknown:
            break
        elements.append(Element(head[:4], place, place + 4 + width + length))
        place = elements[-1].end
    return elements


def _gif_ends(file: IO[bytes], size: int) -> bool:
    """Whether a GIF goes on to its trailer (GIF89a, 18 to 27), or is too long to tell."""
    file.seek(0)
    _skip_colours(file, file.read(13)[10:11])
    for _ in range(MAX_ELEMENTS):
        kind = file.read(1)
        if kind == GIF_END:
            return True
        if kind == GIF_IMAGE:
            _skip_colours(file, file.read(9)[8:9])
            file.seek(1, os.SEEK_CUR)
        elif kind == GIF_EXTENSION:
            file.seek(1, os.SEEK_CUR)
        else:
            return kind != b""  # no block of a GIF
        while length := file.read(1)[:1].ljust(1, b"\0")[0]:
            file.seek(length, os.SEEK_CUR)
        if file.tell() > size:
            return False
    return True


def _skip_colours(file: IO[bytes], flags: bytes) -> None:
    if flags and flags[0] & 0x80:
        file.seek(3 << (flags[0] & 7) + 1, os.SEEK_CUR)
