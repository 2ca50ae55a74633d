"""Training beside pai-easycv 0.11.7, where it is installed (CONTRIBUTING.md): equal steps, and names that stay ours."""

import copy
import json
import os
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import GOLDEN
from model_dirs import seeded_pose_state_dict
from small import COLUMNS, RANDOM, dots_dataset, narrow_config, narrow_dir

from modelscope_handkp.data.metrics import heatmap_accuracy
from modelscope_handkp.model_dir.config import plain
from modelscope_handkp.model_dir.settings import NetworkSettings
from modelscope_handkp.networks.topdown import TopDown, build_topdown, heatmap_loss

pytestmark = pytest.mark.easycv
pytest.importorskip("easycv")

ROOT = Path(__file__).parents[3]
STEPS = 5


@pytest.fixture(scope="module")
def model_config() -> dict[str, Any]:
    config: dict[str, Any] = plain(json.loads((GOLDEN / "hosted" / "configuration.json").read_text())["model"])
    return config


def ours(model_config: dict[str, Any]) -> TopDown:
    return build_topdown(NetworkSettings.parse(model_config))


def theirs(model_config: dict[str, Any]) -> torch.nn.Module:
    from easycv.models.builder import build_model
    from mmcv import Config

    config = copy.deepcopy(model_config)
    config["type"] = config.pop("__easycv_arch__")["type"]
    config["pretrained"] = None
    model: torch.nn.Module = build_model(Config(config)._cfg_dict)
    return model


def batches() -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    rng = np.random.default_rng(0)
    made = []
    for _ in range(STEPS):
        arrays = rng.normal(size=(4, 3, 64, 64)), rng.random((4, 21, 16, 16)), rng.integers(0, 2, (4, 21, 1))
        img, target, weight = (torch.from_numpy(array.astype(np.float32)) for array in arrays)
        made.append((img, target, weight))
    return made


def test_five_steps_of_adam_are_equal(model_config: dict[str, Any]) -> None:
    own, other = ours(model_config), theirs(model_config)
    for model in (own, other):
        assert not model.load_state_dict(seeded_pose_state_dict(), strict=False).missing_keys
        model.train()
    optimizers = [torch.optim.Adam(model.parameters(), lr=5e-4) for model in (own, other)]
    for img, target, weight in batches():
        heatmaps = own(img)
        expected = other.forward_train(img, target, weight, None)
        losses = heatmap_loss(heatmaps, target, weight), expected["mse_loss"]
        assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-4)
        assert heatmap_accuracy(heatmaps, target, weight) == pytest.approx(float(expected["acc_pose"]), abs=0.05)
        for optimizer, loss in zip(optimizers, losses):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    one, two = own.state_dict(), other.state_dict()
    assert set(one) == set(two)
    theirs(model_config).load_state_dict(one)
    ours(model_config).load_state_dict(two)
    learned = [key for key, value in one.items() if value.is_floating_point()]
    np.testing.assert_allclose(*(np.concatenate([s[key].ravel() for key in learned]) for s in (one, two)), atol=5e-3)


def test_samples_and_targets_are_equal(tmp_path: Path) -> None:
    from easycv.datasets.builder import build_dataset

    from modelscope_handkp.plugin.training.dataset import HandCocoWholeBodyDataset

    folder = dots_dataset(tmp_path / "data")
    for split, block in narrow_config()["dataset"].items():
        steps = [step for step in block["pipeline"] if not step["type"].startswith(RANDOM)]
        # EasyCV draws the target a pixel off where three sigmas are no whole number
        steps = [{**step, "sigma": 2} if "sigma" in step else step for step in steps]
        source = {**block["data_source"], "test_mode": True}
        source.update({key: source[key].replace("${data_root}", str(folder)) for key in ("ann_file", "img_prefix")})
        other = build_dataset(copy.deepcopy({"type": block["type"], "data_source": source, "pipeline": steps}))
        ours = HandCocoWholeBodyDataset(data_source=source, pipeline=steps)
        assert len(ours) == len(other) > 0
        for item, expected in zip((ours[i] for i in range(len(ours))), other):
            metas = expected.pop("img_metas").data
            for key, value in expected.items():
                np.testing.assert_allclose(item[key], value, atol=1e-5, err_msg=f"{split} {key}")
            for key in ("center", "scale"):
                np.testing.assert_allclose(item["img_metas"][key], metas[key], atol=1e-5)


def test_metrics_are_equal() -> None:
    from easycv.core.evaluation.keypoint_eval import KeyPointEvaluator

    from modelscope_handkp.data import metrics

    rng = np.random.default_rng(1)
    boxes = rng.uniform(20, 200, (60, 4))
    joints = rng.uniform(0, 200, (60, 21, 3)).astype(np.float32)
    visible = rng.choice([0, 0.4, 1], (60, 21, 1)).repeat(3, 2).astype(np.float32)
    visible[:, 4] = 0  # a keypoint that no hand shows
    predictions = joints + rng.normal(size=joints.shape).astype(np.float32) * rng.choice([2, 10, 40], (60, 1, 1))
    truths = [dict(zip(("joints_3d", "joints_3d_visible", "bbox"), row)) for row in zip(joints, visible, boxes)]
    evaluator = KeyPointEvaluator(metric_names=list(COLUMNS))
    expected = evaluator.evaluate([{"keypoints": keypoints} for keypoints in predictions], truths)
    values = metrics.evaluate_keypoints(predictions, joints, visible, boxes)
    assert [values[name] for name in COLUMNS] == pytest.approx([expected[name] for name in COLUMNS], abs=1e-6)


@pytest.mark.parametrize(
    "block",
    [
        {"policy": "step", "step": [2, 4], "gamma": 0.3, "min_lr": 1e-4},
        {"policy": "exp", "gamma": 0.7, "warmup": "constant", "warmup_iters": 4, "warmup_ratio": 0.2},
        {"policy": "poly", "power": 0.9, "min_lr": 1e-5, "by_epoch": False, "warmup": "exp", "warmup_iters": 6},
        {"policy": "inv", "gamma": 0.4, "power": 0.5},
        {"policy": "CosineAnnealing", "min_lr_ratio": 0.1, "warmup": "linear", "warmup_iters": 2,
         "warmup_by_epoch": True},
    ],
    ids=lambda block: block["policy"],
)  # fmt: skip
def test_learning_rates_are_equal(block: dict[str, Any]) -> None:
    from mmcv.runner.hooks import HOOKS

    from modelscope_handkp.training.schedule import Schedule

    epochs, length, base = 6, 5, 5e-4
    options = {key: value for key, value in block.items() if key != "policy"}
    policy = block["policy"] if block["policy"][0].isupper() else block["policy"].title()
    hook = HOOKS.get(f"{policy}LrUpdaterHook")(**options)
    runner = types.SimpleNamespace(
        optimizer=torch.optim.SGD([torch.zeros(1)], lr=base), data_loader=[None] * length, epoch=0, iter=0,
        max_epochs=epochs, max_iters=epochs * length,
    )  # fmt: skip
    hook.before_run(runner)
    schedule = Schedule.from_config(block)
    for iteration in range(runner.max_iters):
        runner.iter, runner.epoch = iteration, iteration // length
        if iteration % length == 0:
            hook.before_train_epoch(runner)
        hook.before_train_iter(runner)
        rate = schedule.rate(base, runner.epoch, runner.iter, epochs, length)
        assert rate == pytest.approx(runner.optimizer.param_groups[0]["lr"], rel=1e-9), f"iteration {iteration}"


IMPORTS = {
    "before": "import easycv.toolkit.modelscope\nimport modelscope_handkp",
    "after": "import modelscope_handkp\nimport easycv.toolkit.modelscope",
    "never": "import modelscope_handkp",
}


@pytest.mark.parametrize("easycv_comes", IMPORTS)
def test_trainer_and_pipeline_are_ours(tmp_path: Path, easycv_comes: str) -> None:
    script = (
        IMPORTS[easycv_comes]
        + f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from pathlib import Path
from modelscope.metainfo import Trainers
from modelscope.pipelines import pipeline
from modelscope.trainers import build_trainer
from small import datasets
model, data = Path({str(tmp_path / "model")!r}), Path({str(tmp_path / "data")!r})
train, val = datasets(data, model)
given = dict(model=str(model), train_dataset=train, eval_dataset=val, work_dir={str(tmp_path / "work")!r},
             cfg_options={{"train.max_epochs": 1}})
trainer = build_trainer(Trainers.easycv, given)
trainer.train()
print(type(trainer).__module__, trainer.evaluate()["hands"])
find = pipeline("hand-2d-keypoints", model={str(tmp_path / "work" / "output")!r})
print(type(find).__module__, len(find(str(data / "val2017" / "000000000000.png"))["keypoints"]))
"""
    )
    narrow_dir(tmp_path / "model")
    dots_dataset(tmp_path / "data")
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command, environment = [sys.executable, "-c", script], {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "modelscope_handkp.plugin.training.trainer 6" in done.stdout
    assert "modelscope_handkp.plugin.pipeline 1" in done.stdout
