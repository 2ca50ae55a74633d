"""An image or a video of a visitor -> the drawing, the files and the words of the answer."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from ..arrays import Image
from ..errors import HandkpError, InputError
from ..estimator import HandEstimator
from ..gestures import GestureEvent, GestureStream
from ..hands import Result
from ..results.formats import open_results
from ..results.json_report import Add, Entry, entry_of
from ..results.video import MAX_RATE, MIN_RATE, VideoWriter
from ..sources.images import load_image
from ..sources.video import Video, open_video
from ..tracking import HandTracker, TrackedFrame
from .limits import Limits, check_image_file, check_video, check_video_file, refusal
from .tables import Span, hands_table, note, spans_table
from .words import say

SHOWN_SIDE = 1600  # pixels of a drawing in the page; its files have the coordinates of the image
QUALITY = 90  # of JPEG
FILES = ("json", "csv")
STEM = "hands"


@dataclass(frozen=True)
class Answer:
    """What the page shows.

    words: HTML. drawn: the content of a JPEG, or the path of an mp4; None: nothing. files: of `FILES`, in that order.
    """

    words: str
    drawn: bytes | Path | None = None
    files: tuple[Path, ...] = ()


def answer_image(
    path: Path, name: str, estimator: HandEstimator, limits: Limits, folder: Path, language: str
) -> Answer:
    """The hands of an image file.

    Args:
        name: what its results call it. folder: where a new folder of results is made.
    Raises:
        HandkpError: the file cannot be used; its sentence has no path.
    """
    with _named(path, name):
        check_image_file(path, limits)
        image = load_image(path)
        hands = estimator(image)
        numbered = replace(hands, ids=np.arange(1, len(hands) + 1))  # as the table numbers them
        drawn = to_jpeg(fitted(numbered.draw(image), SHOWN_SIDE))
    files = _new_files(folder)
    with _listed(files) as add:
        add(entry_of(Result(name, image, hands)))
    return Answer(hands_table(hands, language), drawn, files)


def answer_video(
    path: Path,
    name: str,
    estimator: HandEstimator,
    limits: Limits,
    folder: Path,
    language: str,
    progress: Callable[[float], object],
) -> Answer:
    """The hands of a video file, followed; of one that takes too long, or breaks off, those of its beginning.

    Args:
        progress: is told the share that is done, 0 to 1. The others: as in `answer_image`.
    Raises:
        HandkpError: the file cannot be used; its sentence has no path.
    """
    with _named(path, name):
        check_video_file(path)
        with open_video(path) as video:
            check_video(video, limits)
            files = _new_files(folder)
            drawn = files[0].with_name(f"{STEM}.mp4")
            followed = _follow(video, name, estimator, limits, drawn, files, progress)
    said = say(language, "frames", frames=followed.frames, seconds=f"{followed.seconds:.1f}", count=len(followed.ids))
    words = note(said, "good" if followed.ids else "hint")
    if followed.is_cut:
        words += note(say(language, "cut_short", seconds=f"{followed.seconds:.1f}"), "bad")
    if followed.error:
        words += note(say(language, "broke_off", error=_without(path, name, followed.error)), "bad")
    return Answer(words + spans_table(followed.spans(), language), drawn, files)


@dataclass
class _Followed:
    """What was seen of a video."""

    frames: int = 0
    seconds: float = 0.0
    ids: set[int] = field(default_factory=set)
    is_cut: bool = False
    error: str = ""
    events: list[GestureEvent] = field(default_factory=list)

    def spans(self) -> list[Span]:
        """The gestures, from their starts and ends."""
        spans, starts = [], {}
        for event in self.events:
            if event.kind == "started":
                starts[event.id, event.name] = event.time - event.seconds
            elif event.kind == "ended":
                start = starts.pop((event.id, event.name))
                spans.append(Span(event.id, event.name, start, start + event.seconds))
        return spans


def _follow(
    video: Video,
    name: str,
    estimator: HandEstimator,
    limits: Limits,
    drawn: Path,
    files: tuple[Path, ...],
    progress: Callable[[float], object],
) -> _Followed:
    followed, gestures = _Followed(), GestureStream()
    size = _fit(video.size, SHOWN_SIDE)
    rate = None if video.rate is None else min(max(video.rate, MIN_RATE), MAX_RATE)
    frames = HandTracker(estimator).stream(video)
    with ExitStack() as opened:
        add = opened.enter_context(_listed(files))
        writer = opened.enter_context(VideoWriter(drawn, size, rate))
        for frame in _bounded(frames, video, limits, followed):
            writer.write(_of_size(frame.hands.draw(frame.image), size), frame.time)
            add(entry_of(Result(name, frame.image, frame.hands), frame.index, frame.time))
            followed.ids |= set(() if frame.hands.ids is None else frame.hands.ids.tolist())
            followed.events += [event for event in gestures.update(frame.hands, frame.time) if event.kind != "held"]
            progress(min(followed.frames / (video.frame_count or followed.frames), 1.0))
    followed.events += gestures.end()
    return followed


def _bounded(
    frames: Iterator[TrackedFrame], video: Video, limits: Limits, followed: _Followed
) -> Iterator[TrackedFrame]:
    """The frames until the time for the work is over, or the video breaks off; a file may be longer than it states.

    Raises:
        InputError: without a first frame, or the video is too long after all.
    """
    begun = time.monotonic()
    while True:
        try:
            frame = next(frames, None)
        except InputError as error:
            if not followed.frames:
                raise
            followed.error = str(error)
            return
        if frame is None:
            return
        if frame.time > limits.video_seconds:
            raise refusal("too_long", seconds=f"{frame.time:.0f}", most=f"{limits.video_seconds:g}")
        followed.frames, followed.seconds = followed.frames + 1, frame.time
        yield frame
        if time.monotonic() - begun > limits.work_seconds:
            followed.is_cut = next(frames, None) is not None
            return


def _new_files(folder: Path) -> tuple[Path, ...]:
    new = Path(tempfile.mkdtemp(prefix=f"{STEM}-", dir=folder))
    return tuple(new / f"{STEM}.{format}" for format in FILES)


@contextmanager
def _listed(files: tuple[Path, ...]) -> Iterator[Add]:
    """A function that adds an entry to the file of each format."""
    with ExitStack() as opened:
        adds = [opened.enter_context(open_results(path, format)) for path, format in zip(files, FILES)]

        def add_to_all(entry: Entry) -> None:
            for add in adds:
                add(entry)

        yield add_to_all


@contextmanager
def _named(path: Path, name: str) -> Iterator[None]:
    """Errors call the file what the visitor calls it."""
    try:
        yield
    except HandkpError as error:
        error.args = (_without(path, name, str(error)),)
        raise


def _without(path: Path, name: str, text: str) -> str:
    return text.replace(str(path), name).replace(str(path)[:200], name)


def fitted(image: Image, side: int) -> Image:
    """An image with no side longer than ``side`` pixels; the same where none is."""
    return _of_size(image, _fit((image.shape[1], image.shape[0]), side))


def to_jpeg(image: Image) -> bytes:
    """The content of a JPEG of an image (H, W, 3) uint8 BGR."""
    encoded: bytes = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    return encoded


def _fit(size: tuple[int, int], side: int) -> tuple[int, int]:
    """A size (width, height) of this shape with no side longer than ``side``."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _of_size(image: Image, size: tuple[int, int]) -> Image:
    if image.shape[1::-1] == size:
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
