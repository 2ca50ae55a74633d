"""Frames of a video, and which of them are kept."""

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..arrays import Image
from ..checks import check_count
from ..errors import InputError


class EndsBeforeError(InputError):
    """A video that has no frame in the part that was asked for."""


class Frame(NamedTuple):
    """One frame of a video.

    Attributes:
        index: its number in the whole video, from 0, also where frames before it are left out.
        time: seconds since the first frame of the video, by the timestamps of the video. It increases from frame to
            frame. In a folder of frames, whose rate is not known, it is the index.
        image: (H, W, 3) uint8 BGR, upright.
    """

    index: int  # type: ignore[assignment]  # in place of tuple.index
    time: float
    image: Image


class UnreadFrame(NamedTuple):
    """A frame whose image is made when it is asked for, since many frames are left out.

    Attributes:
        index, time: as in `Frame`.
        image: -> (H, W, 3) uint8 BGR, upright; raises `InputError` where it cannot be read.
    """

    index: int  # type: ignore[assignment]  # in place of tuple.index
    time: float
    image: Callable[[], Image]


@dataclass(frozen=True)
class VideoFacts:
    """What is known of a video before it is read.

    Attributes:
        size: (width, height) in pixels of the first frame, upright.
        rate: frames a second, on average; None: unknown.
        frame_count: as the video states it, which may be wrong; None: unknown.
        duration: seconds, as the video states it; None: unknown.
        is_live: frames come as time passes, and those that nobody takes in time are lost.
    """

    size: tuple[int, int]
    rate: float | None
    frame_count: int | None
    duration: float | None
    is_live: bool


UnreadFrames = Generator[UnreadFrame, None, None]  # closing it closes the source


class FrameReader(Protocol):
    """What reads the frames of one kind of source; errors call it ``name``."""

    name: str
    facts: VideoFacts

    def frames(self, start: float) -> UnreadFrames:
        """All frames in order, once, from one at or before ``start`` (seconds) on. Closing it closes the source.

        Raises:
            InputError: the source breaks off; names the last frame that was read.
        """

    def close(self) -> None:
        """Close a source of which no frame was read; what `frames` opens, it closes itself."""


@dataclass(frozen=True)
class Selection:
    """Which frames are kept: those with ``start`` <= time < ``end``, of these the first and each ``every``-th after it.

    Raises:
        InputError: a time that is no number or below 0, an ``end`` not after ``start``, an ``every`` below 1.
    """

    start: float | None = None
    end: float | None = None
    every: int = 1

    def __post_init__(self) -> None:
        _check_seconds("start", self.start)
        _check_seconds("end", self.end)
        check_count("every", self.every)
        if self.end is not None and self.end <= (self.start or 0):
            raise InputError(f"end must come after start, got start {self.start or 0:g} s and end {self.end:g} s.")

    def count(self, facts: VideoFacts) -> int | None:
        """How many frames are expected to be kept of a video with these facts; None: unknown."""
        if facts.frame_count is None:
            return None
        first, last = 0, facts.frame_count
        if self.start or self.end is not None:
            if facts.rate is None:
                return None
            first = min(_frames_before(self.start or 0, facts.rate), last)
            last = last if self.end is None else min(_frames_before(self.end, facts.rate), last)
        return -(-(last - first) // self.every)

    def of(self, frames: UnreadFrames, name: str) -> UnreadFrames:
        """The kept ones of ``frames``, which is closed after them.

        Raises:
            EndsBeforeError: the video ``name`` ends before ``start``.
        """
        first, last_time = None, 0.0
        try:
            for frame in frames:
                last_time = frame.time
                if frame.time < (self.start or 0):
                    continue
                if self.end is not None and frame.time >= self.end:
                    break
                first = frame.index if first is None else first
                if (frame.index - first) % self.every == 0:
                    yield frame
        finally:
            frames.close()
        if first is None and self.start:
            raise EndsBeforeError(f"{name} has no frame from {self.start:g} s on: its last is at {last_time:.3f} s.")


def _frames_before(seconds: float, rate: float) -> int:
    return math.ceil(round(seconds * rate, 6))


def _check_seconds(name: str, value: Any) -> None:
    number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    if value is not None and not (number and 0 <= value < math.inf):
        raise InputError(f"{name} must be seconds from 0 on, got {value!r:.80}.")
