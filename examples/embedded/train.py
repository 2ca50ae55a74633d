"""Make the model that ships with the package: render hands, train a network on them, write its half weights.

    python examples/embedded/train.py keypoints
    python examples/embedded/train.py detector

Each renders in a second process into a ring of memory-mapped files and trains on what is there; both show a progress
bar and save their state every two minutes, from which the same command resumes. The seed fixes the images,
their order and every draw.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import detection
import keypoints
import numpy as np
import torch
from images import crops, whole_images
from loop import Places, Task, Training
from numpy.typing import NDArray
from store import Render, Store, start_rendering

from modelscope_handkp.model_dir.config import read_configuration, read_python_config

EMBEDDED = Path(__file__).resolve().parents[2] / "modelscope_handkp" / "embedded"
DETECTION = EMBEDDED / "detection" / "config.py"
FIRST_SHARE = 0.1  # share of the images ahead that must be there to begin
CONTINUED_FROM = 0.6  # progress at which given weights start: crops of full size, batch norm with its averages


@dataclass(frozen=True)
class Recipe:
    """What is trained on what: images of `pixels` pixels, each used `reuse` times on the average; `ahead` of them
    may wait in a store of `capacity`."""

    task: Callable[[Store, NDArray[np.uint8] | None], Task]
    weights: str
    render: Render
    labels: tuple[int, ...]
    pixels: int
    batch: int
    samples: int
    reuse: float
    capacity: int
    ahead: int


RECIPES = {
    "keypoints": Recipe(lambda store, windows: keypoints.KeypointTask(read_configuration(EMBEDDED), store, windows),
                        "pytorch_model.pt", crops, keypoints.LABELS, 128, 32, 2_253_000, 4.0, 80_000, 4_000),
    "detector": Recipe(lambda store, _: detection.DetectionTask(read_python_config(DETECTION), store),
                       "detection/detection_model.pth", whole_images, detection.LABELS, 384, 16, 464_000, 10.0,
                       8_000, 800),
}  # fmt: skip


def main() -> None:
    """Train one of the two networks and write its weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=sorted(RECIPES))
    parser.add_argument("--samples", type=int, help="length of the run (default: as the shipped weights)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--lr", type=float, default=2e-3, help="the highest learning rate")
    parser.add_argument("--start-from", type=Path, help="checkpoint to start from, in place of random weights")
    parser.add_argument("--windows", type=Path, help="crops without a hand for the keypoint network (mine.py)")
    parser.add_argument("--bfloat16", action="store_true", help="twice as fast where the processor computes in it")
    parser.add_argument("--threads", type=int, default=1, help="of the training; the rendering takes one more")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "modelscope-handkp-training")
    parser.add_argument("--out", type=Path, default=EMBEDDED, help="model directory that gets the weights")
    args = parser.parse_args()
    recipe = RECIPES[args.what]
    windows = np.load(args.windows, mmap_mode="r") if args.windows else None
    if windows is not None:
        if args.what != "keypoints":
            parser.error("--windows is for the keypoint network only")
        if windows.dtype != np.uint8 or windows.shape[1:] != (3, recipe.pixels, recipe.pixels) or not len(windows):
            parser.error(f"{args.windows} must hold uint8 (N, 3, {recipe.pixels}, {recipe.pixels}), as mine.py "
                         f"writes it, not {windows.dtype} {windows.shape}")  # fmt: skip
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    cache = args.cache / f"{args.what}-{args.seed}"
    store = Store(cache, recipe.capacity, recipe.pixels, recipe.labels)
    weights = args.out / recipe.weights
    weights.parent.mkdir(parents=True, exist_ok=True)

    def draw(rng: np.random.Generator, samples: int) -> Places:
        available = int(recipe.ahead * FIRST_SHARE + samples / recipe.reuse)
        return store.draw(rng, recipe.batch, available, recipe.ahead)

    task = recipe.task(store, windows)
    training = Training(task, draw, samples=args.samples or recipe.samples, batch=recipe.batch,
                        lr=args.lr, seed=args.seed, bfloat16=args.bfloat16, state_file=cache / "state.pt",
                        progress_from=CONTINUED_FROM if args.start_from else 0.0)  # fmt: skip
    if args.start_from:
        training.start_from(args.start_from)
    training.resume()
    start_rendering(recipe.render, store, args.seed)
    training.run()
    training.write_half(weights)


if __name__ == "__main__":
    main()
