"""EasyCVMetric with KeyPointEvaluator through ModelScope's builder, against tests/golden/metrics.npz, 1e-6."""

import json
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from modelscope_handkp.errors import ConfigError, DatasetError
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
    entries = feed(build(), data, np.arange(39, -1, -1)).to_coco()
    assert [entry["image_id"] for entry in entries] == list(range(100, 140))
    np.testing.assert_allclose(entries[3]["keypoints"], data["predictions"][3].ravel(), atol=1e-4)
    np.testing.assert_allclose(entries[3]["bbox"], data["box_xywh"][3])
    json.dumps(entries)


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


def test_nothing_to_judge_by() -> None:
    with pytest.raises(DatasetError, match="gave no sample"):
        build().evaluate()
    with pytest.raises(DatasetError, match="bbox_id"):
        build().add({"keypoints": np.zeros((1, 21, 3))}, {"img_metas": [{}]})
    metric = build()
    metric.add({"keypoints": np.zeros((1, 21, 3))}, {"img_metas": [{"bbox_id": 0}]})
    with pytest.raises(DatasetError, match="ground_truth"):
        metric.evaluate()
