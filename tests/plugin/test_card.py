"""The model card's three scripts, after one import of this package, against a hub on this machine.

The scripts are the card's own text, model id and data set name included, run in a process of its own through
ModelScope's real download code. Two things are changed: the host of the example image, which is not here, and the
number of epochs.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hub import Hub
from small import COLUMNS, hands_dataset, narrow_dir

pytest.importorskip("modelscope")

ROOT = Path(__file__).parents[2]
MODEL_ID = "damo/cv_hrnetw18_hand-pose-keypoints_coco-wholebody"
DATASET = "chenhyer/cv_hand_2d_keypoints_coco_wholebody"
IMAGE_HOST = "https://modelscope.oss-cn-beijing.aliyuncs.com"

INFERENCE = """
import cv2
from modelscope.pipelines import pipeline
from modelscope.utils.constant import Tasks
from modelscope.outputs import OutputKeys

model_id = 'damo/cv_hrnetw18_hand-pose-keypoints_coco-wholebody'
hand_2d_keypoints = pipeline(Tasks.hand_2d_keypoints, model=model_id)
result = hand_2d_keypoints('https://modelscope.oss-cn-beijing.aliyuncs.com/test/images/hand_keypoints.jpg')
print(result)
"""

TRAINING = """
from modelscope.metainfo import Trainers
from modelscope.msdatasets import MsDataset
from modelscope.trainers import build_trainer
from modelscope.utils.constant import DownloadMode

model_id = 'damo/cv_hrnetw18_hand-pose-keypoints_coco-wholebody'
cfg_options = {'train.max_epochs': 210}
work_dir = "./output"
trainer_name = Trainers.easycv

train_dataset = MsDataset.load(
    dataset_name='cv_hand_2d_keypoints_coco_wholebody',
    namespace='chenhyer',
    split='train',
    download_mode=DownloadMode.REUSE_DATASET_IF_EXISTS)
eval_dataset = MsDataset.load(
    dataset_name='cv_hand_2d_keypoints_coco_wholebody',
    namespace='chenhyer',
    split='validation',
    download_mode=DownloadMode.REUSE_DATASET_IF_EXISTS)

kwargs = dict(
    model=model_id,
    train_dataset=train_dataset,
    eval_dataset=eval_dataset,
    work_dir=work_dir,
    cfg_options=cfg_options)

print("build trainer.")
trainer = build_trainer(trainer_name, kwargs)

print("start training.")
trainer.train()
"""

EVALUATION = """
from modelscope.metainfo import Trainers
from modelscope.msdatasets import MsDataset
from modelscope.trainers import build_trainer
from modelscope.utils.constant import DownloadMode

model_id = 'damo/cv_hrnetw18_hand-pose-keypoints_coco-wholebody'
cfg_options = {'train.max_epochs': 100}
work_dir = "./output"
trainer_name = Trainers.easycv

eval_dataset = MsDataset.load(
    dataset_name='cv_hand_2d_keypoints_coco_wholebody',
    namespace='chenhyer',
    split='subtrain',
    download_mode=DownloadMode.REUSE_DATASET_IF_EXISTS)

kwargs = dict(
    model=model_id,
    train_dataset=None,
    eval_dataset=eval_dataset,
    work_dir=work_dir,
    cfg_options=cfg_options)

print("build trainer.")
trainer = build_trainer(trainer_name, kwargs)

print("start evaluation.")
metric_values = trainer.evaluate()
print(metric_values)
"""


pytestmark = pytest.mark.slow  # every script is a process of its own


@pytest.fixture(scope="module")
def run_script(
    tmp_path_factory: pytest.TempPathFactory, hosted_dir: Callable[..., Path]
) -> Iterator[Callable[..., "subprocess.CompletedProcess[str]"]]:
    """run_script(text) -> the finished process, with the hub for the only network and one cache for all."""
    home = tmp_path_factory.mktemp("card")
    model = narrow_dir(home / "model", plugins=["pai-easycv"])
    shutil.copytree(hosted_dir() / "detection", model / "detection")
    splits = {
        split: hands_dataset(home / split, seed=seed) for seed, split in enumerate(("train", "validation", "subtrain"))
    }
    image = next((splits["validation"] / "val2017").iterdir())

    with Hub({MODEL_ID: model}, {DATASET: splits}, {"/test/images/hand_keypoints.jpg": image}) as hub:
        paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, **hub.environment(home / "cache"), "PYTHONPATH": paths, "OMP_NUM_THREADS": "2"}

        def run(text: str) -> "subprocess.CompletedProcess[str]":
            text = "import modelscope_handkp\n" + text.replace(IMAGE_HOST, hub.endpoint)
            command = [sys.executable, "-c", text]
            return subprocess.run(
                command, env=environment, cwd=home, capture_output=True, text=True, timeout=300, check=False
            )

        yield run


def test_inference(run_script: Callable[..., "subprocess.CompletedProcess[str]"]) -> None:
    done = run_script(INFERENCE)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "'keypoints'" in done.stdout and "'boxes'" in done.stdout


def test_training_then_evaluation(
    run_script: Callable[..., "subprocess.CompletedProcess[str]"], tmp_path: Path
) -> None:
    done = run_script(TRAINING.replace("210", "2"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "start training." in done.stdout
    done = run_script(EVALUATION)
    assert done.returncode == 0, done.stderr[-3000:]
    assert all(f"'{name}'" in done.stdout for name in COLUMNS)
    assert "'hands': 4" in done.stdout


def test_the_trained_model_predicts(run_script: Callable[..., "subprocess.CompletedProcess[str]"]) -> None:
    done = run_script(INFERENCE.replace(MODEL_ID, "./output/output"))
    assert done.returncode == 0, done.stderr[-3000:]
    assert "'keypoints'" in done.stdout


def test_the_command_line_takes_hub_names(run_script: Callable[..., "subprocess.CompletedProcess[str]"]) -> None:
    command = ["evaluate", "--model", MODEL_ID, "--data", DATASET, "--split", "validation", "--workers", "0"]
    done = run_script(f"from modelscope_handkp.cli import main\nraise SystemExit(main({command}))")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "(4 hands)" in done.stdout


def test_a_split_that_the_hub_lacks(run_script: Callable[..., "subprocess.CompletedProcess[str]"]) -> None:
    done = run_script(EVALUATION.replace("'subtrain'", "'test'"))
    assert done.returncode != 0
    assert "split test not found" in done.stderr.splitlines()[-1] and "subtrain" in done.stderr.splitlines()[-1]
