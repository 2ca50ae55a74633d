"""What each ingredient of the renderer is worth: train on images with ever more of them, measure on hard ones.

    python examples/embedded/ingredients.py [--crops 5000] [--samples 25600] [--processes 2] [--bfloat16]

Each row adds one ingredient to those above it and trains a keypoint network for the same number of samples, at 64
pixels, from the same weights: those after as many samples of plain images, from which a network learns fastest at
first. The network is a small one, which learns in minutes what takes the embedded one an hour. Measured on crops of the
level "hard" and of another seed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from images import CROPS, chunk_rng
from keypoints import LABELS, KeypointTask
from loop import Training
from store import Store
from torch import nn
from tqdm import tqdm
from train import EMBEDDED

from modelscope_handkp.data.metrics import distances, pck
from modelscope_handkp.geometry.boxes import BOX_PADDING, PIXEL_STD
from modelscope_handkp.model_dir.checkpoint import read_state_dict
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.pose.codec import HeatmapCodec
from modelscope_handkp.synthetic import HARD, Level, render_crops

SIZE, BATCH, LEARNING_RATE = 64, 32, 2e-3
CHANNELS = [16, 32, 64, 128]  # of the network's branches, a block each
KERNEL = 5  # of DARK, px: a peak in these small heatmaps is narrower than in the hosted model's
PLAIN_SEED, TRAINING_SEED, MEASURING_SEED = 1, 2, 9_500_000
MEASURED_CROPS = 960
SPAWN = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork

PLAIN = Level("ingredients", hand_px=(60.0, 320.0))
ADDED: dict[str, dict[str, object]] = {
    "named poses, soft light, plain walls, a sharp camera": {},
    "+ every pose and view within the joints' limits": {"pose": 1.0},
    "+ hard, coloured, dim and bright light, shadows": {"light": 1.0},
    "+ clutter, faces and bodies behind the hand": {"clutter": 1.0},
    "+ blur, noise, JPEG, low resolution, colour casts": {"camera": 1.0, "hand_px": (20.0, 320.0)},
    "+ held things, occluders, sleeves, rings, gloves": {"held": 0.4, "occlusion": 0.25, "dress": 1.0},
}


def levels() -> dict[str, Level]:
    """The level of every row: all that was added down to it."""
    made, level = {}, PLAIN
    for name, change in ADDED.items():
        level = replace(level, **change)  # type: ignore[arg-type]
        made[name] = level
    return made


def small_network(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration `config` with a network of `CHANNELS` at `SIZE` pixels."""
    config["data_cfg"]["image_size"] = [SIZE, SIZE]
    stages = config["model"]["backbone"]["extra"]
    for branches in (2, 3, 4):
        stages[f"stage{branches}"].update(num_blocks=[1] * branches, num_channels=CHANNELS[:branches])
    config["model"]["keypoint_head"]["in_channels"] = CHANNELS
    return config


def fill(store: Store, level: Level, seed: int, count: int) -> None:
    """Render crops of `level` into `store` until it has had `count`."""
    while store.rendered < count:
        result = render_crops(chunk_rng(seed, store.rendered), CROPS, SIZE, level)
        store.add(result.images, result.keypoints)


def network_pck(network: nn.Module, crops: Store) -> float:
    """PCK@0.2 of the keypoints inside the crops, decoded with DARK; the box is the crop without its padding."""
    task = KeypointTask(small_network(read_configuration(EMBEDDED)), crops)
    starts = range(0, MEASURED_CROPS, CROPS)
    outputs = [network(task.plain(np.arange(start, start + CROPS))) for start in starts]
    heatmaps = torch.cat(outputs).numpy()
    count = len(heatmaps)
    codec = HeatmapCodec((SIZE, SIZE), heatmaps.shape[3:1:-1], kernel=KERNEL)
    center, scale = np.full((count, 2), SIZE / 2), np.full((count, 2), SIZE / PIXEL_STD)
    found, truth = codec.decode(heatmaps, center, scale)[..., :2], crops.labels[:count]
    sides = np.full((count, 4), SIZE / BOX_PADDING)
    return pck(distances(found, truth, truth[..., 2]), sides)


def hard_crops(folder: Path) -> Store:
    """The crops that every row is measured on."""
    return Store(folder / "hard", MEASURED_CROPS, SIZE, LABELS)


def train_on(
    level: Level,
    seed: int,
    start: Path | None,
    out: Path | None,
    *,
    folder: Path,
    crops: int,
    samples: int,
    bfloat16: bool,
) -> float:
    """PCK@0.2 on hard crops after training on `level`, from the weights `start`; `out` takes the new ones."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    config = small_network(read_configuration(EMBEDDED))
    store = Store(Path(tempfile.mkdtemp(dir=folder)), crops + CROPS, SIZE, LABELS)
    with torch.no_grad():
        fill(store, level, seed, crops)
    task = KeypointTask(config, store)
    if start is not None:
        task.start_from(read_state_dict(start))
    training = Training(task, lambda rng, _: rng.integers(0, crops, BATCH), samples=samples, batch=BATCH,
                        lr=LEARNING_RATE, seed=seed, bfloat16=bfloat16)  # fmt: skip
    training.run()
    if out is not None:
        torch.save(training.average.network.state_dict(), out)
    with torch.no_grad():
        return network_pck(training.average.network, hard_crops(folder))


def main() -> None:
    """Train and measure every row, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crops", type=int, default=5000, help="rendered for a row")
    parser.add_argument("--samples", type=int, default=25_600, help="trained on for a row")
    parser.add_argument("--processes", type=int, default=2, help="rows at a time")
    parser.add_argument("--bfloat16", action="store_true", help="twice as fast where the processor computes in it")
    args = parser.parse_args()
    rows = levels()
    with tempfile.TemporaryDirectory() as name, ProcessPoolExecutor(args.processes, SPAWN) as pool:
        folder = Path(name)
        with torch.no_grad():
            fill(hard_crops(folder), HARD, MEASURING_SEED, MEASURED_CROPS)
        train = partial(train_on, folder=folder, crops=args.crops, samples=args.samples, bfloat16=args.bfloat16)
        plain = folder / "plain.pt"
        begun = pool.submit(train, PLAIN, PLAIN_SEED, None, plain).result()
        row = partial(train, seed=TRAINING_SEED, start=plain, out=None)
        results = list(tqdm(pool.map(row, rows.values()), total=len(rows), unit="row"))
    print(f"\nPCK@0.2 on hard crops; {begun:.3f} where the rows begin")
    for name, value in zip(rows, results):
        print(f"{value:6.3f}  {name}")


if __name__ == "__main__":
    main()
