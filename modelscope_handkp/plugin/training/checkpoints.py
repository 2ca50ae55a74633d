"""Checkpoints: each file is written whole or not at all, and a run resumes from it exactly.

``epoch_N.pth`` is ``{"meta", "state_dict", "optimizer"[, "lr_scheduler"]}``, as EasyCV writes it; ``meta`` holds epoch,
iteration, random states and the hooks' states. ``output/`` beside it is a model directory of the newest weights,
``output_best/`` of the best; the weights are there twice, as ``model.safetensors`` and as ``pytorch_model.pt``.
"""

import functools
import io
import json
import logging
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from modelscope.trainers.hooks.checkpoint import checkpoint_hook as base
from modelscope.trainers.hooks.checkpoint.checkpoint_processor import CheckpointProcessor
from modelscope.trainers.hooks.hook import Hook
from modelscope.trainers.hooks.priority import Priority
from modelscope.utils.torch_utils import is_master

from ...errors import CheckpointError, ConfigError, HandkpError, InputError, MissingPackageError
from ...files import remove_partial, write_atomically
from ...model_dir.checkpoint import (
    SAFETENSORS_WEIGHTS,
    TORCH_WEIGHTS,
    load_weights,
    read_checkpoint,
    read_state_dict,
    state_dict_of,
)
from ...model_dir.config import CONFIGURATION_FILE, plain
from ...model_dir.safetensors_file import to_safetensors
from ...training.random_state import capture_random_state, restore_random_state
from ...training.work_dir import CHECKPOINT_SUFFIX, checkpoints_by_age, find_checkpoint
from ..publishing.client import Client
from ..publishing.publish import check_id, prepare

logger = logging.getLogger(__name__)

BEST_METRIC = "PCK"
WEIGHT_PATTERNS = ("*.pth", "*.pt", "*.bin", "*.safetensors")  # at the top of a model directory, not to be copied along


def _write(path: Path, content: bytes) -> None:
    with _writing(path):
        write_atomically(path, content)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be written: {error.strerror or error}; what was written before is whole."
        ) from error


def _save(path: Path, content: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    _write(path, buffer.getvalue())


def _save_weights(folder: Path, content: dict[str, Any]) -> None:
    """Write both files of a model directory. At no moment does the one that is read first hold older weights."""
    safe = folder / SAFETENSORS_WEIGHTS
    with _writing(safe):
        safe.unlink(missing_ok=True)
    _save(folder / TORCH_WEIGHTS, content)
    try:
        _write(safe, to_safetensors(content["state_dict"]))
    except MissingPackageError as error:
        _say_once(f"{safe.name} is not written beside {TORCH_WEIGHTS}: {error}")


@functools.cache
def _say_once(sentence: str) -> None:
    logger.warning(sentence)


class ModelDirectory(CheckpointProcessor):
    """Writes the files that ModelScope's checkpoint hooks ask for, atomically."""

    def prepare_output(self, trainer: Any, output_dir: str) -> None:
        """Write everything of a model directory but the weights: configuration, detector, card.

        Raises:
            CheckpointError: the folder cannot be written.
        """
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
        """Write the weights of the model directory, as torch and as safetensors, then the checkpoint.

        After a kill between the two, a resumed run repeats the epoch and writes both again.

        Raises:
            CheckpointError: a file cannot be written.
        """
        state = {name: value.cpu() for name, value in trainer.unwrap_module(trainer.model).state_dict().items()}
        content: dict[str, Any] = {"meta": meta, "state_dict": state}
        if save_optimizers:
            content["optimizer"] = trainer.optimizer.state_dict()
            if trainer.lr_scheduler is not None:
                content["lr_scheduler"] = trainer.lr_scheduler.state_dict()
        where = {key: meta[key] for key in ("epoch", "iter", "time")}
        _save_weights(Path(output_dir), {"meta": where, "state_dict": state})
        _save(Path(checkpoint_path_prefix + CHECKPOINT_SUFFIX), content)


def _is_weights(entry: Path) -> bool:
    return entry.is_file() and any(entry.match(pattern) for pattern in WEIGHT_PATTERNS)


def _holds(folder: Path, inner: Path) -> bool:
    return folder.resolve() in (inner.resolve(), *inner.resolve().parents)


class _SavesExactState:
    """What both saving hooks share: the files of `ModelDirectory`, a state that resumes exactly, and ``push_to_hub``.

    ``push_to_hub`` publishes the hook's model directory when the run is done, as ``modelscope-handkp publish`` does:
    as ``hub_repo_id``, on the branch ``hub_revision``, private unless ``private_hub`` is False, with ``hub_token`` or
    else the token of the environment or of ``modelscope login``.
    """

    save_dir: Any
    output_dir: Any
    max_checkpoint_num: Any
    push_to_hub: bool
    hub_repo_id: Any
    hub_token: Any
    hub_revision: Any
    private_hub: Any
    _client: Client | None = None

    def _use_own_files(self) -> None:
        self.processor = ModelDirectory()
        # ModelScope would send the whole folder at each save, from a process of its own
        self._publishes, self.push_to_hub = bool(self.push_to_hub), False

    def before_run(self, trainer: Any) -> None:
        """Prepare the model directory.

        Raises:
            ConfigError: ``push_to_hub`` without an id of a model or without a token.
        """
        if self._publishes:
            try:
                check_id(self.hub_repo_id)
                self._client = Client(self.hub_token)
            except InputError as error:
                raise ConfigError(f"push_to_hub with hub_repo_id={self.hub_repo_id!r:.80}: {error}") from None
        super().before_run(trainer)  # type: ignore[misc]

    def _create_training_state(self, trainer: Any) -> dict[str, Any]:
        return training_state(trainer)

    def save_evaluate_results(self, trainer: Any) -> None:
        """Write the newest numbers beside the model."""
        text = json.dumps(trainer.metric_values)
        _write(Path(self.output_dir) / base.CheckpointHook.EVAL_RESULT_FILE, text.encode())

    def after_run(self, trainer: Any) -> None:
        """Publish the model directory, where ``push_to_hub`` asks for it; a failure is logged and ends nothing."""
        if self._client is None or not is_master():
            return
        try:
            page = prepare(self.output_dir, self.hub_repo_id).send(self._client, self.private_hub, self.hub_revision)
            trainer.logger.info(f"published: {page}")
        except (HandkpError, OSError) as error:
            trainer.logger.error(
                f"the trained model is not published: {error} It is whole in {self.output_dir}; "
                f"modelscope-handkp publish {self.output_dir} {self.hub_repo_id} sends it."
            )


class PeriodicCheckpointHook(_SavesExactState, base.CheckpointHook):  # type: ignore[misc]
    """``epoch_N.pth`` (``iter_N.pth``) every ``interval`` and at the end; the newest ``max_checkpoint_num`` stay.

    Configurations name it ``CheckpointHook``.
    """

    PRIORITY = Priority.VERY_LOW  # after every hook that changes what the next epoch starts with

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._use_own_files()

    def _remove_obsolete_checkpoints(self, trainer: Any) -> None:
        self.history_checkpoints.clear()
        if self.max_checkpoint_num is not None:
            for file in checkpoints_by_age(Path(self.save_dir))[: -self.max_checkpoint_num]:
                file.unlink()


class BestCheckpointHook(_SavesExactState, base.BestCkptSaverHook):  # type: ignore[misc]
    """``best_PCK.pth`` and ``output_best/``, whenever an evaluation is the best so far.

    Configurations name it ``BestCkptSaverHook``.
    """

    PRIORITY = 80  # after a torch scheduler's step, before PeriodicCheckpointHook, whose file holds the best value

    def __init__(self, metric_key: str = BEST_METRIC, **options: Any) -> None:
        options = {"save_file_name": f"best_{metric_key}", **options, "max_checkpoint_num": None}
        super().__init__(metric_key=metric_key, **options)
        self._use_own_files()

    def after_run(self, trainer: Any) -> None:
        """Load the best weights, where ``restore_best`` asks for it."""
        super().after_run(trainer)
        if self.restore_best:
            path = Path(self.save_dir) / f"{self.save_file_name}{CHECKPOINT_SUFFIX}"
            load_weights(trainer.unwrap_module(trainer.model), read_state_dict(path), path)


class ResumeHook(Hook):
    """Loads ``checkpoint_file`` before training starts: weights, and with ``load_all_state`` everything else.

    Raises:
        MissingFileError, CheckpointError: before training, a file that is not there or cannot be resumed from.
    """

    PRIORITY = Priority.HIGH

    def __init__(self, checkpoint_file: str | Path, load_all_state: bool = True) -> None:
        self.checkpoint_file, self.load_all_state = checkpoint_file, load_all_state

    def before_run(self, trainer: Any) -> None:
        """Load it."""
        path = find_checkpoint(self.checkpoint_file)
        model = trainer.unwrap_module(trainer.model)
        if not self.load_all_state:
            load_weights(model, read_state_dict(path), path)
            return
        content = read_checkpoint(path)
        if not isinstance(content, dict) or not {"meta", "state_dict", "optimizer"} <= set(content):
            raise CheckpointError(
                f"{path} holds weights but no state to resume from; load_all_state=False starts anew from them."
            )
        if not isinstance(content["meta"], dict) or "rng_state" not in content["meta"]:
            raise CheckpointError(
                f"{path} was written by another trainer, whose runs cannot be resumed exactly; "
                "load_all_state=False takes its weights and starts anew."
            )
        load_weights(model, state_dict_of(content["state_dict"], path), path)
        try:
            trainer.optimizer.load_state_dict(content["optimizer"])
            if trainer.lr_scheduler is not None and "lr_scheduler" in content:
                trainer.lr_scheduler.load_state_dict(content["lr_scheduler"])
            restore_training_state(trainer, content["meta"])
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{path} does not fit this training: {error}.") from error
        trainer.logger.info(f"resuming from {path}: epoch {trainer.epoch}, iteration {trainer.iter}")


def training_state(trainer: Any) -> dict[str, Any]:
    """Epoch, iteration, random states and the hooks' states, from which the next iteration follows exactly."""
    between_epochs = not trainer.in_epoch
    return {
        "epoch": trainer.epoch + 1 if between_epochs else trainer.epoch,
        "iter": trainer.iter if between_epochs else trainer.iter + 1,
        "inner_iter": 0 if between_epochs else trainer.inner_iter + 1,
        "iters_per_epoch": trainer.epoch_length,
        "rng_state": capture_random_state(),
        "hooks": {type(hook).__name__: hook.state_dict() for hook in _with_state(trainer)},
        "time": time.asctime(),
    }


def restore_training_state(trainer: Any, meta: dict[str, Any]) -> None:
    """The inverse of `training_state`.

    Raises:
        ValueError: an epoch has another length than it had (other data or another batch size) and the state is from
            within an epoch.
    """
    trainer._epoch, trainer._iter, trainer._inner_iter = meta["epoch"], meta["iter"], meta["inner_iter"]
    before, now = meta["iters_per_epoch"], trainer.epoch_length
    if before != now:
        if meta["inner_iter"]:
            raise ValueError(f"it stopped within an epoch of {before} iterations, here an epoch has {now}")
        trainer.logger.warning(f"an epoch had {before} iterations and has {now} now: this run is not the same")
        trainer._iter = meta["epoch"] * now
    restore_random_state(meta["rng_state"])
    for hook in _with_state(trainer):
        if type(hook).__name__ in meta["hooks"]:
            hook.load_state_dict(meta["hooks"][type(hook).__name__])


def _with_state(trainer: Any) -> list[Any]:
    return [hook for hook in trainer.hooks if hook.state_dict()]
