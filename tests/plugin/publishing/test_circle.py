"""The whole circle: train, publish, and use the model where only ModelScope is installed.

There this package is a wheel in a folder, and no script imports it: ModelScope installs it, since the model's
configuration names it.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fresh_environment import build_wheel, can_build, new_environment, run
from hub import Hub
from publishing_hub import ID
from small import HOOKS, hands_dataset, narrow_dir

from modelscope_handkp.cli import main
from modelscope_handkp.model_dir.hub import EMBEDDED_MODEL_DIR

ABSENT = """
import importlib.util, json, sys
assert importlib.util.find_spec("modelscope_handkp") is None
"""
PRESENT = """
import modelscope_handkp
assert modelscope_handkp.__file__.startswith(sys.prefix), modelscope_handkp.__file__
"""
PIPELINE = """
from modelscope.pipelines import pipeline
from modelscope.utils.constant import Tasks
result = pipeline(Tasks.hand_2d_keypoints, model=MODEL, trust_remote_code=True, device="cpu")(IMAGE)
print("ANSWER", json.dumps({key: value.tolist() for key, value in result.items()}))
"""
FROM_PRETRAINED = """
import sys
assert "modelscope_handkp" not in sys.modules
from modelscope.models import Model
model = Model.from_pretrained(MODEL, trust_remote_code=True)
print("ANSWER", sum(value.numel() for value in model.state_dict().values()))
"""
TRAINER = """
import sys
from modelscope.trainers import build_trainer
given = dict(model=MODEL, train_dataset=DATA, eval_dataset=DATA, work_dir="work", device="cpu", trust_remote_code=True)
trainer = build_trainer("easycv", dict(cfg_options={"train.max_epochs": 1}, **given))
trainer.train()
print("TRAINED", trainer.iter)
"""


def edit(folder: Path) -> None:
    """Give a narrow model the embedded detector."""
    shutil.copytree(EMBEDDED_MODEL_DIR / "detection", folder / "detection")
    config, own = (json.loads((place / "configuration.json").read_text()) for place in (folder, EMBEDDED_MODEL_DIR))
    (folder / "configuration.json").write_text(json.dumps({**config, "DETECTION": own["DETECTION"]}))


def answers(output: str) -> list[Any]:
    return [json.loads(line.removeprefix("ANSWER")) for line in output.splitlines() if line.startswith("ANSWER")]


def expected(folder: Path, image: Path) -> dict[str, Any]:
    from modelscope.pipelines import pipeline

    return dict(pipeline("hand-2d-keypoints", model=str(folder), device="cpu")(str(image)))


def assert_same(answer: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert len(wanted["keypoints"]) > 0
    for key in ("keypoints", "boxes", "scores"):
        np.testing.assert_allclose(np.array(answer[key]), wanted[key], atol=1e-3)


@pytest.mark.slow
def test_from_training_to_a_machine_that_has_only_modelscope(hub: Hub, tmp_path: Path) -> None:
    if not can_build():
        pytest.skip("the installed setuptools cannot build the wheel")
    data = hands_dataset(tmp_path / "data")
    image = next((data / "val2017").iterdir())
    model = narrow_dir(tmp_path / "narrow", hooks=HOOKS)
    edit(model)
    work = tmp_path / "work"
    train = ["train", "--model", str(model), "--data", str(data), "--work-dir", str(work), "--device", "cpu"]
    assert main([*train, "--epochs", "2"]) == 0
    assert main(["publish", str(work / "output"), ID]) == 0
    first = expected(work / "output", image)

    build_wheel(tmp_path / "dist")
    python = new_environment(tmp_path / "env")
    wheels = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "dist" / "wheels")}
    scripts = tmp_path / "empty"
    scripts.mkdir()
    names = f"MODEL, IMAGE, DATA = {ID!r}, {str(image)!r}, {str(data)!r}\n"

    def run_there(script: str, cache: str) -> str:
        environment = {**wheels, **hub.environment(tmp_path / cache), "MODELSCOPE_API_TOKEN": ""}  # it is public
        return run([str(python), "-c", names + script], cwd=scripts, **environment)

    (answer,) = answers(run_there(ABSENT + PIPELINE + PRESENT, "first"))
    assert_same(answer, first)
    (count,) = answers(run_there(FROM_PRETRAINED, "first"))
    assert count > 1000

    assert main([*train, "--epochs", "3", "--resume"]) == 0
    assert main(["publish", str(work / "output"), ID]) == 0
    second = expected(work / "output", image)
    assert not np.allclose(first["keypoints"][:1], second["keypoints"][:1], atol=1e-3)
    output = run_there(TRAINER + "import json\n" + PIPELINE, "second")
    assert "TRAINED 2" in output
    (answer,) = answers(output)
    assert_same(answer, second)
