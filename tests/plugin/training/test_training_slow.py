"""Training for minutes: kills, two processes, and a network that overfits its images."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from seeded_weights import fill
from small import datasets, dots_dataset, hands_dataset, narrow_dir

pytest.importorskip("modelscope")
pytestmark = pytest.mark.slow

TRAIN_ONCE = Path(__file__).parent / "train_once.py"
ROOT = Path(__file__).parents[3]


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A model directory and a folder of 9 training and 7 evaluation hands."""
    return narrow_dir(tmp_path / "model"), dots_dataset(tmp_path / "data", train=9, val=7)


def train(*arguments: object, processes: int = 1) -> str:
    """train_once.py with these arguments, under torchrun for more than one process -> what it printed."""
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    launch = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"] if processes > 1 else []
    launcher = ["--launcher", "pytorch"] if processes > 1 else []
    command = [sys.executable, *launch, str(TRAIN_ONCE), *map(str, arguments), *launcher]
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def result(work: Path, rank: int = 0) -> dict[str, Any]:
    safe = {"weights_only": False} if torch.__version__ >= "1.13" else {}
    content: dict[str, Any] = torch.load(str(work / f"rank{rank}.pt"), **safe)
    return content


def equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_ten_kills_change_nothing(places: tuple[Path, Path], tmp_path: Path) -> None:
    train("run", *places, tmp_path / "through", 12)
    printed = train("killed", *places, tmp_path / "killed", 12, 10, 0)
    assert printed.count("newest checkpoint") == 10
    through, killed = result(tmp_path / "through"), result(tmp_path / "killed")
    assert equal(through["parameters"], killed["parameters"])
    assert through["values"] == killed["values"]
    assert not list((tmp_path / "killed").rglob("*.partial"))


def test_two_processes_agree_and_count_each_sample_once(places: tuple[Path, Path], tmp_path: Path) -> None:
    # The heatmaps of an untrained network are flat: how a batch is cut would decide where their maximum is, and where
    # DARK's Newton step leads.
    weights, config = places[0] / "pytorch_model.pt", json.loads((places[0] / "configuration.json").read_text())
    config["model"]["test_cfg"]["post_process"] = "default"
    (places[0] / "configuration.json").write_text(json.dumps(config))
    torch.save({"state_dict": fill(torch.load(str(weights))["state_dict"])}, str(weights))
    train("run", *places, tmp_path / "two", 2, processes=2)
    first, second = result(tmp_path / "two", 0), result(tmp_path / "two", 1)
    assert equal(first["parameters"], second["parameters"])
    assert first["losses"] == second["losses"] and len(first["losses"]) == 4  # two iterations of two epochs
    assert first["values"] == second["values"]
    assert first["values"]["hands"] == 7

    from modelscope.trainers import build_trainer

    _, val = datasets(places[1], places[0])
    given = {"model": str(places[0]), "work_dir": str(tmp_path / "one"), "eval_dataset": val, "device": "cpu"}
    alone = build_trainer("easycv", given).evaluate(str(tmp_path / "two" / "epoch_2.pth"))
    assert alone == pytest.approx(first["values"], abs=1e-4)
    before = torch.load(str(weights))["state_dict"]
    assert any(not torch.equal(before[key], value) for key, value in first["parameters"].items())


def test_a_narrow_network_overfits_32_hands(tmp_path: Path) -> None:
    from modelscope.trainers import build_trainer

    model_dir, folder = narrow_dir(tmp_path / "model", hooks=[]), hands_dataset(tmp_path / "data", train=32)
    train_set, _ = datasets(folder, model_dir, augment=False)
    assert len(train_set) == 32
    options = {
        "train.max_epochs": 110,
        "train.optimizer.lr": 5e-3,
        "train.lr_scheduler.step": [95],
        "train.dataloader.batch_size_per_gpu": 8,
    }
    given = {"model": str(model_dir), "work_dir": str(tmp_path / "work"), "cfg_options": options}
    trainer = build_trainer("easycv", {**given, "train_dataset": train_set, "eval_dataset": train_set})
    trainer.train()
    assert trainer.evaluate()["PCK"] >= 0.95
