"""Hooks of the training loop: processes, random numbers of an epoch, learning rate, gradients."""

from typing import Any

import torch
from modelscope.trainers.hooks.builder import HOOKS
from modelscope.trainers.hooks.hook import Hook
from modelscope.trainers.hooks.optimizer.base import OptimizerHook, OptimizerProcessor
from modelscope.trainers.hooks.priority import Priority
from modelscope.utils.constant import DistributedParallelType, LogKeys
from torch.nn.parallel import DistributedDataParallel

from ...training.distributed import check_launcher, join_process_group
from ...training.loading import set_epoch
from ...training.schedule import Schedule
from .. import names


class ProcessGroupHook(Hook):
    """Joins torchrun's process group after the trainer is built, and wraps its model before it trains.

    Configurations name it ``DDPHook``; ModelScope's own works with nccl and GPUs only.

    Raises:
        ConfigError: a launcher other than "pytorch", not started by torchrun, or more processes than GPUs.
    """

    PRIORITY = Priority.LOW

    def __init__(self, launcher: str) -> None:
        check_launcher(launcher)

    def after_init(self, trainer: Any) -> None:
        """Set the trainer's device, and its process group to that of all processes."""
        trainer.device = join_process_group(torch.cuda.is_available() and str(trainer.device) != "cpu")
        trainer.model.to(trainer.device)
        trainer.parallel_groups[DistributedParallelType.DP] = None

    def before_run(self, trainer: Any) -> None:
        """Wrap the model, once."""
        if not isinstance(trainer.model, DistributedDataParallel):
            trainer.model = trainer.to_parallel(trainer.model)


class EpochHook(Hook):
    """Fixes order and random numbers of each training epoch (`set_epoch`), and keeps ``trainer.in_epoch``."""

    PRIORITY = Priority.HIGHEST

    def before_train_epoch(self, trainer: Any) -> None:
        """Fix them from the trainer's seed and the epoch."""
        trainer.in_epoch = True
        set_epoch(trainer.train_dataloader, trainer._seed, trainer.epoch)

    def after_train_epoch(self, trainer: Any) -> None:
        """Warn of the samples that were left out."""
        trainer.in_epoch = False
        skipped = getattr(trainer.train_dataset, "skipped", 0)
        if skipped:
            trainer.logger.warning(f"{skipped} training samples were left out so far, since their images are broken")


@HOOKS.register_module(names.DEFAULT_GROUP, module_name=names.ADD_LR_LOG_HOOK, force=True)
class AddLrLogHook(Hook):
    """Writes the learning rate of the first parameter group to the log."""

    PRIORITY = Priority.NORMAL

    def after_train_iter(self, trainer: Any) -> None:
        """Hand the rate to the loggers."""
        trainer.log_buffer.output[LogKeys.LR] = trainer.optimizer.param_groups[0]["lr"]


class LrUpdaterHook(AddLrLogHook):
    """Sets the learning rate of each iteration from a `Schedule`, which needs no state to resume."""

    PRIORITY = Priority.VERY_HIGH

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def before_train_iter(self, trainer: Any) -> None:
        """Set the rate of every parameter group."""
        groups = trainer.optimizer.param_groups
        bases = [group.setdefault("initial_lr", group["lr"]) for group in groups]
        rates = self.schedule.rates(bases, trainer.epoch, trainer.iter, trainer.max_epochs, trainer.epoch_length)
        for group, rate in zip(groups, rates):
            group["lr"] = rate


class MixedPrecisionHook(Hook):
    """Scales the loss so that float16 gradients do not vanish (GPU); its state is part of the checkpoint.

    Attributes:
        scaler: torch's ``GradScaler``.
    """

    def __init__(self) -> None:
        make = getattr(torch.amp, "GradScaler", None) or torch.cuda.amp.GradScaler  # the latter: torch before 2.3
        self.scaler = make()

    def register_processor(self, trainer: Any) -> None:
        """Let the optimizer hooks go backward through the scaler."""
        for hook in trainer.get_hook(OptimizerHook):
            hook.set_processor(ScaledProcessor(self.scaler))

    def state_dict(self) -> dict[str, Any]:
        """The scaler's state."""
        state: dict[str, Any] = self.scaler.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Set the scaler's state."""
        self.scaler.load_state_dict(state_dict)


class ScaledProcessor(OptimizerProcessor):  # type: ignore[misc]
    """The backward pass and the optimizer's step on a scaled loss."""

    def __init__(self, scaler: Any) -> None:
        self.scaler = scaler

    def backward(self, trainer: Any, loss_keys: Any, cumulative_iters: int, grad_clip: Any) -> None:
        """Add this iteration's gradients; every ``cumulative_iters`` iterations clip the unscaled ones and step."""
        for key in loss_keys:
            self.scaler.scale(trainer.train_outputs[key] / cumulative_iters).backward()
        if Hook.every_n_iters(trainer, cumulative_iters):
            self.scaler.unscale_(trainer.optimizer)
            if grad_clip is not None:
                self.clip_grads(trainer.model.parameters(), **grad_clip)
            self.scaler.step(trainer.optimizer)
            self.scaler.update()
            trainer.optimizer.zero_grad()
