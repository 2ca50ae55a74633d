"""Training beside pai-easycv 0.11.7, where it is installed (CONTRIBUTING.md): equal steps, and names that stay ours."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import GOLDEN
from model_dirs import seeded_pose_state_dict
from small import dots_dataset, narrow_dir

from modelscope_handkp.config import plain
from modelscope_handkp.metrics import heatmap_accuracy
from modelscope_handkp.models.pose import build_pose, heatmap_loss

pytestmark = pytest.mark.easycv
pytest.importorskip("easycv")

ROOT = Path(__file__).parent.parent.parent
STEPS = 5


@pytest.fixture(scope="module")
def model_config() -> dict[str, Any]:
    config: dict[str, Any] = plain(json.loads((GOLDEN / "hosted" / "configuration.json").read_text())["model"])
    return config


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
    ours, other = build_pose(model_config), theirs(model_config)
    for model in (ours, other):
        assert not model.load_state_dict(seeded_pose_state_dict(), strict=False).missing_keys
        model.train()
    optimizers = [torch.optim.Adam(model.parameters(), lr=5e-4) for model in (ours, other)]
    for img, target, weight in batches():
        heatmaps = ours(img)
        expected = other.forward_train(img, target, weight, None)
        losses = heatmap_loss(heatmaps, target, weight), expected["mse_loss"]
        assert losses[0].item() == pytest.approx(losses[1].item(), rel=1e-4)
        assert heatmap_accuracy(heatmaps, target, weight) == pytest.approx(float(expected["acc_pose"]), abs=0.05)
        for optimizer, loss in zip(optimizers, losses):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    one, two = ours.state_dict(), other.state_dict()
    assert set(one) == set(two)
    theirs(model_config).load_state_dict(one)
    build_pose(model_config).load_state_dict(two)
    learned = [key for key, value in one.items() if value.is_floating_point()]
    np.testing.assert_allclose(*(np.concatenate([s[key].ravel() for key in learned]) for s in (one, two)), atol=5e-3)


@pytest.mark.parametrize("order", ["easycv first", "ours first"])
def test_build_trainer_is_ours_in_either_order_of_import(tmp_path: Path, order: str) -> None:
    imports = ["import easycv.toolkit.modelscope", "import modelscope_handkp"]
    script = (
        "\n".join(imports if order == "easycv first" else imports[::-1])
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
answer = pipeline("hand-2d-keypoints", model={str(tmp_path / "work" / "output")!r})
print(type(answer).__module__)
"""
    )
    narrow_dir(tmp_path / "model")
    dots_dataset(tmp_path / "data")
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    command, environment = [sys.executable, "-c", script], {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "modelscope_handkp.plugin.trainer 6" in done.stdout
    assert "modelscope_handkp.plugin.pipeline" in done.stdout
