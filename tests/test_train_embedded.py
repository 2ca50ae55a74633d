"""The script that made the embedded weights: it runs, resumes and repeats."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import modelscope_handkp
from modelscope_handkp.checkpoint import load_weights, read_state_dict
from modelscope_handkp.config import read_configuration
from modelscope_handkp.models.pose import build_pose

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
EMBEDDED = Path(modelscope_handkp.__file__).parent / "embedded"
BATCH = 32


def train(what: str, samples: int, cache: Path, out: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "embedded" / "train.py"), what, "--samples", str(samples)]
    command += ["--cache", str(cache), "--out", str(out)]
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "PYTHONPATH": paths}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_same_seed_same_keypoint_weights(tmp_path):
    states = []
    for name in ("first", "second"):
        train("keypoints", 3 * BATCH, tmp_path / f"cache {name}", tmp_path / name)
        states.append(read_state_dict(tmp_path / name / "pytorch_model.pt"))
    network = build_pose(read_configuration(EMBEDDED)["model"])
    load_weights(network, states[0], "first")
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_detector_weights_are_written(tmp_path):
    train("detector", 16, tmp_path / "cache", tmp_path / "out")
    state = read_state_dict(tmp_path / "out" / "detection" / "detection_model.pth")
    assert state.keys() == read_state_dict(EMBEDDED / "detection" / "detection_model.pth").keys()
