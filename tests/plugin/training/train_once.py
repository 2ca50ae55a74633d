"""A training run in a process of its own, for tests that start it under torchrun or kill it.

python train_once.py run MODEL DATA WORK EPOCHS [--launcher pytorch]      writes WORK/rank<r>.pt
python train_once.py killed MODEL DATA WORK EPOCHS KILLS SEED             SIGKILLs itself, resumes, finishes
"""

import argparse
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from modelscope.trainers import build_trainer
from modelscope.trainers.hooks.hook import Hook
from small import datasets

import modelscope_handkp  # noqa: F401
from modelscope_handkp.model_dir.checkpoint import read_checkpoint
from modelscope_handkp.plugin.training import trainer as _trainer  # noqa: F401  imported before the fork

MOST_STEPS = 8  # iterations before a kill; an epoch has three


def build(arguments: argparse.Namespace) -> Any:
    train, val = datasets(arguments.data, arguments.model)
    hooks = [{"type": "CheckpointHook", "interval": 1}, {"type": "EvaluationHook", "interval": 1}]
    options = {"train.max_epochs": arguments.epochs, "train.hooks": hooks}
    launcher = {"launcher": arguments.launcher} if arguments.launcher else {}
    given = {"model": str(arguments.model), "work_dir": str(arguments.work), "device": "cpu", "cfg_options": options}
    return build_trainer("easycv", {**given, "train_dataset": train, "eval_dataset": val, **launcher})


class Losses(Hook):
    """Lists the loss that each iteration logs."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def after_train_iter(self, trainer: Any) -> None:
        self.losses.append(trainer.log_buffer.val_history["loss"][-1])


class Ticks(Hook):
    """Writes a byte at each iteration."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def after_train_iter(self, trainer: Any) -> None:
        os.write(self.descriptor, b".")


def run(arguments: argparse.Namespace, *hooks: Hook) -> None:
    """Train and evaluate; every process leaves its weights, losses and numbers."""
    trainer, losses = build(arguments), Losses()
    for hook in (losses, *hooks):
        trainer.register_hook(hook)
    started = any(arguments.work.glob("epoch_*.pth"))
    trainer.train(checkpoint_path=str(arguments.work) if started else None)
    weights = trainer.unwrap_module(trainer.model)
    result = {"parameters": dict(weights.named_parameters()), "losses": losses.losses, "values": trainer.evaluate()}
    torch.save(result, str(arguments.work / f"rank{os.environ.get('RANK', '0')}.pt"))


def killed(arguments: argparse.Namespace) -> None:
    """Train in forked children, SIGKILL them at random moments, then let one finish."""
    rng = random.Random(arguments.seed)
    for kill in range(arguments.kills):
        steps, more = rng.randrange(MOST_STEPS), rng.uniform(0, 0.3)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            try:
                run(arguments, Ticks(writer))
            finally:
                os._exit(0)
        os.close(writer)
        while steps and os.read(reader, 1):  # so many iterations, whatever else this machine does
            steps -= 1
        time.sleep(more)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
        for checkpoint in arguments.work.glob("*.pth"):
            content = read_checkpoint(checkpoint)  # none is ever broken
            assert {"meta", "state_dict", "optimizer"} <= set(content), checkpoint
        epochs = [int(path.stem.split("_")[1]) for path in arguments.work.glob("epoch_*.pth")]
        print(f"kill {kill + 1}: newest checkpoint is epoch {max(epochs, default=0)}", flush=True)
    run(arguments)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=["run", "killed"])
    for name in ("model", "data", "work"):
        parser.add_argument(name, type=Path)
    parser.add_argument("epochs", type=int)
    parser.add_argument("kills", type=int, nargs="?", default=0)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--launcher")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    {"run": run, "killed": killed}[arguments.mode](arguments)


if __name__ == "__main__":
    main()
