"""Evaluation and prediction with the trainer: each sample once, whatever the number of processes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from modelscope.trainers.trainer import EpochBasedTrainer
from modelscope.trainers.utils.inference import evaluate_batch
from modelscope.utils.constant import ModeKeys, TrainerStages
from modelscope.utils.data_utils import to_device
from modelscope.utils.torch_utils import is_master
from tqdm import tqdm

from ...errors import ConfigError, DatasetError
from ...files import write_atomically
from ...geometry.boxes import xywh_to_xyxy
from ...hands import Hands
from ...model_dir.checkpoint import load_weights, read_state_dict
from ...results.draw import draw_hands
from ...sources.images import load_image
from ...training.distributed import merge_everywhere, share_buffers
from ...training.work_dir import find_checkpoint
from .metric import Predictions

EXAMPLES = 4  # images for TensorBoard at each evaluation


class EvaluatingTrainer(EpochBasedTrainer):  # type: ignore[misc]
    """EpochBasedTrainer with evaluate() and predict() for keypoints; `HandKeypointsTrainer` adds the training."""

    def evaluate(self, checkpoint_path: str | None = None, saving_fn: Any = None, **kwargs: Any) -> dict[str, Any]:
        """PCK, AUC, EPE, NME and their details on ``eval_dataset``.

        Args:
            checkpoint_path: weights to evaluate instead of the present ones: a file, or a model or work directory.
            saving_fn: called with (inputs, outputs) of each batch.
        Returns:
            the numbers of the configured metrics, such as those of `EasyCVMetric.evaluate`.
        Raises:
            ConfigError: no eval_dataset. DatasetError: it is empty. MissingFileError, CheckpointError: the checkpoint.
        """
        if self.eval_dataset is None:
            raise ConfigError("there is nothing to evaluate on: pass eval_dataset.")
        self._load_weights(checkpoint_path)
        values: dict[str, Any] = super().evaluate(None, saving_fn, **kwargs)
        return values

    def predict(
        self,
        predict_datasets: Any = None,
        saving_fn: Any = None,
        checkpoint_path: str | None = None,
        strict: bool = False,
    ) -> None:
        """Predict a data set (None: ``eval_dataset``).

        Args:
            saving_fn: a path to which the predictions are written as COCO results (`Predictions.to_coco`), or a
                callable that gets (inputs, outputs) of each batch.
            checkpoint_path: as in `evaluate`. strict: not used.
        Raises:
            ConfigError: no data set, or no saving_fn. OSError: the folder of that path cannot be made.
        """
        dataset = self.eval_dataset if predict_datasets is None else predict_datasets
        if dataset is None or saving_fn is None:
            raise ConfigError("predict needs a data set, its own or eval_dataset, and saving_fn, a path or a callable.")
        self._load_weights(checkpoint_path)
        if not isinstance(saving_fn, (str, Path)):
            super().predict(dataset, saving_fn, None, strict)
            return
        Path(saving_fn).parent.mkdir(parents=True, exist_ok=True)  # an error now rather than after the work
        self._mode, collector = ModeKeys.EVAL, Predictions()
        self.evaluation_loop(self.get_predict_dataloader(dataset), [collector])
        if is_master():
            write_atomically(saving_fn, json.dumps(collector.to_coco()).encode())

    def evaluation_step(self, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """The model's output for one batch, in float32 also after mixed precision, as the saved weights give it."""
        model = self.unwrap_module(self.model).eval()
        with torch.no_grad():
            outputs: Mapping[str, Any] = model(**data)
        self._example = data, outputs
        return outputs

    def evaluation_loop(self, data_loader: Any, metric_classes: list[Any]) -> dict[str, Any]:
        """Evaluate every sample once, whatever the number of processes; each process returns the numbers of all.

        Raises:
            DatasetError: the data set is empty.
        """
        if is_empty(data_loader.dataset):
            raise DatasetError("the evaluation data set is empty.")
        self.invoke_hook(TrainerStages.before_val)
        if self._dist:
            share_buffers(self.unwrap_module(self.model))
        for batch in tqdm(data_loader, desc="evaluate", unit="batch", disable=not is_master(), leave=False):
            evaluate_batch(self, to_device(batch, self.device), metric_classes, None)
        if self._dist:
            own = [metric for metric in metric_classes if isinstance(metric, Predictions)]
            merge_everywhere(own)
        self.invoke_hook(TrainerStages.after_val)
        return {name: value for metric in metric_classes for name, value in metric.evaluate().items()}

    def example_images(self) -> dict[str, Any] | None:
        """The first hands of the last evaluated batch, drawn on their images, for TensorBoard.

        Returns:
            ``images``, (H, W, 3) RGB, and ``filenames``; None if the samples have no ``image_file``.
        """
        data, outputs = self._example
        if any("image_file" not in meta for meta in data["img_metas"]):
            return None
        images, filenames = [], []
        for meta, keypoints in list(zip(data["img_metas"], np.asarray(outputs["keypoints"])))[:EXAMPLES]:
            box, score = xywh_to_xyxy(meta["ground_truth"]["bbox"]), keypoints[:, 2].mean()
            hand = Hands(keypoints=keypoints[None], boxes=box[None], scores=np.array([score], np.float32))
            images.append(draw_hands(load_image(meta["image_file"]), hand)[..., ::-1].copy())
            filenames.append(f"{Path(meta['image_file']).name}_{meta['bbox_id']}")
        return {"images": images, "filenames": filenames}

    def _load_weights(self, checkpoint_path: str | None) -> None:
        if checkpoint_path is not None:
            path = find_checkpoint(checkpoint_path)
            load_weights(self.unwrap_module(self.model), read_state_dict(path), path)


def is_empty(dataset: Any) -> bool:
    """Whether a data set is known to have no sample; False for one without a length."""
    return hasattr(dataset, "__len__") and len(dataset) == 0
