"""The hooks that EasyCV's converter writes into ``train.hooks``, by name, on ModelScope's where those work."""

from collections.abc import Mapping
from typing import Any

import cv2
import torch
from modelscope.trainers.hooks import evaluation_hook, iter_timer_hook
from modelscope.trainers.hooks.builder import HOOKS
from modelscope.trainers.hooks.hook import Hook
from modelscope.trainers.hooks.logger import tensorboard_hook, text_logger_hook
from modelscope.trainers.hooks.optimizer.base import OptimizerHook, OptimizerProcessor
from modelscope.trainers.hooks.priority import Priority
from modelscope.utils.ast_utils import INDEX_KEY
from modelscope.utils.constant import LogKeys, ModeKeys
from modelscope.utils.import_utils import LazyImportModule
from modelscope.utils.registry import build_from_cfg
from modelscope.utils.torch_utils import is_master
from tqdm import tqdm

from ...errors import ConfigError
from ...training.distributed import DDPHook
from ...training.schedule import Schedule
from .. import names
from .checkpoints import BestCheckpointHook, CheckpointHook

ACCURACY = "acc_pose"  # EasyCV's name for the share of heatmap peaks near their target


@HOOKS.register_module(names.DEFAULT_GROUP, module_name=names.ADD_LR_LOG_HOOK, force=True)
class AddLrLogHook(Hook):
    """The learning rate of the first parameter group, for the loggers."""

    PRIORITY = Priority.NORMAL

    def after_train_iter(self, trainer: Any) -> None:
        trainer.log_buffer.output[LogKeys.LR] = trainer.optimizer.param_groups[0]["lr"]


class LrUpdaterHook(AddLrLogHook):
    """Sets the learning rate of each iteration from a `Schedule`; without state, so a resumed run is where it was."""

    PRIORITY = Priority.VERY_HIGH

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule

    def before_train_iter(self, trainer: Any) -> None:
        groups = trainer.optimizer.param_groups
        bases = [group.setdefault("initial_lr", group["lr"]) for group in groups]
        rates = self.schedule.rates(bases, trainer.epoch, trainer.iter, trainer.max_epochs, trainer.epoch_length)
        for group, rate in zip(groups, rates):
            group["lr"] = rate


class MixedPrecisionHook(Hook):
    """Scales the loss so that float16 gradients do not vanish (GPU); its state belongs to the checkpoint."""

    def __init__(self) -> None:
        scaler = getattr(torch.amp, "GradScaler", None) or torch.cuda.amp.GradScaler  # older torch
        self.scaler = scaler()

    def register_processor(self, trainer: Any) -> None:
        for hook in trainer.get_hook(OptimizerHook):
            hook.set_processor(_ScaledProcessor(self.scaler))

    def state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = self.scaler.state_dict()
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.scaler.load_state_dict(state_dict)


class _ScaledProcessor(OptimizerProcessor):  # type: ignore[misc]
    def __init__(self, scaler: Any) -> None:
        self.scaler = scaler

    def backward(self, trainer: Any, loss_keys: Any, cumulative_iters: int, grad_clip: Any) -> None:
        for key in loss_keys:
            self.scaler.scale(trainer.train_outputs[key] / cumulative_iters).backward()
        if Hook.every_n_iters(trainer, cumulative_iters):
            self.scaler.unscale_(trainer.optimizer)
            if grad_clip is not None:
                self.clip_grads(trainer.model.parameters(), **grad_clip)
            self.scaler.step(trainer.optimizer)
            self.scaler.update()
            trainer.optimizer.zero_grad()


class EvaluationHook(evaluation_hook.EvaluationHook):  # type: ignore[misc]
    """Evaluates every ``interval`` epochs and after the last, and hands some pictures to TensorBoard."""

    def _should_evaluate(self, trainer: Any) -> bool:
        last = self.is_last_epoch(trainer) and self.eval_strategy == evaluation_hook.EvaluationStrategy.by_epoch
        return trainer.eval_dataset is not None and (last or bool(super()._should_evaluate(trainer)))

    def do_evaluate(self, trainer: Any) -> None:
        super().do_evaluate(trainer)
        if is_master() and trainer.get_hook(TensorboardHook) and (examples := trainer.example_images()):
            trainer.visualization_buffer.output["predictions"] = examples


class TextLoggerHook(text_logger_hook.TextLoggerHook):  # type: ignore[misc]
    """The log file and ``*.log.json``; the last iterations of an epoch count even if fewer than ``interval``."""

    _logged = 0  # iterations at the last line

    def __init__(self, ignore_last: bool = False, **options: Any) -> None:
        super().__init__(ignore_last=ignore_last, **options)

    def before_run(self, trainer: Any) -> None:
        super().before_run(trainer)
        self._logged = trainer.iter

    def _log_info(self, log_dict: dict[str, Any], trainer: Any) -> None:
        if (
            log_dict["mode"] == ModeKeys.TRAIN
        ):  # ModelScope counts `interval` iterations a line, however many there were
            line = trainer.iter + 1 - self._logged
            self.time_sec_tot += log_dict.get(LogKeys.ITER_TIME, 0.0) * (line - self.interval)
            self._logged = trainer.iter + 1
        super()._log_info(log_dict, trainer)


class TensorboardHook(tensorboard_hook.TensorboardHook):  # type: ignore[misc]
    """Scalars and pictures for TensorBoard; says so and stays silent where tensorboard is not installed."""

    writer: Any = None

    def __init__(self, ignore_last: bool = False, **options: Any) -> None:
        super().__init__(ignore_last=ignore_last, **options)

    def before_run(self, trainer: Any) -> None:
        try:
            super().before_run(trainer)
        except ImportError:
            trainer.logger.warning("tensorboard is not installed (pip install tensorboard): no TensorBoard files.")

    def log(self, trainer: Any) -> None:
        if self.writer is not None:
            super().log(trainer)

    def visualization_log(self, trainer: Any) -> None:
        """The pictures as PNG; torch's own writer fails where Pillow is newer than torch knows."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = []
        for group, content in trainer.visualization_buffer.output.items():
            for name, picture in zip(content["filenames"], content["images"]):
                png = cv2.imencode(".png", picture[..., ::-1])[1].tobytes()
                image = Summary.Image(
                    height=picture.shape[0], width=picture.shape[1], colorspace=3, encoded_image_string=png
                )
                values.append(Summary.Value(tag=f"{group}/{name}", image=image))
        self.writer.file_writer.add_summary(Summary(value=values), self.get_iter(trainer))

    def after_run(self, trainer: Any) -> None:
        if self.writer is not None:
            super().after_run(trainer)


class ProgressHook(Hook):
    """One bar over all iterations: loss, accuracy, learning rate, remaining time. The first process shows it."""

    PRIORITY = Priority.BELOW_NORMAL
    bar: Any = None

    def before_run(self, trainer: Any) -> None:
        if is_master():
            self.bar = tqdm(total=trainer.max_iters, initial=trainer.iter, desc="train", unit="it", dynamic_ncols=True)

    def after_train_iter(self, trainer: Any) -> None:
        if self.bar is None:
            return
        self.bar.set_description(f"epoch {trainer.epoch + 1}/{trainer.max_epochs}", refresh=False)
        history = trainer.log_buffer.val_history
        shown = {key: f"{history[key][-1]:.3g}" for key in ("loss", ACCURACY) if history.get(key)}
        self.bar.set_postfix({**shown, "lr": f"{trainer.optimizer.param_groups[0]['lr']:.2e}"}, refresh=False)
        self.bar.update()

    def after_run(self, trainer: Any) -> None:
        if self.bar is not None:
            self.bar.close()


OWN_HOOKS: dict[str, Any] = {
    "AddLrLogHook": AddLrLogHook,
    "BestCkptSaverHook": BestCheckpointHook,
    "CheckpointHook": CheckpointHook,
    "DDPHook": DDPHook,
    "EvaluationHook": EvaluationHook,
    "IterTimerHook": iter_timer_hook.IterTimerHook,
    "TensorboardHook": TensorboardHook,
    "TextLoggerHook": TextLoggerHook,
}


def build_hook(config: Mapping[str, Any]) -> Any:
    """The hook of one block of ``train.hooks``: ours by its name, else ModelScope's.

    Raises:
        ConfigError: no hook of that name, with the names that are known; or options that it does not take.
    """
    options = dict(config)
    name = options.pop("type", None)
    try:
        if name in OWN_HOOKS:
            return OWN_HOOKS[name](**options)
        if name in known_hooks():
            return build_from_cfg(dict(config), HOOKS)
    except (TypeError, AssertionError) as error:
        raise ConfigError(f"train.hooks: {name} does not take {options}: {error}.") from error
    raise ConfigError(f"train.hooks names {name!r}, which is not known; known are {', '.join(known_hooks())}.")


def known_hooks() -> list[str]:
    """Names of ours, of ModelScope's index and of what users have registered."""
    index = LazyImportModule.get_ast_index()[INDEX_KEY]
    indexed = {name for registry, group, name in index if (registry, group) == ("HOOKS", names.DEFAULT_GROUP)}
    return sorted({*OWN_HOOKS, *indexed, *HOOKS.modules.get(names.DEFAULT_GROUP, {})})
