"""``modelscope-handkp predict SOURCE...``: find the hands in images and videos, draw them, write what was found."""

import argparse
import os
from pathlib import Path
from typing import Any

from ..checks import check_count
from ..detection import OnnxDetector
from ..engines import AUTO, ENGINES
from ..engines.precision import FLOAT32, PRECISIONS
from ..errors import InputError
from ..estimator import HandEstimator
from ..model_dir.settings import TTA_LEVELS
from ..pose.refine import MAX_CANDIDATES
from ..results.formats import FORMATS
from ..results.labels import font_of
from ..results.style import DrawingStyle
from ..sources.frames import Selection
from ..sources.listing import VIDEO_SUFFIXES, is_remote, list_sources
from ..sources.video import is_video
from .drawing import add_drawing_arguments, style_of
from .exit_codes import OK, SOME_FAILED
from .out_names import OutNames
from .predict_images import predict_images
from .predict_video import VideoOptions, check_display, predict_videos
from .termination import orderly_termination

DEFAULT_OUT = Path("hands")
IMAGES_STEM = "hands"  # of the file of all images
IMAGE_FORMAT, VIDEO_FORMAT = "json", "jsonl"
ENDINGS = {**{format: format for format in FORMATS}, "coco": "json"}
BATCH_SIZE = 8  # images wait for their batch, so this also bounds memory


def add_command(commands: Any) -> None:
    """Add ``predict`` to argparse's subparsers."""
    parser = commands.add_parser("predict", help="find the hands in images and videos, draw them, write what was found")
    parser.add_argument(
        "sources", nargs="*", metavar="SOURCE", help="an image or video: a file, folder, glob pattern or URL"
    )
    parser.add_argument("--camera", type=int, metavar="N", help="the number of a camera, from 0; Ctrl-C ends it")
    parser.add_argument("--model", help="a model directory or hub id (default: the embedded model)")
    parser.add_argument(
        "--detector",
        metavar="FILE",
        help="an ONNX file of mmdeploy, ultralytics or YOLOX that finds the boxes in place of the model's own detector",
    )
    parser.add_argument(
        "--detector-class",
        metavar="NAME",
        help="name or index of its class that is the hand (default: the one named hand, or the only one)",
    )
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder of what is drawn (%(default)s)")
    parser.add_argument("--json", type=Path, help=f"file of the images' results (default: OUT/{IMAGES_STEM}.json)")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help=f"of the results: OUT/{IMAGES_STEM} for all images, a file beside each video "
        f"({IMAGE_FORMAT} for images, {VIDEO_FORMAT} for videos)",
    )
    parser.add_argument("--start", type=float, metavar="SECONDS", help="where to begin in videos")
    parser.add_argument("--end", type=float, metavar="SECONDS", help="where to end in videos")
    parser.add_argument("--every", type=int, metavar="N", help="take each N-th frame of videos (1)")
    parser.add_argument("--show", action="store_true", help="show videos in a window, too")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: a GPU where there is one)")
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE, help="crops at once (%(default)s)")
    parser.add_argument(
        "--score-threshold",
        type=float,
        help="boxes with a detector's score above this are used; a low one offers more boxes to --hand-threshold "
        "(default: the model's)",
    )
    parser.add_argument(
        "--hand-threshold",
        type=float,
        help="the least confidence, of box and keypoints together, of a hand to be kept; 0 keeps every "
        "box that is a hand of its own (default: the model's)",
    )
    parser.add_argument(
        "--keypoint-threshold",
        type=float,
        default=0.0,
        help="keypoints are drawn with a score above this (%(default)s)",
    )
    parser.add_argument(
        "--max-candidates",
        type=int,
        help="of the boxes that the detector offers for an image, the best so many are looked at "
        f"(default: {MAX_CANDIDATES} where a hand threshold decides, else all)",
    )
    parser.add_argument(
        "--engine", choices=[*ENGINES, AUTO], help="what runs the networks (eager; auto for an exported model)"
    )
    parser.add_argument("--precision", default=FLOAT32, choices=PRECISIONS, help="of the networks (%(default)s)")
    parser.add_argument("--tta", default="full", choices=TTA_LEVELS, help="views of each crop (%(default)s)")
    add_drawing_arguments(parser)
    parser.add_argument(
        "--trails", type=int, metavar="N", help="draw the way of each wrist in the last N frames of videos"
    )
    parser.set_defaults(run=_predict)


def _predict(arguments: argparse.Namespace) -> int:
    with orderly_termination():
        return _find_and_draw(arguments)


def _find_and_draw(arguments: argparse.Namespace) -> int:
    style = style_of(arguments)
    images, videos = _images_and_videos(arguments)
    options = _video_options(arguments, style)
    estimator = HandEstimator.from_pretrained(
        arguments.model,
        arguments.device,
        arguments.batch_size,
        arguments.score_threshold,
        _detector(arguments),
        hand_threshold=arguments.hand_threshold,
        keypoint_threshold=arguments.keypoint_threshold,
        max_candidates=arguments.max_candidates,
        engine=arguments.engine,
        precision=arguments.precision,
        tta=arguments.tta,
    )
    format = arguments.format or IMAGE_FORMAT
    listed = arguments.json or arguments.out / f"{IMAGES_STEM}.{ENDINGS[format]}"
    sources = [source for source in [*images, *videos] if isinstance(source, str) and not is_remote(source)]
    if os.path.realpath(listed) in map(os.path.realpath, sources):
        raise InputError(f"--json {listed} is one of the images.")
    for folder in (arguments.out, listed.parent):
        folder.mkdir(parents=True, exist_ok=True)
    names, failed = OutNames(arguments.out, [*sources, listed]), 0
    if images:
        drawings = [path for image in images for path in names.of(image, "jpg")]
        failed += predict_images(estimator, images, drawings, listed, format, style)
    if videos:
        files = [names.of(_stem(video), "mp4", ENDINGS[options.format]) for video in videos]
        failed += predict_videos(estimator, videos, files, options)
    return SOME_FAILED if failed else OK


def _images_and_videos(arguments: argparse.Namespace) -> tuple[list[str], list[str | int]]:
    """The images, and the videos and cameras.

    Raises:
        InputError: neither, or an argument that no source is for.
    """
    if not arguments.sources and arguments.camera is None:
        raise InputError("name images or videos (files, folders, patterns, URLs), or a camera with --camera N.")
    images: list[str] = []
    videos: list[str | int] = []
    for source in list_sources(arguments.sources, with_videos=True):
        (videos if source.lower().endswith(VIDEO_SUFFIXES) or is_video(source) else images).append(source)
    if arguments.camera is not None:
        videos.append(arguments.camera)
    names = ("start", "end", "every", "trails", "show")
    useless = [f"--{name}" for name in names if getattr(arguments, name) not in (None, False)]
    if useless and not videos:
        raise InputError(f"{', '.join(useless)}: for videos and cameras, of which none is given.")
    if arguments.json is not None and not images:
        raise InputError("--json: for images, of which none is given; each video has a file of its own in --out.")
    if arguments.show:
        check_display()
    return images, videos


def _video_options(arguments: argparse.Namespace, style: DrawingStyle) -> VideoOptions:
    """What is done with each video.

    Raises:
        InputError: a number that is out of range, or a font that cannot be used. MissingFileError: no such font.
    """
    if arguments.trails is not None:
        check_count("--trails", arguments.trails)
    selection = Selection(arguments.start, arguments.end, 1 if arguments.every is None else arguments.every)
    if style.label != "none":
        font_of(style.language, style.font)
    return VideoOptions(selection, arguments.format or VIDEO_FORMAT, style, arguments.trails, arguments.show)


def _stem(video: str | int) -> str:
    return f"camera{video}" if isinstance(video, int) else video


def _detector(arguments: argparse.Namespace) -> OnnxDetector | None:
    """The detector in ``--detector``."""
    if arguments.detector is None:
        if arguments.detector_class is not None:
            raise InputError(f"--detector-class {arguments.detector_class} needs --detector.")
        return None
    chosen = {"hand_class": arguments.detector_class, "device": arguments.device}
    return OnnxDetector.from_file(arguments.detector, arguments.score_threshold, **chosen)
