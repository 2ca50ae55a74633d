"""The trainer that the model card builds: ``build_trainer(Trainers.easycv, dict(model=..., train_dataset=...))``."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from modelscope.metrics.builder import build_metric
from modelscope.trainers.builder import TRAINERS
from modelscope.trainers.hooks.evaluation_hook import EvaluationHook
from modelscope.utils.constant import ConfigKeys, ModeKeys, ModelFile
from modelscope.utils.torch_utils import get_dist_info
from torch import nn
from torch.utils.data import DataLoader

from ...data.dataset import collate
from ...data.metrics import heatmap_accuracy
from ...errors import ConfigError, DatasetError
from ...model_dir.config import plain
from ...training.distributed import mean_over_processes, to_parallel
from ...training.loading import build_loader
from ...training.schedule import Schedule
from ...training.work_dir import find_checkpoint
from .. import names
from . import run_config
from .checkpoints import BEST_METRIC, BestCheckpointHook, ResumeHook
from .evaluation import EvaluatingTrainer, is_empty
from .given_data import open_given
from .hooks import build_hook
from .log_hooks import ACCURACY, ProgressHook
from .loop_hooks import EpochHook, LrUpdaterHook, MixedPrecisionHook


@TRAINERS.register_module(module_name=names.TRAINER, force=True)
class HandKeypointsTrainer(EvaluatingTrainer):  # type: ignore[misc]
    """ModelScope's EpochBasedTrainer for the hand keypoint network, with configurations as EasyCV's converter writes.

    Args:
        model: a model id, a model directory, or a ModelScope model (then its directory's configuration is used, or
            ``cfg_file``).
        train_dataset, eval_dataset: a folder, an annotation file, a data set on the hub, an `MsDataset` or a list of
            these (`open_given`); or any torch data set whose items hold ``img``, ``target``, ``target_weight``
            (training) and ``img_metas`` with ``center``, ``scale``, ``bbox_id`` and ``ground_truth`` (evaluation).
            None: no training, no evaluation.
        work_dir: where checkpoints and logs are written; None takes the configuration's, else "work_dir".
        cfg_options: dotted keys over the configuration, such as ``{"train.max_epochs": 210}``; a block replaces one of
            another kind as a whole (`run_config.merge_options`).
        launcher: "pytorch" under torchrun. use_fp16: mixed precision, float16 on a GPU and bfloat16 on the CPU; also
            the configuration's ``train.use_fp16``.
        seed and further keys: as EpochBasedTrainer.
    Raises:
        ConfigError, DatasetError, MissingFileError: what the configuration or the data set lacks, named.
        InputError: a work_dir that cannot be written.
    """

    def __init__(
        self, model: Any = None, cfg_file: str | None = None, work_dir: str | None = None, **kwargs: Any
    ) -> None:
        if cfg_file is None and isinstance(model, nn.Module):
            model_dir = getattr(model, "model_dir", None)
            if model_dir is None:
                raise ConfigError("a model without model_dir needs cfg_file, the configuration to train it with.")
            cfg_file = str(Path(model_dir) / ModelFile.CONFIGURATION)
        self._given_model = model if isinstance(model, nn.Module) else None
        self._wanted_work_dir = work_dir
        self._cfg_options = kwargs.pop("cfg_options", None) or {}  # ModelScope would merge them once more
        self._has_optimizers = False
        self.in_epoch = False  # whether training is within an epoch or between two; EpochHook keeps it
        kwargs.setdefault("data_collator", collate)
        if self._given_model is not None:
            model = None  # ModelScope would ask the hub whether its directory is the latest
        super().__init__(model=model, cfg_file=cfg_file, work_dir=work_dir, **kwargs)
        self.use_fp16 = bool(kwargs.get("use_fp16") or self.cfg.safe_get("train.use_fp16", False))
        for hook in (EpochHook(), ProgressHook()):
            self.register_hook(hook)
        # built here once, so that a metric that is not known is an error now and not after the first epoch
        metrics = [build_metric(block) for block in self.metrics] if self.eval_dataset is not None else []
        has_best = any(BEST_METRIC in getattr(metric, "metric_names", ()) for metric in metrics)
        if has_best and self.get_hook(EvaluationHook) and not self.get_hook(BestCheckpointHook):
            self.register_hook(BestCheckpointHook(BEST_METRIC))

    # configuration, model and data

    def get_or_download_model_dir(self, model: str, model_revision: Any = None, third_party: Any = None) -> str:
        """A directory as it is, without asking a hub; anything else is a model id."""
        if Path(model).is_dir():
            return model
        model_dir: str = super().get_or_download_model_dir(model, model_revision, third_party)
        return model_dir

    def build_model(self) -> nn.Module:
        """The model that was passed, else that of the model directory."""
        model: nn.Module = super().build_model() if self._given_model is None else self._given_model
        return model

    def rebuild_config(self, cfg: Any) -> Any:
        """The configuration through `run_config.prepare_config`."""
        return run_config.prepare_config(super().rebuild_config(cfg), self._wanted_work_dir, self._cfg_options)

    def published_config(self) -> dict[str, Any]:
        """The configuration of the trained model (`run_config.published_config`)."""
        return run_config.published_config(self.cfg)

    def print_cfg(self) -> None:
        """Log the configuration, but no token of the hub."""
        with run_config.hidden_tokens(self.cfg):
            super().print_cfg()

    def build_preprocessor(self) -> tuple[None, None]:
        """None: the data set's own transforms prepare the samples."""
        return None, None

    def build_dataset(self, datasets: Any, model_cfg: Any, mode: str, preprocessor: Any = None, **kwargs: Any) -> Any:
        """The data set that is trained or evaluated on; its errors are raised, where ModelScope only prints them."""
        if datasets is None:
            built = self.build_dataset_from_cfg(model_cfg=model_cfg, mode=mode, preprocessor=preprocessor)
        else:
            part = "train" if mode == ModeKeys.TRAIN else "val"
            built = open_given(datasets, part, plain(model_cfg.to_dict()))
        if hasattr(built, "seed") and mode == ModeKeys.TRAIN:
            built.seed = self._seed
        return built

    def register_hook_from_cfg(self, hook_cfg: list[Mapping[str, Any]]) -> list[Any]:
        """Register hooks by EasyCV's and ModelScope's names.

        Raises:
            ConfigError: an unknown name, or options that a hook does not take.
        """
        hooks = [build_hook(config) for config in hook_cfg]
        for hook in hooks:
            self.register_hook(hook)
        return hooks

    def get_hook(self, cls: type) -> list[Any]:
        """The registered hooks of class ``cls`` or of one derived from it."""
        return [hook for hook in self.hooks if isinstance(hook, cls)]

    # training

    @property
    def epoch_length(self) -> int:
        """Iterations of a training epoch; ModelScope's ``iters_per_epoch`` is the evaluation's after an evaluation."""
        if self._train_iters_per_epoch is not None:
            return int(self._train_iters_per_epoch)
        try:
            return len(self.train_dataloader)
        except TypeError:
            raise ConfigError("the training data set has no length: set train.train_iters_per_epoch.") from None

    @property
    def max_iters(self) -> int:
        """Iterations of the whole training."""
        return int(self.max_epochs) * self.epoch_length

    def train(self, checkpoint_path: str | None = None, load_all_state: bool = True, *args: Any, **kwargs: Any) -> None:
        """Train to ``max_epochs``.

        Args:
            checkpoint_path: resume exactly from ``epoch_N.pth``, or from the newest checkpoint of a work directory.
            load_all_state: False takes only the weights and starts at epoch 0.
        Raises:
            ConfigError: no train_dataset, or less than one epoch.
            MissingFileError, CheckpointError: a checkpoint is not there, cannot be resumed from, or cannot be written.
        """
        if self.train_dataset is None:
            raise ConfigError("there is nothing to train on: pass train_dataset.")
        if not isinstance(self.max_epochs, int) or self.max_epochs < 1:
            raise ConfigError(f"train.max_epochs must be a whole number of 1 or more, got {self.max_epochs!r}.")
        super().train(checkpoint_path, load_all_state, *args, **kwargs)

    def set_checkpoint_file_to_hook(self, checkpoint_path: Any, load_all_state: bool, strict: bool) -> None:
        """Resume from ``checkpoint_path`` when training starts; a missing file is an error before that."""
        for hook in self.get_hook(ResumeHook):
            self._hooks.remove(hook)
        if checkpoint_path is not None:
            find_checkpoint(checkpoint_path)
            self.register_hook(ResumeHook(checkpoint_path, load_all_state))

    def create_optimizer_and_scheduler(self) -> tuple[Any, Any, dict[str, Any], dict[str, Any]]:
        """The configured optimizer; a scheduler only from a torch-style block, mmcv's becomes a `LrUpdaterHook`.

        Raises:
            ConfigError: no optimizer, or an optimizer or schedule that cannot be built.
        """
        optimizer, scheduler = self.optimizers
        train = plain(self.cfg.train.to_dict())
        optimizer_block, schedule_block = dict(train.get("optimizer") or {}), dict(train.get("lr_scheduler") or {})
        optimizer_options = optimizer_block.pop("options", None) or {}
        schedule_options = schedule_block.pop("options", None) or {}
        if optimizer is None:
            if not optimizer_block:
                raise ConfigError("the configuration has no train.optimizer.")
            try:
                optimizer = self.build_optimizer(cfg=optimizer_block)
            except (KeyError, TypeError, ValueError) as error:
                raise ConfigError(f"train.optimizer {optimizer_block} cannot be built: {error}.") from error
        if scheduler is None and "policy" in schedule_block:
            self.register_hook(LrUpdaterHook(Schedule.from_config(schedule_block)))
        elif scheduler is None and schedule_block:
            scheduler = self.build_lr_scheduler(cfg=schedule_block, default_args={"optimizer": optimizer})
        self.optimizer, self.lr_scheduler = optimizer, scheduler
        return optimizer, scheduler, optimizer_options, schedule_options

    def register_optimizers_hook(self) -> None:
        """Register the hooks that step, once; ModelScope calls this at every train()."""
        if self._has_optimizers:
            return
        _, scheduler, optimizer_options, schedule_options = self.create_optimizer_and_scheduler()
        self.register_hook_from_cfg([{"type": "OptimizerHook", **optimizer_options}])
        if scheduler is not None:
            self.register_hook_from_cfg([{"type": "LrSchedulerHook", **schedule_options}])
        if self.use_fp16 and self.device.type == "cuda":
            self.register_hook(MixedPrecisionHook())
        self._has_optimizers = True

    def to_parallel(self, model: nn.Module) -> nn.Module:
        """``model`` with its gradients averaged over the processes."""
        return to_parallel(model, self.device)

    def train_step(self, model: nn.Module, inputs: Mapping[str, Any]) -> None:
        """The forward pass of one batch, after which the optimizer's hook runs the backward pass.

        The logged loss is the mean over the processes.

        Raises:
            ConfigError: a model that does not return a loss.
        """
        model.train()
        self._mode = ModeKeys.TRAIN
        with self._autocast():
            outputs = model(**inputs)
        if not isinstance(outputs, Mapping) or "loss" not in outputs:
            raise ConfigError("in training the model must return a dict with 'loss'.")
        self.train_outputs = dict(outputs)
        logged = {"loss": mean_over_processes(outputs["loss"]).item()}
        if "heatmaps" in outputs:
            logged[ACCURACY] = heatmap_accuracy(outputs["heatmaps"], inputs["target"], inputs["target_weight"])
        self.log_buffer.update(logged)

    def _autocast(self) -> Any:
        if not self.use_fp16:
            return nullcontext()
        kind = self.device.type
        return torch.autocast(kind, dtype=torch.float16 if kind == "cuda" else torch.bfloat16)

    # data loaders

    def get_train_dataloader(self) -> DataLoader[Any]:
        """The loader of the training data set.

        Raises:
            DatasetError: it is empty. ConfigError: ``train.dataloader`` has options that cannot be used.
        """
        if is_empty(self.train_dataset):
            raise DatasetError("the training data set is empty.")
        return self._loader(self.train_dataset, "train", ConfigKeys.train, self.train_data_collator, True)

    def get_eval_data_loader(self) -> DataLoader[Any]:
        """The loader of the evaluation data set; raises as `get_predict_dataloader`."""
        return self._loader(self.eval_dataset, "evaluation", ConfigKeys.val, self.eval_data_collator, False)

    def get_predict_dataloader(self, predict_datasets: Any) -> DataLoader[Any]:
        """The loader of a data set to predict.

        Raises:
            ConfigError: ``evaluation.dataloader`` has options that cannot be used.
        """
        dataset = self.build_dataset(predict_datasets, self.cfg, ModeKeys.EVAL, self.eval_preprocessor)
        return self._loader(dataset, "evaluation", ConfigKeys.val, self.eval_data_collator, False)

    def _loader(self, dataset: Any, section: str, kind: str, collator: Any, training: bool) -> DataLoader[Any]:
        options = plain(self.cfg.safe_get(f"{section}.dataloader") or {})
        samplers = self._samplers.get(kind) if isinstance(self._samplers, dict) else self._samplers
        rank, world = get_dist_info(self.dp_group) if self._dist else (0, 1)
        options = {"batch_size_per_gpu": 32, "workers_per_gpu": 0, "shuffle": training, **options}
        more = {"sampler": samplers, "rank": rank, "world": world, "pad": training, "collate_fn": collator}
        try:
            return build_loader(dataset, seed=self._seed, **more, **options)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{section}.dataloader {options} cannot be used: {error}.") from error
