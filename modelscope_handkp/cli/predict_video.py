"""The videos and cameras of ``predict``: hands are followed, drawn in an mp4 and listed in a file of frames."""

import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from ..arrays import Image
from ..errors import HandkpError, InputError
from ..estimator import HandEstimator
from ..hands import Result
from ..results.formats import open_results
from ..results.json_report import entry_of
from ..results.style import DrawingStyle
from ..results.trails import Trails
from ..results.video import MAX_RATE, MIN_RATE, VideoWriter
from ..sources.frames import Selection
from ..sources.video import Video, open_video
from ..tracking import HandTracker

WINDOW = "hands (q ends)"
KEYS_THAT_END = (ord("q"), 27)  # 27: Escape


@dataclass(frozen=True)
class VideoOptions:
    """selection: of the frames. format: of the file of frames. style: of the drawn hands. trails: frames of them, or
    None. show: frames in a window, too."""

    selection: Selection
    format: str
    style: DrawingStyle
    trails: int | None
    show: bool


def predict_videos(
    estimator: HandEstimator, videos: list[str | int], files: list[list[Path]], options: VideoOptions
) -> int:
    """Follow the hands of each video or camera; returns how many failed.

    Args:
        files: of each video, the mp4 that is drawn and the file that lists its frames. Whatever ends a video, the
            frames before are kept: the mp4 plays, and the list is whole.
    """
    failed = 0
    for video, (drawn, listed) in zip(videos, files):
        with tqdm(unit="frame", desc=drawn.stem) as bar:
            try:
                _predict(estimator, video, drawn, listed, options, bar)
            except (HandkpError, OSError) as error:
                failed += 1
                tqdm.write(f"failed: {error}", file=sys.stderr)
    return failed


def _predict(
    estimator: HandEstimator, source: str | int, drawn: Path, listed: Path, options: VideoOptions, bar: "tqdm[Any]"
) -> None:
    chosen = options.selection
    with open_video(source, chosen.start, chosen.end, chosen.every) as video:
        bar.total = video.frame_count
        try:
            _draw_and_list(estimator, video, drawn, listed, options, bar)
        finally:
            written = [f"{done} in {path}" for done, path in (("drawn", drawn), ("listed", listed)) if path.exists()]
            if bar.n and written:
                tqdm.write(f"{bar.n} frames of {video.name}: {', '.join(written)}")


def _draw_and_list(
    estimator: HandEstimator, video: Video, drawn: Path, listed: Path, options: VideoOptions, bar: "tqdm[Any]"
) -> None:
    is_file = isinstance(video.source, str) and os.path.isfile(video.source)  # noqa: PTH113  Path.is_file raises on long names
    source = video.source if is_file else video.name
    trails = None if options.trails is None else Trails(options.trails)
    frames = HandTracker(estimator).stream(video)
    frames = chain(list(islice(frames, 1)), frames)  # without a first frame no file of an earlier run is replaced
    with ExitStack() as opened:
        add = opened.enter_context(open_results(listed, options.format))  # closed last, when the mp4 needs less room
        rate = None if video.rate is None else min(max(video.rate / options.selection.every, MIN_RATE), MAX_RATE)
        writer = opened.enter_context(VideoWriter(drawn, video.size, rate, source if is_file else None))
        if options.show:
            opened.callback(cv2.destroyAllWindows)
        for index, time, image, hands in frames:
            canvas = image if trails is None else trails.draw(image, hands)
            drawing = hands.draw(canvas, options.style)
            writer.write(_of_size(drawing, video.size), time)
            add(entry_of(Result(source, image, hands), index, time))
            bar.update()
            if options.show and _is_ended(drawing):
                break


def check_display() -> None:
    """Refuse ``--show`` where no window can be opened: Qt would end the process.

    Raises:
        InputError: there is no display, or OpenCV is a build without windows.
    """
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise InputError("--show needs a display, and neither DISPLAY nor WAYLAND_DISPLAY is set: leave it out.")
    try:
        cv2.namedWindow(WINDOW)
    except cv2.error:
        raise InputError("--show needs OpenCV with windows, not opencv-python-headless: leave it out.") from None


def _is_ended(drawing: Image) -> bool:
    """Show a frame; returns whether a key ends the video."""
    cv2.imshow(WINDOW, drawing)
    return cv2.waitKey(1) & 0xFF in KEYS_THAT_END


def _of_size(image: Image, size: tuple[int, int]) -> Image:
    """An image in the size that the video began with; some streams change theirs."""
    return image if image.shape[1::-1] == size else np.asarray(cv2.resize(image, size), np.uint8)
