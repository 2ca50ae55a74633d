"""Make the model that ships with the package: train a network on renders and photographs, write its half weights.

    python examples/embedded/train.py keypoints
    python examples/embedded/train.py detector --photographs FOLDER --start-from COCO.pth

Each renders in a second process into a ring of memory-mapped files and trains on what is there, and on photographs if
there are any; both show a progress bar and save their state every two minutes, from which the same command resumes. A
command with other data or another length needs another --seed or --cache. The seed fixes the images, their order and
every draw.

FOLDER holds train.jsonl, people.jsonl or both, one JSON object a line: ``file`` (an image below FOLDER), ``hands``
with ``box`` (xyxy, pixels) and ``keypoints`` (21 x, y in the order of COCO-WholeBody, or null), ``complete``. Where
``complete`` is false other hands may have no label: such an image says nothing beside the hands that have one.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import detection
import keypoints
import numpy as np
import torch
from images import crops
from loop import Places, Task, Training
from numpy.typing import NDArray
from photograph_crops import read_hands
from photograph_lists import add_photographs, lists_of
from photograph_tiles import Labelled, read_photographs, without_hands
from store import Render, Store, start_rendering

from modelscope_handkp.errors import HandkpError
from modelscope_handkp.model_dir.checkpoint import read_state_dict
from modelscope_handkp.model_dir.config import read_configuration, read_python_config

EMBEDDED = Path(__file__).resolve().parents[2] / "modelscope_handkp" / "embedded"
DETECTION = EMBEDDED / "detection" / "config.py"
FIRST_SHARE = 0.1  # share of the images ahead that must be there to begin
DATA_OPTIONS = "start_from", "photographs", "without_people", "windows"  # what a run learns from
CONTINUED_FROM = 0.6  # progress at which given weights of keypoints start: crops of full size, batch norm's averages


@dataclass(frozen=True)
class Data:
    """What a network is trained on beside renders: lists of photographs, and windows without a hand."""

    lists: list[Path]
    windows: NDArray[np.uint8] | None = None

    @functools.cached_property
    def photographs(self) -> list[Labelled]:
        """Those of the lists, read once."""
        return read_photographs(*self.lists)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained: images of `pixels` pixels, each used `reuse` times on the average; `ahead` of them may
    wait in a store of `capacity`."""

    task: Callable[[Store, Data], Task]
    weights: str
    render: Callable[[Data], Render]
    labels: tuple[int, ...]
    pixels: int
    batch: int
    samples: int
    lr: float
    reuse: float
    capacity: int
    ahead: int
    continued_from: float


def _keypoint_task(store: Store, data: Data) -> Task:
    return keypoints.KeypointTask(read_configuration(EMBEDDED), store, data.windows, read_hands(*data.lists))


def _detector_task(store: Store, data: Data) -> Task:
    return detection.YOLOXTask(read_python_config(DETECTION), store, data.photographs)


def _scenes(data: Data) -> Render:
    return functools.partial(detection.scenes, without_hands(data.photographs))


RECIPES = {
    "keypoints": Recipe(_keypoint_task, "pytorch_model.pt", lambda _: crops, keypoints.LABELS, 128, 32, 2_253_000,
                        2e-3, 4.0, 80_000, 4_000, CONTINUED_FROM),
    "detector": Recipe(_detector_task, "detection/detection_model.pth", _scenes, detection.LABELS, 416, 16, 32_000,
                       1e-3, 8.0, 8_000, 800, 0.0),
}  # fmt: skip


def main() -> None:
    """Train one of the two networks and write its weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=sorted(RECIPES))
    parser.add_argument("--samples", type=int, help="length of the run (default: the recipe's)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lr", type=float, help="the highest learning rate (default: the recipe's)")
    parser.add_argument("--start-from", type=Path, help="checkpoint to start from, in place of random weights")
    add_photographs(parser)
    parser.add_argument("--windows", type=Path, help="crops without a hand for the keypoint network (mine.py)")
    parser.add_argument("--bfloat16", action="store_true", help="twice as fast where the processor computes in it")
    parser.add_argument("--threads", type=int, default=1, help="of the training; the rendering takes one more")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "modelscope-handkp-training")
    parser.add_argument("--out", type=Path, default=EMBEDDED, help="model directory that gets the weights")
    args = parser.parse_args()
    recipe = RECIPES[args.what]
    check(parser, args, recipe)
    data = Data(lists_of(parser, args), read_windows(parser, args, recipe) if args.windows else None)
    started_from = read_state_dict(args.start_from) if args.start_from else None
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    cache = args.cache / f"{args.what}-{args.seed}"
    store = Store(cache, recipe.capacity, recipe.pixels, recipe.labels)

    def draw(rng: np.random.Generator, samples: int) -> Places:
        available = int(recipe.ahead * FIRST_SHARE + samples / recipe.reuse)
        return store.draw(rng, recipe.batch, available, recipe.ahead)

    task = recipe.task(store, data)
    if started_from is not None:
        task.start_from(started_from)
    training = Training(task, draw, samples=args.samples or recipe.samples, batch=recipe.batch,
                        lr=args.lr or recipe.lr, seed=args.seed, bfloat16=args.bfloat16,
                        state_file=cache / "state.pt",
                        options=data_options(args),
                        progress_from=recipe.continued_from if args.start_from else 0.0)  # fmt: skip
    training.resume()
    weights = args.out / recipe.weights
    weights.parent.mkdir(parents=True, exist_ok=True)
    start_rendering(recipe.render(data), store, args.seed)
    training.run()
    training.write_half(weights)


def data_options(args: argparse.Namespace) -> dict[str, str]:
    """The options that say what a run learns from."""
    named = {f"--{name.replace('_', '-')}": getattr(args, name) for name in DATA_OPTIONS}
    return {name: " ".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in named.items()}


def check(parser: argparse.ArgumentParser, args: argparse.Namespace, recipe: Recipe) -> None:
    """End the program with a sentence where an option makes no run."""
    if args.samples is not None and args.samples < recipe.batch:
        parser.error(f"--samples must be at least {recipe.batch}, a batch, not {args.samples}")
    if args.lr is not None and not 0 < args.lr < 1:
        parser.error(f"--lr must be above 0 and below 1, not {args.lr}")
    if args.threads < 1 or args.seed < 0:
        parser.error(f"--threads must be at least 1 and --seed at least 0, not {args.threads} and {args.seed}")
    if args.windows and args.what != "keypoints":
        parser.error("--windows is for the keypoint network only")


def read_windows(parser: argparse.ArgumentParser, args: argparse.Namespace, recipe: Recipe) -> NDArray[np.uint8]:
    """The crops without a hand, (N, 3, S, S) uint8 RGB; a file of anything else ends the program."""
    try:
        windows = np.lib.format.open_memmap(args.windows, mode="r")
    except (OSError, ValueError) as error:
        parser.error(f"{args.windows} is no array as mine.py writes it: {error}")
    if windows.dtype != np.uint8 or windows.shape[1:] != (3, recipe.pixels, recipe.pixels) or not len(windows):
        parser.error(f"{args.windows} must hold uint8 (N, 3, {recipe.pixels}, {recipe.pixels}), as mine.py "
                     f"writes it, not {windows.dtype} {windows.shape}")  # fmt: skip
    return windows


if __name__ == "__main__":
    try:
        main()
    except HandkpError as error:
        raise SystemExit(f"error: {error}") from None
