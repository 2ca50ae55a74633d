"""Training speed: pictures a second against a plain torch loop on the same network and loader, share of waiting.

    python benchmarks/training.py [--iterations 8] [--rounds 3] [--batch-size 32] [--workers 2] [--model DIR]

Without --model the hosted configuration (HRNetV2-W18, 256 x 256), untrained. Rounds of both ways take turns,
so that a busy machine slows both; the first two iterations of a round are left out.
"""

import argparse
import json
import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from modelscope.trainers import build_trainer
from modelscope.trainers.hooks.hook import Hook

from modelscope_handkp.config import read_configuration
from modelscope_handkp.dataset import collate
from modelscope_handkp.models.pose import build_pose, heatmap_loss
from modelscope_handkp.plugin.dataset import open_dataset
from modelscope_handkp.plugin.loading import build_loader
from modelscope_handkp.synthetic import write_dataset

LEFT_OUT = 2  # iterations in which workers start and memory is taken
ROOT = Path(__file__).parent.parent


class Clock:
    """Seconds of each iteration, and of those the seconds spent waiting for its batch."""

    def __init__(self) -> None:
        self.waits: list[float] = []
        self.steps: list[float] = []
        self._last = time.perf_counter()

    def batch_is_there(self) -> None:
        self.waits.append(time.perf_counter() - self._last)

    def step_is_done(self) -> None:
        now = time.perf_counter()
        self.steps.append(now - self._last)
        self._last = now

    def result(self, batch_size: int) -> tuple[float, float]:
        """Pictures a second, share of waiting."""
        seconds = sum(self.steps[LEFT_OUT:])
        return batch_size * len(self.steps[LEFT_OUT:]) / seconds, sum(self.waits[LEFT_OUT:]) / seconds


class ClockHook(Hook):
    """A `Clock` in ModelScope's loop."""

    def __init__(self) -> None:
        self.clock = Clock()

    def before_train_epoch(self, trainer: Any) -> None:
        self.clock = Clock()

    def before_train_iter(self, trainer: Any) -> None:
        self.clock.batch_is_there()

    def after_train_iter(self, trainer: Any) -> None:
        self.clock.step_is_done()


def train_ours(model_dir: Path, dataset: Any, options: dict[str, Any], work_dir: str) -> Clock:
    hook = ClockHook()
    given = {"model": str(model_dir), "work_dir": work_dir, "train_dataset": dataset, "cfg_options": options}
    trainer = build_trainer("easycv", {**given, "callbacks": [hook]})
    trainer.train()
    return hook.clock


def train_plain(model_dir: Path, dataset: Any, batch_size: int, workers: int) -> Clock:
    model = build_pose(read_configuration(model_dir)["model"]).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-4)
    loader = build_loader(dataset, batch_size, workers, seed=0, shuffle=True, collate_fn=collate)
    clock = Clock()
    for batch in loader:
        clock.batch_is_there()
        loss = heatmap_loss(model(batch["img"]), batch["target"], batch["target_weight"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        clock.step_is_done()
    return clock


def untrained(folder: Path) -> Path:
    """A model directory of the hosted configuration."""
    folder.mkdir()
    config = read_configuration(ROOT)
    config.pop("plugins", None)
    (folder / "configuration.json").write_text(json.dumps(config))
    torch.save({"state_dict": build_pose(config["model"]).state_dict()}, folder / "pytorch_model.pt")
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iterations", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2, help="of torch (%(default)s)")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data", type=Path, help="a folder of COCO-WholeBody layout instead of rendered pictures")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    logging.disable(logging.INFO)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = arguments.iterations * arguments.batch_size
        data = arguments.data or write_dataset(folder / "data", train=count, val=1, hands=(1, 1))
        model_dir = arguments.model or untrained(folder / "model")
        dataset = open_dataset(str(data), "train", read_configuration(model_dir)["dataset"]["train"])
        options = {
            "train.max_epochs": 1,
            "train.dataloader.batch_size_per_gpu": arguments.batch_size,
            "train.dataloader.workers_per_gpu": arguments.workers,
        }
        rates: dict[str, list[tuple[float, float]]] = {"ours": [], "plain": []}
        for _ in range(arguments.rounds):
            ours = train_ours(model_dir, dataset, options, str(folder / "work"))
            plain = train_plain(model_dir, dataset, arguments.batch_size, arguments.workers)
            rates["ours"].append(ours.result(arguments.batch_size))
            rates["plain"].append(plain.result(arguments.batch_size))
    for way, results in rates.items():
        speed, waiting = (statistics.median(values) for values in zip(*results))
        print(f"{way:6} {speed:.2f} pictures/s, waiting for data {waiting:.1%} of the time")
    ratios = [ours[0] / plain[0] for ours, plain in zip(rates["ours"], rates["plain"])]
    print(f"ours / plain: {statistics.median(ratios):.3f} (rounds: {', '.join(f'{ratio:.3f}' for ratio in ratios)})")


if __name__ == "__main__":
    main()
