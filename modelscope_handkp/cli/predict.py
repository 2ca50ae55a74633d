"""``modelscope-handkp predict SOURCE...``: find the hands in images, draw them, write one JSON."""

import argparse
import json
import os
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from ..errors import HandkpError, InputError
from ..estimator import HandEstimator
from ..files import open_atomically, write_atomically
from ..hands import Hands
from ..results.draw import draw_hands
from ..skeleton import KEYPOINT_NAMES
from ..sources.images import Picture, is_url, list_sources, load_image
from .exit_codes import OK, SOME_FAILED

DEFAULT_OUT = "hands"
DEFAULT_JSON = "hands.json"
DEFAULT_BATCH_SIZE = 8  # pictures wait for their batch, so this also bounds memory

BLANK, NO_BOXES = np.zeros((1, 1, 3), np.uint8), np.zeros((0, 4))

Entry = dict[str, Any]


def add_command(commands: Any) -> None:
    """Add ``predict`` to argparse's subparsers."""
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


def _predict(arguments: argparse.Namespace) -> int:
    estimator = HandEstimator.from_pretrained(
        arguments.model, arguments.device, arguments.batch_size, arguments.score_threshold
    )
    sources = list(list_sources(arguments.sources))
    json_path = arguments.json or arguments.out / DEFAULT_JSON
    taken = {os.path.realpath(source) for source in sources if not is_url(source)}
    if os.path.realpath(json_path) in taken:
        raise InputError(f"--json {json_path} is one of the pictures.")
    drawings = _output_names(sources, arguments.out, {*taken, os.path.realpath(json_path)})
    for folder in (arguments.out, json_path.parent):
        folder.mkdir(parents=True, exist_ok=True)
    found, failed = 0, 0
    with _report(json_path) as add:
        for entry in _entries(estimator, sources, drawings):
            add(entry)
            found += len(entry.get("hands", ()))
            if "error" in entry:
                failed += 1
                tqdm.write(f"failed: {entry['error']}", file=sys.stderr)
    print(f"{found} hands in {len(sources) - failed} pictures: drawn in {arguments.out}, listed in {json_path}")
    return SOME_FAILED if failed else OK


@contextmanager
def _report(path: Path) -> Iterator[Callable[[Entry], None]]:
    """A function that adds a picture to the JSON at ``path``, where the file appears when the block ends.

    Nothing stays in memory, and what was found before is kept, whatever ends the block.
    """
    with open_atomically(path) as file:
        file.write(f'{{"keypoint_names": {json.dumps(KEYPOINT_NAMES)},\n"pictures": ['.encode())
        separator, end = "\n", file.tell()

        def add(entry: Entry) -> None:
            nonlocal separator, end
            file.write(f"{separator}{json.dumps(entry)}".encode())
            separator, end = ",\n", file.tell()

        stopped: BaseException | None = None
        try:
            yield add
        except BaseException as error:
            stopped = error
        file.seek(end)  # an entry may have been cut short
        file.truncate()
        file.write(b"\n]}\n")
    if stopped:
        raise stopped


def _entries(estimator: HandEstimator, sources: Sequence[str], drawings: Sequence[Path]) -> Iterator[Entry]:
    """What the JSON says of each source, in their order; one that cannot be read has an error."""
    waiting: deque[tuple[Picture, str | None]] = deque()  # read, hands not known yet

    def pictures() -> Iterator[Picture]:
        for source in tqdm(sources, unit="picture", disable=len(sources) < 2):
            try:
                waiting.append((load_image(source), None))
            except (HandkpError, OSError) as error:
                waiting.append((BLANK, str(error)))  # goes along, without a hand, so that answers stay in order
            yield waiting[-1][0]

    boxes = (NO_BOXES if waiting[-1][1] else None for _ in sources)
    for hands, source, drawing in zip(estimator.stream(pictures(), boxes), sources, drawings):
        picture, error = waiting.popleft()
        yield {"source": source, "error": error} if error else _entry(source, picture, hands, drawing)


def _entry(source: str, picture: Picture, hands: Hands, drawn: Path) -> Entry:
    height, width = picture.shape[:2]
    entry: Entry = {"source": source, "width": width, "height": height, "hands": hands.to_list()}
    try:
        encoded, content = cv2.imencode(drawn.suffix, draw_hands(picture, hands))
        if not encoded:
            raise InputError(f"{source} cannot be drawn: {width} x {height} pixels do not fit a {drawn.suffix} file.")
        write_atomically(drawn, content.tobytes())
        entry["drawn"] = str(drawn)
    except (HandkpError, OSError) as error:
        entry["error"] = str(error)
    return entry


def _output_names(sources: Sequence[str], out: Path, taken: set[str]) -> list[Path]:
    """A file of its own for every drawing, none of those ``taken`` (real paths)."""
    taken, names, numbers = set(taken), [], Counter[str]()
    for source in sources:
        stem = Path(source.split("?")[0]).stem or "picture"
        while True:
            numbers[stem] += 1
            path = out / (f"{stem}-{numbers[stem]}.jpg" if numbers[stem] > 1 else f"{stem}.jpg")
            if os.path.realpath(path) not in taken:
                break
        taken.add(os.path.realpath(path))
        names.append(path)
    return names
