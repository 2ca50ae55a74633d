"""EasyCVMetric with KeyPointEvaluator through ModelScope's builder, against tests/golden/metrics.npz, 1e-6."""

import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from modelscope_handkp.errors import ConfigError, DatasetError
from modelscope_handkp.plugin.training.metric import Predictions
from modelscope_handkp.skeleton import KEYPOINT_NAMES

builder = pytest.importorskip("modelscope.metrics.builder")

EVALUATOR = {"type": "KeyPointEvaluator", "metric_names": ["PCK", "AUC", "EPE", "NME"], "pck_thr": 0.2, "auc_nor": 30}


def build(**changes: Any) -> Any:
    return builder.build_metric({"type": "EasyCVMetric", "evaluators": [{**EVALUATOR, **changes}]})


@pytest.fixture
def data(golden: Callable[[str], Any]) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = golden("metrics.npz")
    return arrays


def feed(metric: Any, data: dict[str, np.ndarray], order: Any) -> Any:
    """Batches of up to 7 samples, in ``order``."""
    for start in range(0, len(order), 7):
        chosen = order[start : start + 7]
        metas = [
            {
                "bbox_id": int(i),
                "image_id": 100 + int(i),
                "image_file": "x.jpg",
                "ground_truth": {
                    "joints_3d": data["joints"][i],
                    "joints_3d_visible": data["visible"][i],
                    "bbox": data["box_xywh"][i],
                    "is_left": bool(i % 2),
                },
            }
            for i in chosen
        ]
        metric.add({"keypoints": data["predictions"][chosen]}, {"img_metas": metas})
    return metric


def test_golden_in_any_order(data: dict[str, np.ndarray]) -> None:
    values = feed(build(), data, np.random.default_rng(0).permutation(40)).evaluate()
    for name in ("PCK", "AUC", "EPE", "NME"):
        assert values[name] == pytest.approx(float(data[name]), abs=1e-6)
    assert values["hands"] == 40
    joints = [values[f"PCK_{name}"] for name in KEYPOINT_NAMES if f"PCK_{name}" in values]
    assert np.mean(joints) == pytest.approx(values["PCK"])
    json.dumps(values, allow_nan=False)


def test_merging_counts_each_sample_once(data: dict[str, np.ndarray]) -> None:
    parts = [feed(build(), data, np.arange(rank, 40, 3)) for rank in range(3)]
    feed(parts[2], data, np.array([0, 1, 2]))  # as a sampler that pads would
    whole = pickle.loads(pickle.dumps(parts[0]))
    for part in parts[1:]:
        whole.merge(pickle.loads(pickle.dumps(part)))
    assert whole.evaluate() == feed(build(), data, np.arange(40)).evaluate()


def test_only_the_named_metrics(data: dict[str, np.ndarray]) -> None:
    values = feed(build(metric_names=["EPE"], pck_thr=0.1), data, np.arange(40)).evaluate()
    assert "EPE" in values and "PCK" not in values and "AUC" not in values


def test_coco_results(data: dict[str, np.ndarray]) -> None:
    data["predictions"][3, :, 2] = np.arange(21)
    entries = feed(build(), data, np.arange(39, -1, -1)).to_coco()
    assert [entry["image_id"] for entry in entries] == list(range(100, 140))
    assert [entry["bbox_id"] for entry in entries] == list(range(40))
    np.testing.assert_allclose(entries[3]["keypoints"], data["predictions"][3].ravel(), atol=1e-4)
    np.testing.assert_allclose(entries[3]["bbox"], data["box_xywh"][3])
    assert entries[3]["score"] == 10
    assert [entry["is_left"] for entry in entries[:3]] == [False, True, False]
    json.dumps(entries)


def test_predictions_need_no_ground_truth() -> None:
    collector = Predictions()
    metas = [{"bbox_id": 1, "image_id": 5, "image_file": "b.jpg"}, {"bbox_id": 1, "image_id": 4, "image_file": "a.jpg"}]
    collector.add({"keypoints": np.ones((2, 21, 3))}, {"img_metas": metas})
    assert collector.evaluate() == {}
    entries = collector.to_coco()
    assert [entry["image_id"] for entry in entries] == [4, 5]
    assert entries[0].keys() == {"image_id", "category_id", "bbox_id", "keypoints", "score"}


def test_the_trainer_does_not_travel_between_processes() -> None:
    metric = builder.build_metric({"type": "EasyCVMetric", "trainer": test_coco_results})
    assert metric.trainer is test_coco_results
    assert pickle.loads(pickle.dumps(metric)).trainer is None and metric.trainer is not None


def test_thresholds_are_those_of_the_evaluator(data: dict[str, np.ndarray]) -> None:
    plain, other = (feed(build(**changes), data, np.arange(40)).evaluate() for changes in
                    ({}, {"pck_thr": 0.05, "auc_nor": 10}))  # fmt: skip
    assert other["PCK"] < plain["PCK"] and other["AUC"] < plain["AUC"]
    default = feed(builder.build_metric({"type": "EasyCVMetric"}), data, np.arange(40)).evaluate()
    assert default == plain


def test_sizes_and_joints_without_a_sample_are_left_out(data: dict[str, np.ndarray]) -> None:
    data["visible"][:, 4] = 0
    data["box_xywh"][:, 2:] = 60
    values = feed(build(), data, np.arange(40)).evaluate()
    assert "PCK_medium" in values and "PCK_small" not in values and "PCK_large" not in values
    assert "PCK_wrist" in values and f"PCK_{KEYPOINT_NAMES[4]}" not in values


@pytest.mark.parametrize(
    ("evaluators", "named"),
    [
        ([{"type": "CocoPoseEvaluator"}], "CocoPoseEvaluator"),
        ([{**EVALUATOR, "metric_names": ["PCK", "PCKh"]}], "PCKh"),
        ([EVALUATOR, EVALUATOR], "one evaluator"),
    ],
)
def test_what_is_not_known_is_refused(evaluators: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        builder.build_metric({"type": "EasyCVMetric", "evaluators": evaluators})


def test_nothing_to_evaluate_against() -> None:
    with pytest.raises(DatasetError, match="gave no sample"):
        build().evaluate()
    with pytest.raises(DatasetError, match="bbox_id"):
        build().add({"keypoints": np.zeros((1, 21, 3))}, {"img_metas": [{}]})
    metric = build()
    metric.add({"keypoints": np.zeros((1, 21, 3))}, {"img_metas": [{"bbox_id": 0}]})
    with pytest.raises(DatasetError, match="ground_truth"):
        metric.evaluate()
    metric.add({"keypoints": np.zeros((1, 21, 3))}, {"img_metas": [{"bbox_id": 0, "ground_truth": {"bbox": [0] * 4}}]})
    with pytest.raises(DatasetError, match="joints_3d"):
        metric.evaluate()
    with pytest.raises(DatasetError, match="bbox_id"):
        metric.add({"keypoints": np.zeros((1, 21, 3))}, {})
