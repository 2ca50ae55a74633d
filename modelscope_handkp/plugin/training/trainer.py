"""The trainer that the model card builds: ``build_trainer(Trainers.easycv, dict(model=..., train_dataset=...))``."""

import os
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from modelscope.metrics.builder import build_metric
from modelscope.msdatasets import MsDataset
from modelscope.msdatasets.dataset_cls import ExternalDataset
from modelscope.msdatasets.dataset_cls.custom_datasets.builder import build_custom_dataset
from modelscope.trainers.builder import TRAINERS
from modelscope.trainers.hooks.evaluation_hook import EvaluationHook
from modelscope.utils.constant import ConfigKeys, ModeKeys, ModelFile
from modelscope.utils.torch_utils import get_dist_info
from torch import nn
from torch.utils.data import DataLoader

from ...data.coco_wholebody import collate
from ...data.metrics import heatmap_accuracy
from ...errors import ConfigError, DatasetError, InputError
from ...model_dir.config import plain, require
from ...training.distributed import mean_over_processes, to_parallel
from ...training.loading import EpochHook, build_loader
from ...training.schedule import Schedule
from .. import names
from .checkpoints import BEST_METRIC, BestCheckpointHook, LoadCheckpointHook, find_checkpoint
from .evaluation import EvaluatingTrainer, is_empty
from .hooks import ACCURACY, LrUpdaterHook, MixedPrecisionHook, ProgressHook, build_hook

DEFAULT_WORK_DIR = "./work_dir"


@TRAINERS.register_module(module_name=names.TRAINER, force=True)
class HandKeypointsTrainer(EvaluatingTrainer):  # type: ignore[misc]
    """ModelScope's EpochBasedTrainer for the hand keypoint network, with configurations as EasyCV's converter writes.

    Args:
        model: a model id, a model directory, or a ModelScope model (then its directory's configuration is used, or
            ``cfg_file``).
        train_dataset, eval_dataset: `MsDataset`, or any torch data set whose items hold ``img``, ``target``,
            ``target_weight`` (training) and ``img_metas`` with ``center``, ``scale``, ``bbox_id`` and ``ground_truth``
            (evaluation). None: no training, no evaluation.
        work_dir: where checkpoints and logs go; `DEFAULT_WORK_DIR` if neither it nor the configuration says.
        cfg_options: dotted keys over the configuration, such as ``{"train.max_epochs": 210}``.
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
        self._cfg_options = kwargs.get("cfg_options") or {}
        self._has_optimizers = False
        self.in_epoch = False  # kept by EpochHook: are we between two iterations or between two epochs
        kwargs.setdefault("data_collator", collate)
        if self._given_model is not None:
            model = None  # ModelScope would ask the hub whether its directory is the latest
        super().__init__(model=model, cfg_file=cfg_file, work_dir=work_dir, **kwargs)
        self.use_fp16 = bool(kwargs.get("use_fp16") or self.cfg.safe_get("train.use_fp16", False))
        for hook in (EpochHook(), ProgressHook()):
            self.register_hook(hook)
        # built here once, so that a metric that is not known is an error now and not after the first epoch
        judges = [build_metric(block) for block in self.metrics] if self.eval_dataset is not None else []
        has_best = any(BEST_METRIC in getattr(judge, "metric_names", ()) for judge in judges)
        if has_best and self.get_hook(EvaluationHook) and not self.get_hook(BestCheckpointHook):
            self.register_hook(BestCheckpointHook(BEST_METRIC))

    # what is read

    def get_or_download_model_dir(self, model: str, model_revision: Any = None, third_party: Any = None) -> str:
        """A directory is taken as it is, without asking a hub; anything else is a model id."""
        if Path(model).is_dir():
            return model
        model_dir: str = super().get_or_download_model_dir(model, model_revision, third_party)
        return model_dir

    def build_model(self) -> nn.Module:
        model: nn.Module = super().build_model() if self._given_model is None else self._given_model
        return model

    def rebuild_config(self, cfg: Any) -> Any:
        """Plain lists for jsonplus tuples, and a work_dir that can be written."""
        cfg = super().rebuild_config(cfg)
        cfg._cfg_dict.update(plain(cfg._cfg_dict.to_dict()))
        options = cfg.safe_get("train.optimizer.options") or {}
        for key in [key for key, value in options.items() if value is None]:
            del options[key]  # over "grad_clip": null cfg_options could not put a block
        cfg.merge_from_dict(self._cfg_options)  # ModelScope does so later, when work_dir is made
        work_dir = self._wanted_work_dir or cfg.safe_get("train.work_dir") or DEFAULT_WORK_DIR
        cfg.merge_from_dict({"train.work_dir": work_dir})
        _check_writable(Path(work_dir))
        return cfg

    def build_preprocessor(self) -> tuple[None, None]:
        """None: the data set's own transforms prepare the samples."""
        return None, None

    def build_dataset(self, datasets: Any, model_cfg: Any, mode: str, preprocessor: Any = None, **kwargs: Any) -> Any:
        """Errors of a data set are raised, with their own type; ModelScope prints them and goes on."""
        if datasets is None:
            built = self.build_dataset_from_cfg(model_cfg=model_cfg, mode=mode, preprocessor=preprocessor)
        elif isinstance(datasets, MsDataset):
            if isinstance(datasets.ds_instance, ExternalDataset):  # not by MsDataset, which would change the caller's
                block = require(plain(model_cfg.to_dict()), f"dataset.{'train' if mode == ModeKeys.TRAIN else 'val'}")
                built = build_custom_dataset({**block, **datasets.config_kwargs, "mode": mode}, model_cfg.task)
            else:
                built = datasets.ds_instance
        elif isinstance(datasets, (list, tuple)):
            parts = [self.build_dataset(part, model_cfg, mode, preprocessor, **kwargs) for part in datasets]
            built = torch.utils.data.ConcatDataset(parts)
        else:
            built = datasets
        if hasattr(built, "seed") and mode == ModeKeys.TRAIN:
            built.seed = self._seed
        return built

    def register_hook_from_cfg(self, hook_cfg: list[Mapping[str, Any]]) -> list[Any]:
        """Hooks by EasyCV's and ModelScope's names; an unknown one is refused by name."""
        hooks = [build_hook(config) for config in hook_cfg]
        for hook in hooks:
            self.register_hook(hook)
        return hooks

    def get_hook(self, cls: type) -> list[Any]:
        """Hooks of that class or of one derived from it."""
        return [hook for hook in self.hooks if isinstance(hook, cls)]

    def published_config(self) -> dict[str, Any]:
        """The configuration of the trained model: as trained, this package as its plugin, no paths of this machine."""
        config: dict[str, Any] = plain(self.cfg._cfg_dict.to_dict())
        config["plugins"] = sorted({*config.get("plugins", []), names.DISTRIBUTION})
        config["train"]["work_dir"] = None
        config["train"]["hooks"] = [hook for hook in config["train"].get("hooks", []) if hook.get("type") != "DDPHook"]
        for block in ("logging", "checkpoint"):
            _without_paths(config["train"].get(block))
        return config

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
            checkpoint_path: go on from ``epoch_N.pth``, exactly; a work_dir means its newest checkpoint.
            load_all_state: False takes only the weights and starts at epoch 0.
        Raises:
            ConfigError: no train_dataset, or less than one epoch. MissingFileError, CheckpointError: a checkpoint that
            is not there, cannot be gone on from, or cannot be written.
        """
        if self.train_dataset is None:
            raise ConfigError("there is nothing to train on: pass train_dataset.")
        if not isinstance(self.max_epochs, int) or self.max_epochs < 1:
            raise ConfigError(f"train.max_epochs must be a whole number of 1 or more, got {self.max_epochs!r}.")
        super().train(checkpoint_path, load_all_state, *args, **kwargs)

    def set_checkpoint_file_to_hook(self, checkpoint_path: Any, load_all_state: bool, strict: bool) -> None:
        for hook in self.get_hook(LoadCheckpointHook):
            self._hooks.remove(hook)
        if checkpoint_path is not None:
            find_checkpoint(checkpoint_path)  # an error before anything is written
            self.register_hook(LoadCheckpointHook(checkpoint_path, load_all_state))

    def create_optimizer_and_scheduler(self) -> tuple[Any, Any, dict[str, Any], dict[str, Any]]:
        """The configured optimizer; a scheduler only from a torch-style block, mmcv's becomes a `LrUpdaterHook`."""
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
        """The hooks that step, once; ModelScope adds them again at every train()."""
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
        return to_parallel(model, self.device)

    def train_step(self, model: nn.Module, inputs: Mapping[str, Any]) -> None:
        """One forward; the optimizer's hook goes backward. The loss shown is the mean over the processes."""
        model.train()
        self._mode = ModeKeys.TRAIN
        with self._autocast():
            outputs = model(**inputs)
        if not isinstance(outputs, Mapping) or "loss" not in outputs:
            raise ConfigError("in training the model must answer a dict with 'loss'.")
        self.train_outputs = dict(outputs)
        seen = {"loss": mean_over_processes(outputs["loss"]).item()}
        if "heatmaps" in outputs:
            seen[ACCURACY] = heatmap_accuracy(outputs["heatmaps"], inputs["target"], inputs["target_weight"])
        self.log_buffer.update(seen)

    def _autocast(self) -> Any:
        if not self.use_fp16:
            return nullcontext()
        kind = self.device.type
        return torch.autocast(kind, dtype=torch.float16 if kind == "cuda" else torch.bfloat16)

    # data loaders

    def get_train_dataloader(self) -> DataLoader[Any]:
        if is_empty(self.train_dataset):
            raise DatasetError("the training data set is empty.")
        return self._loader(self.train_dataset, "train", ConfigKeys.train, self.train_data_collator, True)

    def get_eval_data_loader(self) -> DataLoader[Any]:
        return self._loader(self.eval_dataset, "evaluation", ConfigKeys.val, self.eval_data_collator, False)

    def get_predict_dataloader(self, predict_datasets: Any) -> DataLoader[Any]:
        dataset = self.build_dataset(predict_datasets, self.cfg, ModeKeys.EVAL, self.eval_preprocessor)
        return self._loader(dataset, "evaluation", ConfigKeys.val, self.eval_data_collator, False)

    def _loader(self, dataset: Any, block: str, kind: str, collator: Any, training: bool) -> DataLoader[Any]:
        options = plain(self.cfg.safe_get(f"{block}.dataloader") or {})
        samplers = self._samplers.get(kind) if isinstance(self._samplers, dict) else self._samplers
        rank, world = get_dist_info(self.dp_group) if self._dist else (0, 1)
        options = {"batch_size_per_gpu": 32, "workers_per_gpu": 0, "shuffle": training, **options}
        more = {"sampler": samplers, "rank": rank, "world": world, "pad": training, "collate_fn": collator}
        try:
            return build_loader(dataset, seed=self._seed, **more, **options)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{block}.dataloader {options} cannot be used: {error}.") from error


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable.{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise InputError(f"work_dir {folder} cannot be written: {error.strerror or error}.") from error


def _without_paths(block: Any) -> None:
    """Take ``save_dir`` and ``out_dir`` out of a block and its inner ones."""
    if isinstance(block, dict):
        for key in ("save_dir", "out_dir", "output_dir"):
            block.pop(key, None)
        for inner in block.values():
            _without_paths(inner)
