"""The sound of one video file in another."""

import errno
import logging
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import InputError
from ..sources.container import FORMATS
from .mp4 import import_av

OPTIONS = {"protocol_whitelist": "file", "format_whitelist": ",".join(FORMATS), "enable_drefs": "0"}  # opens no other
COPIED = {"aac", "mp3", "opus", "flac"}  # codecs that mp4 holds and browsers play
HEADERLESS = "mp3"  # of these, what needs no header of the stream; transport streams have none
RATES = (48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000)  # samples a second, of AAC in browsers
BIT_RATE = 128_000
CHUNK = 1024  # samples that are encoded at once
SEEK_MARGIN = 1  # s before the beginning, from where the sound is read
JITTER = 0.05  # s; time stamps that are this near to the sound before continue it

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

log = logging.getLogger(__name__)


class AudioTrack:
    """Adds the sound of a video file to an mp4 that is being written; a context manager that closes the video file.

    AAC, MP3, Opus and FLAC are copied, other codecs are encoded anew, as AAC in mono or stereo. A file without sound
    adds nothing. Where the sound cannot be read any more it ends, and a warning says so.

    Args:
        path: the video file.
        container: PyAV's output container, before its first packet.
    Raises:
        InputError: ``path`` is not read.
    """

    def __init__(self, path: Path, container: Any) -> None:
        av = import_av()

        self._path, self._container = path, container
        try:
            self._input = av.open(f"file:{path}", options=OPTIONS, metadata_errors="replace")
        except (av.FFmpegError, OSError) as error:
            raise InputError(f"the sound of {path} cannot be read: {error.strerror}.") from None
        self._source = next(iter(self._input.streams.audio), None)
        self._next: tuple[float, Any] | None = None
        self._parts: Iterator[tuple[float, Any]] | None = None
        self._samples = 0  # that were encoded
        video = self._input.streams.best("video")
        self._origin = Fraction(0)  # s, of the first frame by the file's own time stamps
        if video is not None and video.start_time is not None:
            self._origin = video.start_time * video.time_base
        if self._source is not None:
            self._add_stream(self._source)

    def _add_stream(self, source: Any) -> None:
        codec = source.codec_context.codec.canonical_name
        self._is_copied = codec in COPIED and (codec == HEADERLESS or bool(source.codec_context.extradata))
        if self._is_copied:
            self._target = self._container.add_stream_from_template(source, opaque=True)
            return
        rate = source.codec_context.sample_rate
        self._rate = rate if rate in RATES else RATES[0]
        self._layout = "mono" if source.codec_context.channels == 1 else "stereo"
        self._target = self._container.add_stream("aac", self._rate, bit_rate=BIT_RATE)
        self._target.codec_context.layout = self._layout

    def __enter__(self) -> "AudioTrack":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._input.close()

    def write_until(self, start: float, end: float) -> None:
        """Add what sounds before ``end``. Both are seconds since the first frame of the sound's own video file.

        Args:
            start: of the video that is written; sound before it is left out. The same in every call.
        """
        if self._source is None:
            return
        if self._parts is None:
            zero = self._origin + Fraction(start)
            self._parts = self._packets(zero) if self._is_copied else self._chunks(zero)
            self._next = next(self._parts, None)
        try:
            while self._next is not None and self._next[0] < end - start:
                if self._is_copied:
                    self._container.mux(self._next[1])
                else:
                    self._encode(*self._next)
                self._next = next(self._parts, None)
        except import_av().FFmpegError as error:
            if error.errno in DISK_ERRORS:
                raise
            log.warning(
                "the sound of %s ends here, since mp4 cannot hold what follows: %s.", self._path, error.strerror
            )
            self._next = None

    def finish(self) -> None:
        """Add what the encoder still holds."""
        if self._source is not None and not self._is_copied and self._samples:
            self._container.mux(self._target.encode(None))

    def _demux(self, zero: Fraction) -> Iterator[tuple[float, Any]]:
        """Packets from the last before ``zero`` (s, by the file's own time stamps), each with its time after it."""
        av = import_av()

        source: Any = self._source
        try:
            if zero - SEEK_MARGIN > (source.start_time or 0) * source.time_base:
                self._input.seek(round((zero - SEEK_MARGIN) / source.time_base), stream=source)
            for packet in self._input.demux(source):
                if packet.pts is None or packet.dts is None:
                    continue
                time, duration = packet.pts * packet.time_base - zero, (packet.duration or 0) * packet.time_base
                if time + 2 * duration > 0:  # decoders need the packet before the first that sounds
                    yield float(time), packet
        except (av.FFmpegError, IndexError) as error:  # IndexError: PyAV's, of a stream that begins in the middle
            log.warning("the sound of %s breaks off: %s.", self._path, error)

    def _packets(self, zero: Fraction) -> Iterator[tuple[float, Any]]:
        last = None
        for time, packet in self._demux(zero):
            shift = round(zero / packet.time_base)
            packet.pts, packet.dts, packet.stream = packet.pts - shift, packet.dts - shift, self._target
            if last is None or packet.dts > last:  # which mp4 demands
                last = packet.dts
                yield time, packet

    def _chunks(self, zero: Fraction) -> Iterator[tuple[float, Array]]:
        """Times after ``zero`` and (channels, at most `CHUNK`) samples."""
        av = import_av()

        resampler = av.AudioResampler("fltp", self._layout, self._rate)
        for _, packet in self._demux(zero):
            try:
                frames = [frame for decoded in packet.decode() for frame in resampler.resample(decoded)]
            except (av.FFmpegError, ValueError):  # ValueError: of other channels or another rate than those before
                continue  # it becomes silence
            for frame in frames:
                if frame.pts is None:
                    continue
                samples, begin = frame.to_ndarray(), float(frame.pts * frame.time_base - zero)
                for place in range(0, samples.shape[1], CHUNK):
                    yield begin + place / self._rate, samples[:, place : place + CHUNK]

    def _encode(self, time: float, samples: Array) -> None:
        """Add samples, ``time`` seconds after the beginning; silence where there is a gap before them."""
        place = round(time * self._rate)
        if self._samples and abs(place - self._samples) <= JITTER * self._rate:
            place = self._samples
        samples = samples[:, max(0, self._samples - place) :]
        for begin in range(self._samples, place, self._rate):
            self._encode_next(np.zeros((len(samples), min(place - begin, self._rate)), np.float32))
        if samples.shape[1]:
            self._encode_next(samples)

    def _encode_next(self, samples: Array) -> None:
        frame = import_av().AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._samples, Fraction(1, self._rate)
        self._samples += samples.shape[1]
        self._container.mux(self._target.encode(frame))
