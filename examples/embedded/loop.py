"""One network's training: its weights, their moving average, the optimiser and the log, saved and resumed together."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from modelscope_handkp.errors import InputError
from modelscope_handkp.training.schedule import Schedule

SCHEDULE = Schedule("CosineAnnealing", {"min_lr_ratio": 0.02}, by_epoch=False,
                    warmup="linear", warmup_iters=200, warmup_ratio=0.005)  # fmt: skip
EMA_DECAY = 0.998
CLIP_NORM = 5.0
WEIGHT_DECAY = 1e-4
LOG_STEPS = 100
SAVE_SECONDS = 120.0
SETTLING_STEPS = 32  # batches whose statistics the batch norms get in the end


Places = NDArray[np.int64]  # indices of images in a store


class Task(Protocol):
    """A network, and the loss of a batch of stored images; progress 0..1 is the share of the run that is done."""

    network: nn.Module

    def start_from(self, state: dict[str, Tensor]) -> None:
        """Take the weights of a checkpoint."""

    def plain(self, places: Places) -> Tensor | None:
        """The images at `places` as input of the network, without augmentation; None if its batch norms have averages
        of their inputs, since training never froze them."""

    def loss(self, places: Places, progress: float, rng: np.random.Generator) -> Tensor:
        """The loss, a scalar, of the images at `places`."""


class Averaged:
    """A moving average of a network's weights and batch-norm statistics: what is shipped."""

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network).eval()
        self.steps = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move the average toward the weights of `network`."""
        self.steps += 1
        decay = min(EMA_DECAY, self.steps / (self.steps + 20))
        for mine, theirs in zip(self.network.state_dict().values(), network.state_dict().values()):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)


@torch.no_grad()
def restate_batch_norms(network: nn.Module, run: Callable[[], object]) -> None:
    """Give every batch norm the statistics of its inputs, and the scale and shift that leave its outputs as they are.

    While averages are frozen in training, the inputs drift away from them, so that fine-tuning with a batch's own
    statistics would begin with other outputs. `run` passes inputs through `network`, which is in evaluation mode.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    sums = {norm: torch.zeros(3, norm.num_features, dtype=torch.float64) for norm in norms}

    def note(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        values = inputs[0].double().transpose(0, 1).flatten(1)
        sums[norm] += torch.stack([torch.ones_like(values).sum(1), values.sum(1), values.square().sum(1)])

    hooks = [norm.register_forward_pre_hook(note) for norm in norms]
    run()
    for hook in hooks:
        hook.remove()
    for norm, (count, total, squares) in sums.items():
        mean = total / count
        variance = squares / count - mean.square()
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        norm.bias += scale * (mean - norm.running_mean)
        norm.weight.copy_(scale * (variance + norm.eps).sqrt())
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)


class Training:
    """`samples` samples of a task, in the batches that `draw` picks: (rng, samples so far) -> places.

    Everything that is random follows from (seed, step), so a run that is killed and resumed repeats the whole one.
    `bfloat16` halves the time of a step on a processor that computes in it (AVX512-BF16, AMX); `progress_from` is the
    share of a run that counts as done when training starts from given weights. `options` says in words what else makes
    the run what it is, such as its data; the state of another run is not resumed.
    """

    def __init__(self, task: Task, draw: Callable[[np.random.Generator, int], Places], *, samples: int, batch: int,
                 lr: float, seed: int, bfloat16: bool = False, progress_from: float = 0.0,
                 state_file: Path | None = None, options: dict[str, str] | None = None) -> None:  # fmt: skip
        self.task, self.draw, self.state_file = task, draw, state_file
        self.options = {"--samples": str(samples), "--lr": str(lr), **(options or {})}
        self.bfloat16, self.progress_from = bfloat16, progress_from
        self.steps, self.batch = samples // batch, batch
        self.lr, self.seed, self.step, self.seconds = lr, seed, 0, 0.0
        self.network = task.network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=lr, weight_decay=WEIGHT_DECAY)
        self.average = Averaged(self.network)
        self.history: list[tuple[int, float]] = []  # samples seen, mean loss since the last

    def resume(self) -> None:
        """Resume from the state file, if there is one.

        Raises:
            InputError: it is of a run with other options.
        """
        if self.state_file is None or not self.state_file.exists():
            return
        state = torch.load(self.state_file)
        other = state.get("options", self.options)  # earlier states do not say
        names = [name for name in sorted({*other, *self.options}) if other.get(name) != self.options.get(name)]
        if names:
            theirs, ours = (", ".join(f"{name} {run.get(name)}" for name in names) for run in (other, self.options))
            raise InputError(
                f"{self.state_file} is of a run with {theirs}, not {ours}: give another --seed or --cache, or delete "
                f"{self.state_file.parent} to begin anew."
            )
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.steps = self.step = state["step"]
        self.seconds, self.history = state["seconds"], state["history"]

    def save(self) -> None:
        """Write the state file, whole or not at all."""
        if self.state_file is None:
            return
        state = {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "options": self.options,
        }
        unfinished = self.state_file.with_suffix(".part")
        torch.save(state, unfinished)
        unfinished.replace(self.state_file)

    def write_half(self, path: Path) -> None:
        """The averaged weights in half precision, with how they came about."""
        state = {
            key: value.half() if value.dtype.is_floating_point else value
            for key, value in self.average.network.state_dict().items()
        }
        shown = self.history[:: max(1, len(self.history) // 40)]
        meta: dict[str, Any] = {
            "samples": self.step * self.batch, "minutes": round(self.seconds / 60), "seed": self.seed, "loss": shown,
        }  # fmt: skip
        torch.save({"state_dict": state, "meta": meta}, path)

    def run(self) -> None:
        """Train to the last step, with a progress bar; the state is saved every few minutes and at the end."""
        saved, recent = time.monotonic(), []
        with tqdm(total=self.steps, initial=self.step, unit="step") as bar:
            while self.step < self.steps:
                started = time.monotonic()
                recent.append(self._one_step())
                self.seconds += time.monotonic() - started
                bar.update()
                if len(recent) == LOG_STEPS:
                    self.history.append((self.step * self.batch, round(float(np.mean(recent)), 4)))
                    bar.set_postfix_str(f"loss {self.history[-1][1]:.3f}")
                    recent = []
                if time.monotonic() - saved > SAVE_SECONDS:
                    self.save()
                    saved = time.monotonic()
        self._settle()
        self.save()

    def _settle(self) -> None:
        """The averaged weights become the network's, with batch norms as `restate_batch_norms` leaves them.

        Measured on images without augmentation, which brings a batch's outputs closer to those with averages.
        """
        self.network.load_state_dict(self.average.network.state_dict())
        rngs = [np.random.default_rng((self.seed, self.steps, step)) for step in range(min(SETTLING_STEPS, self.steps))]
        inputs = (self.task.plain(self.draw(rng, self.step * self.batch)) for rng in rngs)
        self.network.eval()
        batches = [batch for batch in inputs if batch is not None]
        if batches:
            restate_batch_norms(self.network, lambda: [self.network(batch) for batch in batches])
        self.average.network.load_state_dict(self.network.state_dict())

    def _one_step(self) -> float:
        rng = np.random.default_rng((self.seed, self.step))
        rate = SCHEDULE.rate(self.lr, 0, self.step, 1, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        progress = self.progress_from + (1 - self.progress_from) * self.step / self.steps
        places = self.draw(rng, self.step * self.batch)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            loss = self.task.loss(places, progress, rng)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), CLIP_NORM)
        self.optimizer.step()
        self.average.update(self.network)
        self.step += 1
        return loss.item()
