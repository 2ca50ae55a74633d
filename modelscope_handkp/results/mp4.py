"""mp4 files that play even where their writing broke off, and their final form."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from ..errors import MissingPackageError
from ..files import open_atomically

TICKS = 90_000  # of the time stamps of a video, a second; MPEG's own
PROBE = 1 << 20  # bytes that are tried on a disk that is full
# While it is written, the file is a row of fragments of a second, each with its own index. Edit lists need delay_moov.
FRAGMENTED: Mapping[str, str] = MappingProxyType(
    {
        "movflags": "+frag_keyframe+delay_moov+default_base_moof",
        "frag_duration": "1000000",
        "flush_packets": "1",  # a fragment goes to the disk at once
        "video_track_timescale": str(TICKS),
    }
)
# In the end one index stands before the data, so that browsers play it while it comes.
FASTSTART: Mapping[str, str] = MappingProxyType({"movflags": "+faststart", "video_track_timescale": str(TICKS)})


def import_av() -> Any:
    """PyAV.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import av
    except ImportError:
        raise MissingPackageError("writing a video needs PyAV: pip install 'modelscope-handkp[video]'.") from None
    return av


def write_faststart(fragments: Path, path: Path) -> None:
    """Copy the streams of the file ``fragments`` to an mp4 with its index before the data; whole or not at all.

    Raises:
        OSError: the disk is full. av.FFmpegError: ``fragments`` is not read.
    """
    av = import_av()
    with open_atomically(path) as file:
        with (
            av.open(f"file:{fragments}") as source,
            av.open(f"file:{file.name}", "w", format="mp4", container_options=dict(FASTSTART)) as target,
        ):
            streams = [target.add_stream_from_template(stream, opaque=True) for stream in source.streams]
            for packet in source.demux():
                if packet.dts is not None:  # the last packet of a stream is an empty one
                    packet.stream = streams[packet.stream.index]
                    target.mux(packet)
        kinds, end = _boxes(Path(file.name))
        if b"moov" not in kinds or end < os.fstat(file.fileno()).st_size:
            _raise_full(Path(file.name))


def check_whole(fragments: Path) -> None:
    """FFmpeg does not tell when it closes a file that the disk has no room for.

    Raises:
        OSError: ``fragments`` has no index at its end, which is written last.
    """
    if fragments.stat().st_size and _boxes(fragments)[0][-1:] != [b"mfra"]:
        _raise_full(fragments)


def cut_to_whole_fragments(path: Path) -> int:
    """Cut what follows the last whole fragment off; returns the bytes that stay."""
    _, end = _boxes(path, last=(b"mdat", b"mfra"))  # a fragment ends with its data, the file with an index
    with path.open("r+b") as file:
        file.truncate(end)
    return end


def _boxes(path: Path, last: tuple[bytes, ...] = ()) -> tuple[list[bytes], int]:
    """The kinds of the whole boxes at the top of a file (ISO/IEC 14496-12) and where they end, if need be with one of
    a kind in ``last``."""
    kinds, place, end, size = [], 0, 0, path.stat().st_size
    with path.open("rb") as file:
        while place + 8 <= size:
            file.seek(place)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if length == 1:  # 64 bits follow
                length = int.from_bytes(head[8:], "big")
            place += length
            if length < 8 or place > size:
                break
            kinds.append(kind)
            if not last or kind in last:
                end = place
    return kinds, end


def _raise_full(path: Path) -> NoReturn:
    """Raise what writing more to the file raises."""
    with path.open("ab") as file:
        file.write(bytes(PROBE))
    raise OSError(errno.EIO, "not all of it could be written")
