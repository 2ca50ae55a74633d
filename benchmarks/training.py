"""Training speed: images a second against a plain torch loop on the same network and loader, share of waiting.

    python benchmarks/training.py [--iterations 10] [--batch-size 32] [--workers 2] [--threads 2] [--model DIR]

Without --model the hosted configuration (HRNetV2-W18, 256 x 256), untrained. The two loops alternate step by step, so
that other load on the machine slows both; the ratio is the median over the steps. A second run, without the plain
loop beside it, measures the waiting. The first iterations, in which workers start and memory is taken, do not count.
"""

import argparse
import json
import logging
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from modelscope.trainers import build_trainer
from modelscope.trainers.hooks.hook import Hook
from modelscope.trainers.hooks.priority import Priority

from modelscope_handkp.data.dataset import collate
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.model_dir.settings import NetworkSettings
from modelscope_handkp.networks.topdown import build_topdown, heatmap_loss
from modelscope_handkp.plugin.training.dataset import open_dataset
from modelscope_handkp.synthetic import write_dataset
from modelscope_handkp.training.loading import build_loader

LEFT_OUT = 2
ROOT = Path(__file__).parent.parent


class Turns(Hook):
    """Seconds of each iteration of ModelScope's loop, of its wait for data, and of ``plain``'s step after it."""

    PRIORITY = Priority.LOWEST  # the other hooks' work is the iteration's

    def __init__(self, plain: Iterator[None] | None = None) -> None:
        self.plain = plain
        self.steps: list[float] = []
        self.waits: list[float] = []
        self.plain_steps: list[float] = []

    def before_train_epoch(self, trainer: Any) -> None:
        """Start the clock."""
        self._last = time.perf_counter()

    def before_train_iter(self, trainer: Any) -> None:
        """Note how long the loop waited for its batch."""
        self.waits.append(time.perf_counter() - self._last)

    def after_train_iter(self, trainer: Any) -> None:
        """Note how long the iteration took, then let the plain loop make its step."""
        done = time.perf_counter()
        self.steps.append(done - self._last)
        if self.plain is not None:
            next(self.plain)
        self._last = time.perf_counter()
        self.plain_steps.append(self._last - done)


def plain_loop(model_dir: Path, dataset: Any, batch_size: int, workers: int) -> Iterator[None]:
    """A generator that makes one training step of the plain loop each time."""
    model = build_topdown(NetworkSettings.parse(read_configuration(model_dir)["model"])).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-4)
    for batch in build_loader(dataset, batch_size, workers, seed=0, shuffle=True, collate_fn=collate):
        loss = heatmap_loss(model(batch["img"]), batch["target"], batch["target_weight"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield


def train(model_dir: Path, dataset: Any, options: dict[str, Any], work_dir: str, hook: Turns) -> Turns:
    """Train with ModelScope's loop and return `hook` with its measurements."""
    given = {"model": str(model_dir), "work_dir": work_dir, "train_dataset": dataset, "device": "cpu"}
    build_trainer("easycv", {**given, "cfg_options": options, "callbacks": [hook]}).train()
    return hook


def untrained(folder: Path) -> Path:
    """A model directory of the hosted configuration."""
    folder.mkdir()
    config = read_configuration(ROOT)
    config.pop("plugins", None)
    (folder / "configuration.json").write_text(json.dumps(config))
    network = build_topdown(NetworkSettings.parse(config["model"]))
    torch.save({"state_dict": network.state_dict()}, folder / "pytorch_model.pt")
    return folder


def main() -> None:
    """Measure both loops and print their rates and the share of waiting."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=10, help="more than 2 (%(default)s)")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2, help="of torch (%(default)s)")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data", type=Path, help="a folder of COCO-WholeBody layout instead of rendered images")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    logging.disable(logging.INFO)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = arguments.iterations * arguments.batch_size
        data = arguments.data or write_dataset(folder / "data", train=count, val=1, hands=(1, 1))
        model_dir = arguments.model or untrained(folder / "model")
        dataset = open_dataset(str(data), "train", read_configuration(model_dir)["dataset"]["train"], "train")
        options = {
            "train.max_epochs": 1,
            "train.train_iters_per_epoch": arguments.iterations,
            "train.dataloader.batch_size_per_gpu": arguments.batch_size,
            "train.dataloader.workers_per_gpu": arguments.workers,
        }
        plain = plain_loop(model_dir, dataset, arguments.batch_size, arguments.workers)
        both = train(model_dir, dataset, options, str(folder / "both"), Turns(plain))
        alone = train(model_dir, dataset, options, str(folder / "alone"), Turns())
    ours, theirs = np.array(both.steps[LEFT_OUT:]), np.array(both.plain_steps[LEFT_OUT:])
    for way, seconds in (("ours", ours), ("plain", theirs)):
        print(f"{way:6} {arguments.batch_size / np.median(seconds):.2f} images/s")
    low, middle, high = np.percentile(theirs / ours, (25, 50, 75))
    print(f"ours / plain, images/s: median {middle:.3f} of {len(ours)} steps, middle half {low:.3f} to {high:.3f}")
    waiting = sum(alone.waits[LEFT_OUT:]) / sum(alone.steps[LEFT_OUT:])
    print(f"waiting for data: {waiting:.1%} of the time of ours alone")


if __name__ == "__main__":
    main()
