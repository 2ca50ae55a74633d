"""The command line: ``modelscope-handkp predict SOURCE...`` and the training commands of `cli_train`."""

import argparse
import json
import logging
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
from tqdm import tqdm

from .cli_train import add_commands
from .draw import draw_hands
from .errors import HandkpError, InputError
from .estimator import HandEstimator
from .files import write_atomically
from .hand import KEYPOINT_NAMES
from .hands import Hands
from .sources import URL_SCHEMES, Picture, list_sources, load_image

OK, SOME_FAILED, REFUSED = 0, 1, 2  # exit codes
DEFAULT_OUT = "hands"
DEFAULT_JSON = "hands.json"
DEFAULT_BATCH_SIZE = 8  # pictures wait for their batch, so this also bounds memory

logger = logging.getLogger("modelscope_handkp")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 when a picture failed, 2 when nothing could begin."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except (HandkpError, OSError) as error:
        print(f"modelscope-handkp: {error}", file=sys.stderr)
        return REFUSED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="modelscope-handkp", description="21 keypoints for every hand in a picture.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    predict = commands.add_parser("predict", help="find the hands in pictures, draw them, write one JSON")
    predict.add_argument("sources", nargs="+", metavar="SOURCE", help="a file, folder, glob pattern or URL")
    predict.add_argument("--model", help="a model directory or hub id (default: the embedded model)")
    predict.add_argument(
        "--out", type=Path, default=Path(DEFAULT_OUT), help="folder of the drawn pictures (%(default)s)"
    )
    predict.add_argument("--json", type=Path, help=f"file of all results (default: OUT/{DEFAULT_JSON})")
    predict.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: a GPU where there is one)")
    predict.add_argument("--batch-size", type=int, default=DEFAULT_BATCH_SIZE, help="crops at once (%(default)s)")
    predict.add_argument("--score-threshold", type=float, help="boxes below are no hands (default: the model's)")
    predict.set_defaults(run=_predict)
    add_commands(commands)
    return parser


def _predict(arguments: argparse.Namespace) -> int:
    estimator = HandEstimator.from_pretrained(
        arguments.model, arguments.device, arguments.batch_size, arguments.score_threshold
    )
    sources = list(list_sources(arguments.sources))
    json_path = arguments.json or arguments.out / DEFAULT_JSON
    taken = {Path(source).resolve() for source in sources if not source.startswith(URL_SCHEMES)}
    if json_path.resolve() in taken:
        raise InputError(f"--json {json_path} is one of the pictures.")
    taken.add(json_path.resolve())
    for folder in (arguments.out, json_path.parent):
        folder.mkdir(parents=True, exist_ok=True)
    entries: dict[int, dict[str, Any]] = {}
    names = _output_names(sources, arguments.out, taken)
    try:
        for index, picture, hands in _answers(estimator, sources, entries):
            entries[index] = _entry(sources[index], picture, hands, names[index])
    finally:  # also what was found before an interruption is kept
        report = {"keypoint_names": KEYPOINT_NAMES, "pictures": [entries[index] for index in sorted(entries)]}
        write_atomically(json_path, json.dumps(report, indent=1).encode())
    failed = [entry for entry in entries.values() if "error" in entry]
    found = sum(len(entry.get("hands", ())) for entry in entries.values())
    print(f"{found} hands in {len(sources) - len(failed)} pictures: drawn in {arguments.out}, listed in {json_path}")
    for entry in failed:
        print(f"failed: {entry['error']}", file=sys.stderr)
    return SOME_FAILED if failed else OK


def _answers(
    estimator: HandEstimator, sources: list[str], entries: dict[int, dict[str, Any]]
) -> Iterator[tuple[int, Picture, Hands]]:
    """(index, picture, hands) of every source that can be read; the others get an entry with their error."""
    waiting: deque[tuple[int, Picture]] = deque()

    def readable() -> Iterator[Picture]:
        for index, source in enumerate(tqdm(sources, unit="picture", disable=len(sources) < 2)):
            try:
                picture = load_image(source)
            except (HandkpError, OSError) as error:
                entries[index] = {"source": source, "error": str(error)}
                continue
            waiting.append((index, picture))
            yield picture

    for hands in estimator.stream(readable()):
        index, picture = waiting.popleft()
        yield index, picture, hands


def _entry(source: str, picture: Picture, hands: Hands, drawn: Path) -> dict[str, Any]:
    height, width = picture.shape[:2]
    entry: dict[str, Any] = {"source": source, "width": width, "height": height, "hands": hands.to_list()}
    try:
        encoded, content = cv2.imencode(drawn.suffix, draw_hands(picture, hands))
        if not encoded:
            raise InputError(f"{source} cannot be drawn: {width} x {height} pixels do not fit a {drawn.suffix} file.")
        write_atomically(drawn, content.tobytes())
        entry["drawn"] = str(drawn)
    except (HandkpError, OSError) as error:
        entry["error"] = str(error)
    return entry


def _output_names(sources: Sequence[str], out: Path, taken: set[Path]) -> list[Path]:
    """A file of its own for every drawing, none of those ``taken``."""
    taken, names = set(taken), []
    for source in sources:
        stem = Path(source.split("?")[0]).stem or "picture"
        path, number = out / f"{stem}.jpg", 1
        while path.resolve() in taken:
            number += 1
            path = out / f"{stem}-{number}.jpg"
        taken.add(path.resolve())
        names.append(path)
    return names
