"""Containers of video -> decoded frames, by PyAV. Nothing that a container names is opened."""

import errno
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

from ..errors import InputError, MissingPackageError
from .frame_images import Converter
from .frames import UnreadFrame, UnreadFrames, VideoFacts
from .packet_numbers import PacketNumbers, packets_are_frames
from .pixels import MAX_PIXELS

FORMATS = (  # libav's demuxers, without those that open what a file names: hls, dash, concat, sdp, image2
    *("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "gif", "mpegts", "mpeg", "mpegvideo", "flv", "asf", "ogg"),
)
MAX_RATE = 1000  # frames a second; a container that does not know its rate may state its unit of time
MICROSECONDS = 1e6
MAX_THREADS = 4  # each holds a frame
LATE = "it did not answer in time"


def open_video_stream(
    url: str,
    name: str,
    options: dict[str, str],
    formats: tuple[str, ...] = FORMATS,
    timeout: tuple[float, float] | None = None,
    missing: str = "",
) -> tuple[Any, Any]:
    """An open `av.container.InputContainer` and its stream of video, ready to be decoded.

    Args:
        url: with its protocol, "file:" for one.
        name: what errors call it.
        options: of its protocol, with ``protocol_whitelist``.
        formats: libav's demuxers that may read it.
        timeout: seconds to open it, and to read a packet; None: it may take for ever.
        missing: why it cannot be opened, where that is known; "": libav says it.
    Raises:
        MissingPackageError: no PyAV. InputError: nothing that these demuxers read, no video, or one without a decoder.
    """
    try:
        import av
    except ImportError:
        raise MissingPackageError(
            f"{name} is a video, which needs PyAV: pip install 'modelscope-handkp[video]'."
        ) from None
    options = {**options, "format_whitelist": ",".join(formats), "max_pixels": str(MAX_PIXELS), "enable_drefs": "0"}
    start = time.monotonic()
    try:
        container = av.open(url, options=options, metadata_errors="replace", timeout=timeout)
    except (av.error.FFmpegError, ValueError) as error:  # ValueError: a name with a null character
        is_late = timeout is not None and time.monotonic() - start >= timeout[0]
        reason = missing or (LATE if is_late else _reason(error))
        raise InputError(f"{name} is not a video that can be read: {reason}.") from None
    try:
        return container, _video_stream(container, name)
    except BaseException:
        container.close()
        raise


def _reason(error: Exception) -> str:
    from av.error import ExitError

    return (
        "it did not answer in time" if isinstance(error, ExitError) else getattr(error, "strerror", None) or str(error)
    )


def _video_stream(container: Any, name: str) -> Any:
    from av.stream import Disposition

    stills = Disposition.attached_pic | Disposition.timed_thumbnails  # the cover of a song, the images of chapters
    videos = [stream for stream in container.streams.video if not stream.disposition & stills]
    if not videos:
        kinds = sorted({stream.type for stream in container.streams if stream.type != "video"})
        raise InputError(f"{name} has no video{', only ' + ' and '.join(kinds) if kinds else ''}.")
    best = container.streams.best("video")
    stream = best if best in videos else videos[0]
    if stream.codec_context is None:
        raise InputError(f"{name} has video of a codec that PyAV does not decode.")
    stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    return stream


def facts_of(
    container: Any, stream: Any, size: tuple[int, int], byte_count: int | None, is_live: bool = False
) -> VideoFacts:
    """What a container states of its video. A count of frames above that of its bytes is left out.

    Args:
        size: (width, height) of the first frame.
        byte_count: of the file; None: unknown.
    """
    rate = float(average_rate(stream) or 0) or None
    duration = None
    if stream.duration and stream.time_base:
        duration = float(stream.duration * stream.time_base)
    elif container.duration:
        duration = container.duration / MICROSECONDS
    duration = duration if duration and duration > 0 else None
    count = stream.frames or (round(duration * rate) if duration and rate else 0)
    is_possible = count > 0 and (byte_count is None or count <= byte_count)
    return VideoFacts(size, rate, count if is_possible and not is_live else None, duration, is_live)


def average_rate(stream: Any) -> Fraction | None:
    """Frames a second; None where the container states none, or more than `MAX_RATE`."""
    rate = stream.average_rate or stream.guessed_rate
    return rate if rate and 0 < rate <= MAX_RATE else None


@dataclass(frozen=True)
class Place:
    """A frame where reading begins.

    Attributes:
        index: of the frame, in the whole video.
        timestamp: of the frame; those before it are left out.
    """

    index: int
    timestamp: int


def read_frames(
    container: Any,
    stream: Any,
    name: str,
    clock: "Clock",
    missing: str = "",
    is_live: bool = False,
    place: Place | None = None,
) -> UnreadFrames:
    """The frames of a stream in the order in which they are shown. The container is closed after them.

    Args:
        missing: what is known of the end of the file, such as "500 of its 1000 bytes are there"; "": it is whole.
        is_live: packets that cannot be decoded are normal, as those before the first whole frame.
        place: where to begin; None: the container is at its beginning.
    Raises:
        InputError: the last frame that can be read is not the last of the video; or none can be read.
    """
    numbers = PacketNumbers(place.index if place else 0, packets_are_frames(container, stream))
    decoding, convert = _Decoding(container, stream, numbers, missing, is_live), Converter(name)
    index, seconds = -1, 0.0
    try:
        if place:
            container.seek(place.timestamp, stream=stream)
        for frame in decoding.frames():
            if place and (frame.pts is None or frame.pts < place.timestamp):
                continue
            index, seconds = numbers.number(frame.pts), clock.seconds(frame.pts)
            yield UnreadFrame(index, seconds, partial(convert.image, frame, index))
    finally:
        container.close()
    if index < 0:
        because = f" ({decoding.missing})" if decoding.missing else ""
        raise InputError(f"{name} has no frame of 1 to {MAX_PIXELS} pixels that can be decoded{because}.")
    last = f"the last frame that can be read is {index}, at {seconds:.3f} s"
    if decoding.missing:
        raise InputError(f"{name} is cut off: {last} ({decoding.missing}).")
    if decoding.damaged and not is_live:
        raise InputError(f"{name} is damaged: {decoding.damaged} of its packets cannot be decoded; {last}.")


class _Decoding:
    """The decoding of a stream, which goes on behind what cannot be decoded.

    Attributes:
        missing: why the end is not there; "": it is.
        damaged: packets that could not be decoded.
    """

    def __init__(self, container: Any, stream: Any, numbers: PacketNumbers, missing: str, is_live: bool) -> None:
        self.missing, self.damaged = missing, 0
        self._container, self._stream, self._numbers, self._is_live = container, stream, numbers, is_live

    def frames(self) -> Iterator[Any]:
        """`av.VideoFrame`s in the order in which they are shown."""
        from av.error import FFmpegError

        for packet in self._packets():
            self._numbers.add(packet)
            if packet is not None and packet.is_corrupt and self.missing:  # its part before the file is cut off
                continue
            try:
                frames = self._stream.decode(packet)
            except FFmpegError:
                self.damaged += 1
                continue
            yield from frames

    def _packets(self) -> Iterator[Any]:
        """Packets; the last, empty or None, lets go of the frames that the decoder holds."""
        from av.error import FFmpegError

        try:
            yield from self._container.demux(self._stream)
        except FFmpegError as error:
            if not (self._is_live and error.errno == errno.EIO):  # as libav has the end of what states no length
                self.missing = self.missing or _reason(error)
            yield None


class Clock:
    """Timestamps -> seconds since the first frame, which increase from frame to frame.

    A frame without a timestamp, or with one that is not after the last, as in a file of two that were put together,
    follows the last by one frame at the average rate.

    Args:
        stream: whose timestamps they are.
        origin: the timestamp of the first frame of the video; None: that of the first frame that comes.
    """

    def __init__(self, stream: Any, origin: int | None = None) -> None:
        rate = average_rate(stream)
        self.origin = origin
        self._unit: Fraction = stream.time_base
        self._step = 1 / rate if rate else self._unit
        self._last: Fraction | None = None

    def seconds(self, timestamp: int | None) -> float:
        """The time of the next frame, from its timestamp."""
        next_time = Fraction(0) if self._last is None else self._last + self._step
        if timestamp is not None:
            if self.origin is None:
                self.origin = timestamp - round(next_time / self._unit)
            time = (timestamp - self.origin) * self._unit
            next_time = time if self._last is None or time > self._last else next_time
        self._last = next_time
        return float(next_time)
