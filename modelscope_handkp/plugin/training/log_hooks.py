"""Hooks that show how training goes: evaluations, log files, TensorBoard, a progress bar."""

from typing import Any

import cv2
from modelscope.trainers.hooks import evaluation_hook
from modelscope.trainers.hooks.hook import Hook
from modelscope.trainers.hooks.logger import tensorboard_hook, text_logger_hook
from modelscope.trainers.hooks.priority import Priority
from modelscope.utils.constant import LogKeys, ModeKeys
from modelscope.utils.torch_utils import is_master
from tqdm import tqdm

ACCURACY = "acc_pose"  # EasyCV's name for the share of heatmap peaks near their target


class KeypointEvaluationHook(evaluation_hook.EvaluationHook):  # type: ignore[misc]
    """Evaluates every ``interval`` epochs and after the last, and gives example images to TensorBoard.

    Configurations name it ``EvaluationHook``.
    """

    def _should_evaluate(self, trainer: Any) -> bool:
        last = self.is_last_epoch(trainer) and self.eval_strategy == evaluation_hook.EvaluationStrategy.by_epoch
        return trainer.eval_dataset is not None and (last or bool(super()._should_evaluate(trainer)))

    def do_evaluate(self, trainer: Any) -> None:
        """Evaluate, and draw some of the hands where a TensorBoard hook shows them."""
        super().do_evaluate(trainer)
        if is_master() and trainer.get_hook(TensorboardImageHook) and (examples := trainer.example_images()):
            trainer.visualization_buffer.output["predictions"] = examples


class EveryIterationTextHook(text_logger_hook.TextLoggerHook):  # type: ignore[misc]
    """The log file and ``*.log.json``; the last iterations of an epoch are logged even if fewer than ``interval``.

    Configurations name it ``TextLoggerHook``.
    """

    _logged = 0  # iterations at the last line

    def __init__(self, ignore_last: bool = False, **options: Any) -> None:
        super().__init__(ignore_last=ignore_last, **options)

    def before_run(self, trainer: Any) -> None:
        """Count from the iteration at which this run starts or resumes."""
        super().before_run(trainer)
        self._logged = trainer.iter

    def _log_info(self, log_dict: dict[str, Any], trainer: Any) -> None:
        # ModelScope adds the time of `interval` iterations for each line, however many there were.
        if log_dict["mode"] == ModeKeys.TRAIN:
            iterations = trainer.iter + 1 - self._logged
            self.time_sec_tot += log_dict.get(LogKeys.ITER_TIME, 0.0) * (iterations - self.interval)
            self._logged = trainer.iter + 1
        super()._log_info(log_dict, trainer)


class TensorboardImageHook(tensorboard_hook.TensorboardHook):  # type: ignore[misc]
    """Numbers and images for TensorBoard; without the package tensorboard one warning and nothing else.

    Configurations name it ``TensorboardHook``.
    """

    writer: Any = None

    def __init__(self, ignore_last: bool = False, **options: Any) -> None:
        super().__init__(ignore_last=ignore_last, **options)

    def before_run(self, trainer: Any) -> None:
        """Open the writer."""
        try:
            super().before_run(trainer)
        except ImportError:
            trainer.logger.warning("tensorboard is not installed (pip install tensorboard): no TensorBoard files.")

    def log(self, trainer: Any) -> None:
        """Write the numbers."""
        if self.writer is not None:
            super().log(trainer)

    def visualization_log(self, trainer: Any) -> None:
        """Write the images, (H, W, 3) RGB, as PNG; torch's writer fails with a Pillow newer than that torch."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = []
        for group, content in trainer.visualization_buffer.output.items():
            for name, rgb in zip(content["filenames"], content["images"]):
                png = cv2.imencode(".png", rgb[..., ::-1])[1].tobytes()
                image = Summary.Image(height=rgb.shape[0], width=rgb.shape[1], colorspace=3, encoded_image_string=png)
                values.append(Summary.Value(tag=f"{group}/{name}", image=image))
        self.writer.file_writer.add_summary(Summary(value=values), self.get_iter(trainer))

    def after_run(self, trainer: Any) -> None:
        """Close the writer."""
        if self.writer is not None:
            super().after_run(trainer)


class ProgressHook(Hook):
    """A progress bar over all iterations with loss, accuracy, learning rate and remaining time; first process only."""

    PRIORITY = Priority.BELOW_NORMAL
    bar: Any = None

    def before_run(self, trainer: Any) -> None:
        """Open the bar where this run starts or resumes."""
        if is_master():
            self.bar = tqdm(total=trainer.max_iters, initial=trainer.iter, desc="train", unit="it", dynamic_ncols=True)

    def after_train_iter(self, trainer: Any) -> None:
        """Advance the bar by one iteration."""
        if self.bar is None:
            return
        self.bar.set_description(f"epoch {trainer.epoch + 1}/{trainer.max_epochs}", refresh=False)
        history = trainer.log_buffer.val_history
        shown = {key: f"{history[key][-1]:.3g}" for key in ("loss", ACCURACY) if history.get(key)}
        self.bar.set_postfix({**shown, "lr": f"{trainer.optimizer.param_groups[0]['lr']:.2e}"}, refresh=False)
        self.bar.update()

    def after_run(self, trainer: Any) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()
