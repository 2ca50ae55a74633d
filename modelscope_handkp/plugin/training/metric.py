"""`EasyCVMetric` with `KeyPointEvaluator`, as the configuration's ``evaluation.metrics`` names them."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from modelscope.metrics.base import Metric
from modelscope.metrics.builder import METRICS
from modelscope.outputs import OutputKeys

from ...arrays import Array
from ...data import metrics, oks
from ...errors import ConfigError, DatasetError
from ...model_dir.config import plain
from ...results.coco import HAND_CATEGORY, coco_entry
from ...skeleton import KEYPOINT_NAMES
from .. import names

EVALUATOR = "KeyPointEvaluator"
METRIC_NAMES = ("PCK", "AUC", "EPE", "NME")
TRUTH_KEYS = ("joints_3d", "joints_3d_visible", "bbox")


class Predictions(Metric):
    """Keypoints of the samples seen so far, one entry each, however often a sample comes."""

    def __init__(self) -> None:
        self.trainer: Any = None
        self.samples: dict[tuple[str, int], dict[str, Any]] = {}

    def add(self, outputs: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        """Add a batch.

        Args:
            outputs: ``keypoints`` (N, 21, 3): x, y in image pixels and score.
            inputs: ``img_metas``, N dicts with ``bbox_id`` and perhaps ``image_file``, ``image_id``, ``ground_truth``.
        Raises:
            DatasetError: a sample without ``bbox_id``.
        """
        metas = inputs.get("img_metas")
        if not isinstance(metas, (list, tuple)) or any("bbox_id" not in meta for meta in metas):
            raise DatasetError("each evaluated sample needs img_metas with a bbox_id, its number in the data set.")
        for keypoints, meta in zip(np.asarray(outputs[OutputKeys.KEYPOINTS], np.float32), metas):
            sample = {"keypoints": keypoints, **{k: meta.get(k) for k in ("image_file", "image_id", "ground_truth")}}
            self.samples[str(meta.get("image_file")), int(meta["bbox_id"])] = sample

    def evaluate(self) -> dict[str, Any]:
        """No numbers: this class only collects."""
        return {}

    def merge(self, other: "Predictions") -> None:
        """Add what another process has seen; a sample that both have counts once."""
        self.samples.update(other.samples)

    def to_coco(self) -> list[dict[str, Any]]:
        """COCO results in the order of ``bbox_id``: `coco_entry` and ``bbox_id``.

        ``score`` is the mean of the keypoints' scores; ``bbox``, ``is_left``, ``category_id`` and ``annotation_id`` are
        those of the ground truth.
        """
        entries = []
        for (_, bbox_id), sample in self._ordered():
            truth, keypoints = sample["ground_truth"] or {}, sample["keypoints"]
            entry = coco_entry(
                sample["image_id"],
                keypoints,
                _score(keypoints),
                truth.get("bbox"),
                truth.get("is_left"),
                category_id=truth.get("category_id"),
                annotation_id=truth.get("annotation_id"),
            )
            entries.append({**entry, "bbox_id": bbox_id})
        return entries

    def _ordered(self) -> list[tuple[tuple[str, int], dict[str, Any]]]:
        return sorted(self.samples.items(), key=lambda item: (item[0][1], item[0][0]))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "trainer": None}  # processes send each other their samples, not their trainers


@METRICS.register_module(names.DEFAULT_GROUP, module_name=names.METRIC, force=True)
class EasyCVMetric(Predictions):
    """PCK, AUC, EPE, NME; PCK of each joint and by hand size (`metrics.evaluate_keypoints`); OKS-AP as COCO counts it.

    Args:
        evaluators: one ``{"type": "KeyPointEvaluator", "metric_names": [...], "pck_thr": 0.2, "auc_nor": 30}``.
        trainer: as ModelScope passes it.
    Raises:
        ConfigError: another evaluator, or a metric that is not known, named.
    """

    def __init__(self, evaluators: Any = None, trainer: Any = None, **_: Any) -> None:
        super().__init__()
        self.trainer = trainer
        blocks = plain(list(evaluators)) if evaluators else [{"type": EVALUATOR}]
        if len(blocks) != 1 or blocks[0].get("type") != EVALUATOR:
            raise ConfigError(f"{names.METRIC} takes one evaluator of type {EVALUATOR!r}, got {blocks}.")
        self.metric_names = list(blocks[0].get("metric_names", METRIC_NAMES))
        self.pck_threshold = float(blocks[0].get("pck_thr", metrics.PCK_THRESHOLD))
        self.auc_range = float(blocks[0].get("auc_nor", metrics.AUC_RANGE))
        unknown = [name for name in self.metric_names if name not in METRIC_NAMES]
        if unknown:
            raise ConfigError(f"{EVALUATOR} does not know the metrics {unknown}; known are {list(METRIC_NAMES)}.")

    def evaluate(self) -> dict[str, Any]:
        """The numbers of the samples seen so far.

        Returns:
            those of ``metric_names``, ``AP``, ``AP50``, ``AP75`` and ``AR`` (`oks.average_precision`), ``PCK_wrist``
            ... ``PCK_pinky_finger4``, ``PCK_small/medium/large`` and ``hands``; a keypoint or size without a sample is
            left out.
        Raises:
            DatasetError: no sample was added, or one came without ground truth.
        """
        samples = [sample for _, sample in self._ordered()]
        if not samples:
            raise DatasetError("nothing was evaluated: the evaluation data set gave no sample.")
        truths = [sample["ground_truth"] for sample in samples]
        if any(truth is None or any(key not in truth for key in TRUTH_KEYS) for truth in truths):
            raise DatasetError(f"each evaluated sample needs {TRUTH_KEYS} in img_metas['ground_truth'].")
        joints, visible, boxes = (np.stack([truth[key] for truth in truths]) for key in TRUTH_KEYS)
        predictions = np.stack([sample["keypoints"] for sample in samples])
        result = metrics.evaluate_keypoints(predictions, joints, visible, boxes, self.pck_threshold, self.auc_range)
        chosen = {name: result[name] for name in self.metric_names}
        per_joint = {f"PCK_{name}": float(value) for name, value in zip(KEYPOINT_NAMES, result["PCK_joints"])}
        per_size = {f"PCK_{name}": result[f"PCK_{name}"] for name in metrics.SIZE_LIMITS}
        detail = {name: value for name, value in {**per_joint, **per_size}.items() if not math.isnan(value)}
        return {**chosen, **self._average_precision(samples, predictions), **detail, "hands": result["hands"]}

    @staticmethod
    def _average_precision(samples: list[dict[str, Any]], predictions: Array) -> dict[str, float]:
        images, truths = [_image_key(sample) for sample in samples], [sample["ground_truth"] for sample in samples]
        categories = [truth.get("category_id", HAND_CATEGORY) for truth in truths]
        scores = np.array([_score(keypoints) for keypoints in predictions])
        rows = [(*row, False, False) for row in zip(map(_marked, truths), map(_area, truths),
                [truth["bbox"] for truth in truths], images, categories)]  # fmt: skip
        ignored = {image: truth.get("ignored", ()) for image, truth in zip(images, truths)}
        rows += [
            (region.keypoints, region.area, region.box_xywh, image, region.category_id, True, region.is_crowd)
            for image, regions in ignored.items()
            for region in regions
        ]
        keypoints, areas, boxes, image_ids, category_ids, is_ignored, is_crowd = zip(*rows)
        arrays = (np.stack(keypoints), np.array(areas), np.stack(boxes))
        annotated = oks.Annotated(*arrays, image_ids, category_ids, np.array(is_ignored), np.array(is_crowd))
        return oks.average_precision(
            oks.Predicted(predictions.astype(np.float64), scores, images, categories), annotated
        )


def _marked(truth: dict[str, Any]) -> Array:
    """(21, 3): x, y in image pixels and 1 where the keypoint is annotated, else 0."""
    return np.column_stack([truth["joints_3d"][:, :2], truth["joints_3d_visible"][:, 0] > 0])


def _area(truth: dict[str, Any]) -> float:
    return float(truth.get("area", truth["bbox"][2] * truth["bbox"][3]))


def _image_key(sample: dict[str, Any]) -> tuple[bool, Any, str]:
    """Sorts by id; two data sets that are evaluated together may have the same ids."""
    image_id = "" if sample["image_id"] is None else sample["image_id"]
    return isinstance(image_id, str), image_id, str(sample["image_file"])


def _score(keypoints: Array) -> float:
    """The score of a hand: the mean of its (21, 3) keypoints'."""
    return float(keypoints[:, 2].mean())
