"""Frames -> an mp4 that plays in browsers."""

import logging
import math
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ..arrays import Image
from ..checks import check_count
from ..errors import InputError, MissingFileError, MissingPackageError
from ..files import TEMPORARY
from .audio import AudioTrack
from .mp4 import FRAGMENTED, TICKS, check_whole, cut_to_whole_fragments, import_av, write_faststart

DEFAULT_RATE = 30  # frames a second, where none is known: what the encoder plans with
MIN_RATE, MAX_RATE = 0.01, 1000  # frames a second
MAX_GAP = 20_000  # s; FFmpeg has 31 bits for the ticks between two frames of mp4
MAX_SIDE = 16_384  # pixels; of the H.264 encoders
ENCODERS = {  # H.264 encoders of PyAV's builds, best first, with their options
    "libx264": {"preset": "veryfast", "crf": "20"},
    "h264_videotoolbox": {},
    "h264_mf": {},
    "libopenh264": {},
}
BITS_PER_PIXEL = 0.15  # of a frame, for encoders that have no constant quality
BT709 = 1  # H.264 annex E: colour primaries, transfer and matrix


log = logging.getLogger(__name__)


class VideoWriter:
    """Writes frames as H.264 in an mp4: yuv420p, BT.709, the index before the data, each frame at its own time.

    A context manager. The file appears when the block ends; whatever ends it, an error or Ctrl-C, the frames before
    are kept as a file that plays. Without a frame there is no file, and one that was there stays as it was. Memory
    does not grow with the video but for its index.

    Args:
        path: ends in ``.mp4``.
        size: width, height of the images in pixels. Where one is odd, the last column or row is written twice, since
            H.264 in 4:2:0 has even sizes.
        rate: frames a second, which the encoder plans with and the last frame is shown for: the times say when each
            frame is shown. None: not known; the last frame is shown for as long as the one before.
        audio_from: a video file whose sound is kept, cut to the time from the first to the last frame; where it has
            none, there is none. None: no sound.
    Attributes:
        count: frames that were written.
    Raises:
        InputError: another ending, a size beyond 16384 pixels, a rate that is not positive, or an ``audio_from`` that
            is not read; ``path`` is a folder or a device.
        MissingFileError: the folder of ``path`` or ``audio_from`` is not there.
        MissingPackageError: PyAV is not installed, or its build has no encoder for H.264.
        OSError: the file cannot be written, or the disk is full; the frames before are kept where there is one.
    """

    def __init__(
        self,
        path: str | Path,
        size: tuple[int, int],
        rate: float | None = None,
        audio_from: str | Path | None = None,
    ) -> None:
        self.path, self.count = Path(path), 0
        self._width, self._height = _checked_size(size)
        self._rate = _checked_rate(rate)
        self._audio_from = None if audio_from is None else Path(audio_from)
        _check_path(self.path, self._audio_from)
        self._partial = self.path.with_name(f".{self.path.name}.{os.getpid()}.fragments{TEMPORARY}")
        self._open: ExitStack | None = None  # the container and the sound, inside the block
        self._start: float | None = None  # s, the time of the first frame
        self._waiting: Any = None  # the frame before, whose duration is known when the next comes
        self._last_duration = round(TICKS / (self._rate or DEFAULT_RATE))  # ticks

    def __enter__(self) -> "VideoWriter":
        av = import_av()
        encoder = _encoder(av)
        self._partial.touch()  # here rather than at the first frame, where it cannot be written
        try:
            with ExitStack() as opened:
                output = av.open(f"file:{self._partial}", "w", format="mp4", container_options=dict(FRAGMENTED))
                self._container = opened.enter_context(output)
                self._stream = self._add_stream(encoder)
                self._audio = None
                if self._audio_from is not None:
                    self._audio = opened.enter_context(AudioTrack(self._audio_from, self._container))
                self._open = opened.pop_all()
        except BaseException:
            self._partial.unlink(missing_ok=True)
            raise
        self._to_yuv = av.video.reformatter.VideoReformatter()
        return self

    def _add_stream(self, encoder: str) -> Any:
        rate = self._rate or DEFAULT_RATE
        stream = self._container.add_stream(encoder, Fraction(rate).limit_denominator(1001), ENCODERS[encoder])
        stream.width, stream.height = self._width + self._width % 2, self._height + self._height % 2
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = Fraction(1, TICKS)
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.flags |= import_av().codec.context.Flags.frame_duration
        context.max_b_frames = 0  # frames are stored in the order of their times, so that each fragment is whole
        if "crf" not in ENCODERS[encoder]:
            context.bit_rate = round(BITS_PER_PIXEL * self._width * self._height * rate)
        return stream

    def write(self, image: Image, time: float) -> None:
        """Add a frame.

        Args:
            image: (H, W, 3) uint8 BGR of the writer's size.
            time: s, on the clock of ``audio_from``: 0 is its first frame. The video begins at the first frame's time. A
                time that is not after the one before is written a 90,000th of a second after it.
        Raises:
            InputError: another size, another kind of array, or a time that is no number or 20,000 s after the last; or
                the writer's block is not entered.
            OSError: the disk is full.
        """
        if self._open is None:
            raise InputError(f"{self.path} is written inside 'with VideoWriter(...) as writer:'.")
        frame = self._frame(image, time)
        if self._waiting is not None:
            if frame.pts - self._waiting.pts > MAX_GAP * TICKS:
                raise InputError(f"{self.path}: a frame at {time} s is more than {MAX_GAP} s after the one before.")
            frame.pts = max(frame.pts, self._waiting.pts + 1)
            duration = frame.pts - self._waiting.pts
            self._last_duration = duration if self._rate is None else self._last_duration
            self._encode_waiting(duration)
        self._waiting = frame
        self.count += 1

    def _frame(self, image: Image, time: float) -> Any:
        expected = (self._height, self._width, 3)
        if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape != expected:
            got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else f"a {type(image).__name__}"
            raise InputError(f"{self.path} takes frames of shape {expected} uint8 BGR, not {got}.")
        if not isinstance(time, (int, float, np.integer, np.floating)) or not math.isfinite(time):
            raise InputError(f"a frame's time must be a number of seconds, got {time!r:.80}.")
        if self._start is None:
            self._start = float(time)
        odd = self._height % 2, self._width % 2
        even = np.pad(image, ((0, odd[0]), (0, odd[1]), (0, 0)), "edge") if any(odd) else np.ascontiguousarray(image)
        frame = import_av().VideoFrame.from_ndarray(even, "bgr24")
        frame = self._to_yuv.reformat(frame, format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        frame.pts, frame.time_base = round((time - self._start) * TICKS), Fraction(1, TICKS)
        return frame

    def _encode_waiting(self, duration: int) -> None:
        """Encode the frame before, which is shown for ``duration`` ticks."""
        frame, self._waiting = self._waiting, None
        frame.duration = duration
        with _named(self.path):
            self._container.mux(self._stream.encode(frame))
            if self._audio is not None and self._start is not None:
                self._audio.write_until(self._start, self._start + (frame.pts + frame.duration) / TICKS)

    def _finish(self) -> None:
        """Write what is still held and close the file of fragments."""
        opened, self._open = self._open or ExitStack(), None
        with _named(self.path):
            with opened:
                if self._waiting is not None:
                    self._encode_waiting(self._last_duration)
                if self.count:
                    self._container.mux(self._stream.encode(None))
                    if self._audio is not None:
                        self._audio.finish()
            check_whole(self._partial)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        failure: BaseException | None = None
        try:
            try:
                self._finish()
            except BaseException as stopped:
                failure = stopped
            if cut_to_whole_fragments(self._partial):
                self._publish()
        finally:
            self._partial.unlink(missing_ok=True)
        if failure is not None and error is None:
            raise failure

    def _publish(self) -> None:
        """Bring the file of fragments to its place, in its final form or, where that fails, as it is: it plays, too."""
        try:
            write_faststart(self._partial, self.path)
        except BaseException as error:
            self._partial.replace(self.path)
            if not isinstance(error, (OSError, import_av().FFmpegError)):
                raise
            log.warning("%s is kept in fragments, in which some players cannot seek: %s", self.path, error)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of FFmpeg say which file they are of."""
    try:
        yield
    except (OSError, import_av().FFmpegError) as error:
        raise OSError(getattr(error, "errno", None), error.strerror, str(path)) from None


def _checked_size(size: tuple[int, int]) -> tuple[int, int]:
    if not isinstance(size, (tuple, list)) or len(size) != 2:
        raise InputError(f"size must be width and height, got {size!r:.80}.")
    width, height = check_count("the width of a video", size[0]), check_count("the height of a video", size[1])
    if max(width, height) > MAX_SIDE:
        raise InputError(f"a video has at most {MAX_SIDE} x {MAX_SIDE} pixels, not {width} x {height}.")
    return width, height


def _checked_rate(rate: float | None) -> float | None:
    if rate is None:
        return None
    is_number = isinstance(rate, (int, float, Fraction, np.integer, np.floating)) and not isinstance(rate, bool)
    if not is_number or not MIN_RATE <= rate <= MAX_RATE:
        raise InputError(f"rate must be frames a second, {MIN_RATE} to {MAX_RATE}, got {rate!r:.80}.")
    return float(rate)


def _check_path(path: Path, audio_from: Path | None) -> None:
    if path.suffix.lower() != ".mp4":
        raise InputError(f"{path} must end in .mp4, which is what is written.")
    if not path.parent.is_dir():
        raise MissingFileError(f"{path} cannot be written: there is no folder {path.parent}.")
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not a file that can be written anew; name another.")
    if audio_from is None:
        return
    if not audio_from.is_file():
        raise MissingFileError(f"audio_from: there is no file {audio_from}.")
    if path.exists() and path.samefile(audio_from):
        raise InputError(f"{path} is the video that the sound comes from; name another file.")


def _encoder(av: Any) -> str:
    """The best H.264 encoder of this build."""
    for name in ENCODERS:
        try:
            av.codec.Codec(name, "w")
            return name
        except ValueError:  # of a codec that is not known
            continue
    raise MissingPackageError(
        "this build of PyAV has no H.264 encoder; install its wheel: pip install --force-reinstall av."
    )
