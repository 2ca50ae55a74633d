"""Checkpoints: one file each, written whole or not at all, from which a run goes on exactly.

``epoch_N.pth`` is ``{"meta", "state_dict", "optimizer"[, "lr_scheduler"]}``, as EasyCV writes it; ``meta`` holds epoch,
iteration, random states and the hooks' states. ``output/`` beside it is a model directory of the newest weights,
``output_best/`` of the best.
"""

import io
import json
import random
import re
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from modelscope.trainers.hooks.checkpoint import checkpoint_hook as base
from modelscope.trainers.hooks.checkpoint.checkpoint_processor import CheckpointProcessor
from modelscope.trainers.hooks.hook import Hook
from modelscope.trainers.hooks.priority import Priority
from modelscope.utils.constant import ModelFile

from ...errors import CheckpointError, MissingFileError
from ...files import remove_partial, write_atomically
from ...model_dir.checkpoint import load_weights, read_checkpoint, read_state_dict
from ...model_dir.config import CONFIGURATION_FILE, plain

SUFFIX = ".pth"
BEST_METRIC = "PCK"
BEST_NAME = f"best_{BEST_METRIC}"
_PERIODIC = re.compile(r"(epoch|iter)_(\d+)\.pth")
_WEIGHTS = ("*.pth", "*.pt", "*.bin", "*.safetensors")  # at the top of a model directory, not to be copied along


def find_checkpoint(path: str | Path) -> Path:
    """The file that ``path`` means: itself, ``path.pth``, or, for a folder, its newest ``epoch_N.pth`` or
    ``iter_N.pth``, else its ``pytorch_model.pt``.

    Raises:
        MissingFileError: there is none.
    """
    path = Path(path)
    if path.is_dir():
        newest = [path / ModelFile.TORCH_MODEL_FILE, *_periodic(path)][-1]
    else:
        newest = path if path.is_file() else path.with_name(path.name + SUFFIX)
    if not newest.is_file():
        raise MissingFileError(f"there is no checkpoint at {path}.")
    return newest


def _periodic(folder: Path) -> list[Path]:
    """The checkpoints of ``folder``, the newest last: a new run may begin in an older one's folder."""
    found = [(file, match) for file in folder.iterdir() if (match := _PERIODIC.fullmatch(file.name))]
    return [file for file, match in sorted(found, key=lambda pair: (pair[0].stat().st_mtime_ns, int(pair[1][2])))]


def _write(path: Path, content: bytes) -> None:
    try:
        write_atomically(path, content)
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written: {error.strerror or error}; what was written before is whole."
        ) from error


def _save(path: Path, content: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    _write(path, buffer.getvalue())


class ModelDirectory(CheckpointProcessor):
    """Writes what ModelScope's checkpoint hooks ask for, atomically."""

    def prepare_output(self, trainer: Any, output_dir: str) -> None:
        """Everything of a model directory but the weights: configuration, detector, card."""
        try:
            self._copy(trainer, Path(output_dir), Path(trainer.model_dir))
        except OSError as error:
            raise CheckpointError(f"{output_dir} cannot be written: {error.strerror or error}.") from error

    def _copy(self, trainer: Any, output: Path, source: Path) -> None:
        output.mkdir(parents=True, exist_ok=True)
        for folder in {output, output.parent, Path(trainer.work_dir)}:
            remove_partial(folder)
        if source.resolve() != output.resolve():
            ignore = shutil.ignore_patterns(".*", "__pycache__")
            for entry in source.iterdir():
                if entry.name.startswith(".") or entry.name == CONFIGURATION_FILE or _is_weights(entry):
                    continue
                if entry.is_dir() and not _holds(entry, output):
                    shutil.copytree(entry, output / entry.name, ignore=ignore, dirs_exist_ok=True)
                elif entry.is_file():
                    shutil.copy2(entry, output / entry.name)
        text = json.dumps(plain(trainer.published_config()), indent=2, ensure_ascii=False)
        _write(output / CONFIGURATION_FILE, text.encode())

    def save_checkpoints(
        self, trainer: Any, checkpoint_path_prefix: str, output_dir: str, meta: Any = None, save_optimizers: bool = True
    ) -> None:
        state = {name: value.cpu() for name, value in trainer.unwrap_module(trainer.model).state_dict().items()}
        content: dict[str, Any] = {"meta": meta, "state_dict": state}
        if save_optimizers:
            content["optimizer"] = trainer.optimizer.state_dict()
            if trainer.lr_scheduler is not None:
                content["lr_scheduler"] = trainer.lr_scheduler.state_dict()
        where = {key: meta[key] for key in ("epoch", "iter", "time")}
        # The model first: after a kill between the two the epoch is repeated, and both are written again.
        _save(Path(output_dir) / ModelFile.TORCH_MODEL_FILE, {"meta": where, "state_dict": state})
        _save(Path(checkpoint_path_prefix + SUFFIX), content)

    def remove_checkpoints(self, trainer: Any, checkpoint_path_prefix: str) -> None:
        Path(checkpoint_path_prefix + SUFFIX).unlink(missing_ok=True)


def _is_weights(entry: Path) -> bool:
    return entry.is_file() and any(entry.match(pattern) for pattern in _WEIGHTS)


def _holds(folder: Path, inner: Path) -> bool:
    return folder.resolve() == inner.resolve() or folder.resolve() in inner.resolve().parents


class _Exact:
    """What both saving hooks share: our files, and a state from which the next iteration follows."""

    save_dir: Any
    output_dir: Any
    max_checkpoint_num: Any
    push_to_hub: bool

    def _use_own_files(self) -> None:
        self.processor = ModelDirectory()

    def _create_training_state(self, trainer: Any) -> dict[str, Any]:
        return training_state(trainer)

    def save_evaluate_results(self, trainer: Any) -> None:
        text = json.dumps(trainer.metric_values)
        _write(Path(self.output_dir) / base.CheckpointHook.EVAL_RESULT_FILE, text.encode())

    def after_run(self, trainer: Any) -> None:
        if self.push_to_hub:
            base.CheckpointHook.after_run(self, trainer)


class CheckpointHook(_Exact, base.CheckpointHook):  # type: ignore[misc]
    """``epoch_N.pth`` (``iter_N.pth``) every ``interval`` and at the end; the newest ``max_checkpoint_num`` stay."""

    PRIORITY = Priority.VERY_LOW  # what a checkpoint holds is what the next epoch starts with

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._use_own_files()

    def _remove_obsolete_checkpoints(self, trainer: Any) -> None:
        self.history_checkpoints.clear()
        if self.max_checkpoint_num is not None:
            for file in _periodic(Path(self.save_dir))[: -self.max_checkpoint_num]:
                file.unlink()


class BestCheckpointHook(_Exact, base.BestCkptSaverHook):  # type: ignore[misc]
    """``best_PCK.pth`` and ``output_best/``, whenever an evaluation is the best so far."""

    PRIORITY = 80  # after a torch scheduler's step, before CheckpointHook, whose file shall know the best

    def __init__(self, metric_key: str = BEST_METRIC, **options: Any) -> None:
        options = {"save_file_name": f"best_{metric_key}", **options, "max_checkpoint_num": None}
        super().__init__(metric_key=metric_key, **options)
        self._use_own_files()

    def after_run(self, trainer: Any) -> None:
        super().after_run(trainer)
        if self.restore_best:
            path = Path(self.save_dir) / f"{self.save_file_name}{SUFFIX}"
            load_weights(trainer.unwrap_module(trainer.model), read_state_dict(path), path)


class LoadCheckpointHook(Hook):
    """Go on from ``checkpoint_file`` before training starts: weights, and with ``load_all_state`` everything else."""

    PRIORITY = Priority.HIGH
    _should_save = False

    def __init__(self, checkpoint_file: str | Path, load_all_state: bool = True) -> None:
        self.checkpoint_file, self.load_all_state = checkpoint_file, load_all_state

    def before_run(self, trainer: Any) -> None:
        path = find_checkpoint(self.checkpoint_file)
        model = trainer.unwrap_module(trainer.model)
        if not self.load_all_state:
            load_weights(model, read_state_dict(path), path)
            return
        content = read_checkpoint(path)
        if not isinstance(content, dict) or not {"meta", "state_dict", "optimizer"} <= set(content):
            raise CheckpointError(
                f"{path} holds weights but no state to resume from; load_all_state=False starts anew."
            )
        if not isinstance(content["meta"], dict) or "rng_state" not in content["meta"]:
            raise CheckpointError(
                f"{path} was written by another trainer, from whose state none can go on exactly; "
                "load_all_state=False takes its weights and starts anew."
            )
        load_weights(model, content["state_dict"], path)
        try:
            trainer.optimizer.load_state_dict(content["optimizer"])
            if trainer.lr_scheduler is not None and "lr_scheduler" in content:
                trainer.lr_scheduler.load_state_dict(content["lr_scheduler"])
            restore_training_state(trainer, content["meta"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{path} does not fit this training: {error}.") from error
        trainer.logger.info(f"going on from {path}: epoch {trainer.epoch}, iteration {trainer.iter}")


def training_state(trainer: Any) -> dict[str, Any]:
    """Where the run is and its random states, so that the next iteration is the one that would have followed."""
    between_epochs = not trainer.in_epoch
    name, keys, *numbers = np.random.get_state()  # type: ignore[misc]  # noqa: NPY002
    return {
        "epoch": trainer.epoch + 1 if between_epochs else trainer.epoch,
        "iter": trainer.iter if between_epochs else trainer.iter + 1,
        "inner_iter": 0 if between_epochs else trainer.inner_iter + 1,
        "iters_per_epoch": trainer.epoch_length,
        "rng_state": {
            "random": random.getstate(),
            "numpy": (name, torch.from_numpy(np.asarray(keys, np.int64)), *numbers),
            "cpu": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        },
        "hooks": {type(hook).__name__: hook.state_dict() for hook in _with_state(trainer)},
        "time": time.asctime(),
    }


def restore_training_state(trainer: Any, meta: dict[str, Any]) -> None:
    """The inverse of `training_state`; other data or another batch size can only go on between epochs."""
    trainer._epoch, trainer._iter, trainer._inner_iter = meta["epoch"], meta["iter"], meta["inner_iter"]
    before, now = meta["iters_per_epoch"], trainer.epoch_length
    if before != now:
        if meta["inner_iter"]:
            raise ValueError(f"it stopped within an epoch of {before} iterations, here an epoch has {now}")
        trainer.logger.warning(f"an epoch had {before} iterations and has {now} now: this run is not the same")
        trainer._iter = meta["epoch"] * now
    states = meta["rng_state"]
    random.setstate(states["random"])
    name, keys, *numbers = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *numbers))  # noqa: NPY002
    torch.set_rng_state(states["cpu"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
    for hook in _with_state(trainer):
        if type(hook).__name__ in meta["hooks"]:
            hook.load_state_dict(meta["hooks"][type(hook).__name__])


def _with_state(trainer: Any) -> list[Any]:
    return [hook for hook in trainer.hooks if getattr(hook, "_should_save", True) and hook.state_dict()]
