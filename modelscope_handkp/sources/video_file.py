"""A video file -> frames."""

import contextlib
import os
from pathlib import Path
from typing import Any

import PIL.Image

from ..errors import InputError, MissingFileError
from ..file_kind import GIF, HEAD_BYTES, VIDEO, file_kind
from .container import Clock, facts_of, open_video_stream, read_frames
from .content import VIDEO_ADVICE
from .cut_off import is_fragmented, what_is_missing
from .frames import UnreadFrame, UnreadFrames
from .keyframes import keyframe_before
from .samples import check_samples

OPTIONS = {"protocol_whitelist": "file"}
MAX_THREADS = 4  # of a decoder; each holds a frame
SHOWN = 200  # characters of a path in an error


class VideoFile:
    """A video file. It is open only while its frames are read, so that a process may fork before.

    Raises:
        MissingFileError: no such file. MissingPackageError: no PyAV. InputError: no video that can be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fsdecode(path)
        self.name = self._path[:SHOWN]
        head = _head(self._path, self.name)
        if file_kind(head) not in (VIDEO, GIF):
            raise InputError(f"{self.name} is {file_kind(head, VIDEO_ADVICE) or 'not a video that can be read'}.")
        with Path(self._path).open("rb") as file:
            check_samples(file, self.name)
            self._missing = what_is_missing(file)
            self._is_fragmented = is_fragmented(file)
        container, stream = self._open(threads=1)
        clock = Clock(stream)
        with contextlib.closing(read_frames(container, stream, self.name, clock, self._missing)) as frames:
            height, width = next(frames).image().shape[:2]
            self.facts = facts_of(container, stream, (width, height), Path(self._path).stat().st_size)
        self._origin = clock.origin

    def frames(self, start: float) -> UnreadFrames:
        """Its frames, from a keyframe before ``start`` on where that gives the same as from the beginning."""
        # in a fragmented file libav follows what it states of other places, which check_samples has not looked at
        frames = self._from_keyframe(start) if start and not self._is_fragmented else None
        if frames is None:
            container, stream = self._open(MAX_THREADS)
            frames = read_frames(container, stream, self.name, Clock(stream), self._missing)
        return frames

    def _from_keyframe(self, start: float) -> UnreadFrames | None:
        """None: where a keyframe is, or what comes from there on, is not sure."""
        container, stream = self._open(MAX_THREADS)
        place = keyframe_before(container, stream, start, self._origin)
        if place is None:
            container.close()
            return None
        clock, expected = Clock(stream, self._origin), Clock(stream, self._origin).seconds(place.timestamp)
        frames = read_frames(container, stream, self.name, clock, self._missing, place=place)
        try:
            first = next(frames)
        except InputError:  # reading from the beginning says what is wrong
            return None
        if first.time != expected:
            frames.close()
            return None
        return _joined(first, frames)

    def close(self) -> None:
        """Nothing is open."""

    def _open(self, threads: int) -> tuple[Any, Any]:
        container, stream = open_video_stream(f"file:{self._path}", self.name, OPTIONS, missing=self._missing)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = min(threads, os.cpu_count() or 1)
        return container, stream


def _joined(first: UnreadFrame, frames: UnreadFrames) -> UnreadFrames:
    with contextlib.closing(frames):
        yield first
        yield from frames


def is_video_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a video by its content; a GIF is one if it has more than one frame."""
    try:
        kind = file_kind(_head(os.fsdecode(path), ""))
        return kind == VIDEO or (kind == GIF and _is_animated(path))
    except (InputError, MissingFileError):
        return False


def _is_animated(path: str | os.PathLike[str]) -> bool:
    try:
        with PIL.Image.open(path, formats=("GIF",)) as image:
            return bool(getattr(image, "is_animated", False))
    except Exception:  # a hostile file makes Pillow raise anything
        return False


def _head(path: str, name: str) -> bytes:
    """The first bytes of a regular file: another, such as a pipe, may never answer."""
    if not os.path.isfile(path):  # noqa: PTH113  Path.is_file raises on a name that is too long
        raise MissingFileError(f"{name} does not exist or is not a file.")
    try:
        with Path(path).open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise InputError(f"{name} cannot be opened: {error.strerror}.") from None
