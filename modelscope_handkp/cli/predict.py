"""``modelscope-handkp predict SOURCE...``: find the hands in images, draw them, write one JSON."""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..detection import OnnxDetector
from ..engines import AUTO, ENGINES
from ..engines.precision import FLOAT32, PRECISIONS
from ..errors import HandkpError, InputError
from ..estimator import MAX_CANDIDATES, HandEstimator
from ..hands import Result
from ..model_dir.settings import TTA_LEVELS
from ..results.json_report import Entry, entry_of, json_report
from ..sources.encoded import is_data_url
from ..sources.listing import is_remote, list_sources
from .exit_codes import OK, SOME_FAILED

DEFAULT_OUT = Path("hands")
JSON_NAME = "hands.json"
BATCH_SIZE = 8  # images wait for their batch, so this also bounds memory


def add_command(commands: Any) -> None:
    """Add ``predict`` to argparse's subparsers."""
    parser = commands.add_parser("predict", help="find the hands in images, draw them, write one JSON")
    parser.add_argument("sources", nargs="+", metavar="SOURCE", help="a file, folder, glob pattern or URL")
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
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder of the drawn images (%(default)s)")
    parser.add_argument("--json", type=Path, help=f"file of all results (default: OUT/{JSON_NAME})")
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
    parser.set_defaults(run=_predict)


def _predict(arguments: argparse.Namespace) -> int:
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
    sources = list(list_sources(arguments.sources))
    json_path = arguments.json or arguments.out / JSON_NAME
    taken = {os.path.realpath(source) for source in sources if not is_remote(source)}
    if os.path.realpath(json_path) in taken:
        raise InputError(f"--json {json_path} is one of the images.")
    drawings = drawing_names(sources, arguments.out, {*taken, os.path.realpath(json_path)})
    for folder in (arguments.out, json_path.parent):
        folder.mkdir(parents=True, exist_ok=True)
    found, failed = 0, 0
    results = tqdm(estimator.stream(sources), total=len(sources), unit="image", disable=len(sources) < 2)
    with json_report(json_path) as add:
        for result, drawing in zip(results, drawings):
            entry = _entry(result, drawing)
            add(entry)
            found += len(entry.get("hands", ()))
            if "error" in entry:
                failed += 1
                tqdm.write(f"failed: {entry['error']}", file=sys.stderr)
    print(f"{found} hands in {len(sources) - failed} images: drawn in {arguments.out}, listed in {json_path}")
    return SOME_FAILED if failed else OK


def _detector(arguments: argparse.Namespace) -> OnnxDetector | None:
    """The detector in ``--detector``."""
    if arguments.detector is None:
        if arguments.detector_class is not None:
            raise InputError(f"--detector-class {arguments.detector_class} needs --detector.")
        return None
    chosen = {"hand_class": arguments.detector_class, "device": arguments.device}
    return OnnxDetector.from_file(arguments.detector, arguments.score_threshold, **chosen)


def _entry(result: Result, drawing: Path) -> Entry:
    """The entry of a result, whose drawing is written."""
    entry = entry_of(result)
    if result.hands is None or result.image is None:
        return entry
    try:
        result.hands.save(drawing, result.image)
        return {**entry, "drawn": str(drawing)}
    except (HandkpError, OSError) as error:
        return {**entry, "error": str(error)}


def drawing_names(sources: Sequence[str], out: Path, taken: set[str]) -> list[Path]:
    """A file in ``out`` of its own for the drawing of every source, none of those ``taken`` (real paths)."""
    taken, names, numbers = set(taken), [], Counter[str]()
    for source in sources:
        stem = "" if is_data_url(source) else Path(source.split("?")[0]).stem
        stem = stem or "image"
        while True:
            numbers[stem] += 1
            path = out / (f"{stem}-{numbers[stem]}.jpg" if numbers[stem] > 1 else f"{stem}.jpg")
            if os.path.realpath(path) not in taken:
                break
        taken.add(os.path.realpath(path))
        names.append(path)
    return names
