"""Videos, cameras, streams and folders of frames -> frames, one at a time."""

import os
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..errors import InputError
from .camera import Camera
from .frames import Frame, FrameReader, Selection, UnreadFrames
from .frames_folder import FramesFolder
from .newest import newest
from .video_file import VideoFile, is_video_file
from .video_url import VideoUrl, has_scheme, is_video_url

__all__ = ["Frame", "Video", "is_video", "open_video"]


def open_video(source: Any, start: float | None = None, end: float | None = None, every: int = 1) -> "Video":
    """Open what gives frames.

    Args:
        source: one of
            - a video file, known by its content: mp4, mov, avi, mkv, webm, an animated GIF, MPEG, flv, wmv, ogg;
            - the number of a camera, from 0;
            - a URL: rtsp, rtmp or udp, or http(s) of a video or a stream. Playlists (HLS, DASH) are not followed, since
              they name other addresses;
            - a folder of images, in the order of their names, in which frame2 comes before frame10.
        start, end: seconds since the first frame; frames with start <= time < end are given. In a folder, whose rate is
            not known, they are indices. None: from the beginning, to the end.
        every: of these, the first and each every-th frame after it.
    Returns:
        A `Video`. Its first frame has been read, so that what cannot be read is refused here.
    Raises:
        MissingFileError: no such file or folder. MissingPackageError: PyAV is not installed (files and URLs).
        InputError: no video that can be read, or an argument out of range.
    """
    selection = Selection(start, end, every)
    return Video(source, _reader(source), selection)


def is_video(source: str | Path) -> bool:
    """Whether `open_video` is what reads it: a video file by its content, or the URL of a video or stream.

    A GIF is a video if it has more than one frame. Any http(s) URL is one that ends as video files do; rtsp, rtmp and
    udp URLs always are. Folders and images are none.
    """
    if isinstance(source, str) and has_scheme(source):
        return is_video_url(source)
    return isinstance(source, (str, os.PathLike)) and is_video_file(source)


class Video:
    """The frames of a video: a context manager that is iterated once. Only the current frame is in memory.

    A video that breaks off gives the frames that can be read; then iterating raises `InputError`, which names the last
    of them. Where the resolution changes, each frame has its own. Pixels that are not square are not stretched, and
    high dynamic range is not tone-mapped. A camera or stream gives the newest frame each time: those that came
    meanwhile are left out, and counted by ``index``.

    Attributes:
        source: as it was passed.
        name: of the source, in errors.
        size: (width, height) in pixels of the first frame, upright.
        rate: frames a second of the whole video, on average; None: unknown, as in a folder.
        frame_count: how many frames iterating is expected to give, estimated from what the file states; None: unknown.
        duration: seconds of the whole video, as the file states it; None: unknown.
        is_live: it is a camera or a stream.
    """

    def __init__(self, source: Any, reader: FrameReader, selection: Selection) -> None:
        facts = reader.facts
        self.source, self.name = source, reader.name
        self.size, self.rate, self.duration, self.is_live = facts.size, facts.rate, facts.duration, facts.is_live
        self.frame_count = selection.count(facts)
        self._reader, self._selection = reader, selection
        self._frames: UnreadFrames | None = None
        self._is_over, self._process = False, os.getpid()

    def __iter__(self) -> "Video":
        """The video itself: it is read once.

        Raises:
            InputError: it is closed or was read to its end.
        """
        if self._is_over:
            raise InputError(f"{self.name} was read to its end or is closed: open it again.")
        return self

    def __next__(self) -> Frame:
        """The next frame. After an error of one image of a folder, the next is that of the next image.

        Raises:
            InputError: a frame that cannot be read, or the video breaks off.
        """
        if self._is_over:
            raise StopIteration
        if self._frames is None:
            self._process = os.getpid()
            frames = self._selection.of(self._reader.frames(self._selection.start or 0.0), self.name)
            self._frames = newest(frames) if self.is_live else frames
        if self._process != os.getpid():
            raise InputError(f"{self.name} is read by another process, of which this is a fork: open it here.")
        try:
            frame = next(self._frames)
        except BaseException:
            self._is_over = True
            raise
        return Frame(frame.index, frame.time, frame.image())

    def __enter__(self) -> "Video":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, camera or stream. What is closed gives no more frames."""
        self._is_over = True
        (self._frames or self._reader).close()


def _reader(source: Any) -> FrameReader:
    if isinstance(source, (int, np.integer)) and not isinstance(source, bool):
        return Camera(int(source))
    if isinstance(source, str) and has_scheme(source):
        return VideoUrl(source)
    if isinstance(source, (str, os.PathLike)):
        return FramesFolder(source) if os.path.isdir(source) else VideoFile(source)  # noqa: PTH112  as in images.py
    raise InputError(
        "a video is the path of a file or of a folder of frames, a URL or the number of a camera, "
        f"not a {type(source).__name__}."
    )
