"""The model card's training script; with --offline it trains the embedded model on rendered hands for two epochs.

    python examples/train.py [--offline] [--work-dir DIR] [--epochs N]

Several GPUs: torchrun --nproc_per_node=4 examples/train.py --launcher pytorch
Several machines: on each, torchrun --nnodes=2 --nproc_per_node=4 --rdzv_backend=c10d --rdzv_endpoint=HOST:29500
examples/train.py --launcher pytorch
"""

import argparse
from pathlib import Path

from modelscope.metainfo import Trainers
from modelscope.msdatasets import MsDataset
from modelscope.trainers import build_trainer
from modelscope.utils.constant import DownloadMode

import modelscope_handkp  # noqa: F401  registers the trainer
from modelscope_handkp.model_dir.hub import EMBEDDED_MODEL_DIR
from modelscope_handkp.synthetic import write_dataset

HOSTED_MODEL = "damo/cv_hrnetw18_hand-pose-keypoints_coco-wholebody"
DATASET = {"dataset_name": "cv_hand_2d_keypoints_coco_wholebody", "namespace": "chenhyer"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--offline", action="store_true", help="use rendered hands and download nothing")
    parser.add_argument("--work-dir", default="./output", help="folder for checkpoints and logs (default: %(default)s)")
    parser.add_argument("--epochs", type=int, help="(default: the card's 210; offline: 2)")
    parser.add_argument("--launcher", choices=["pytorch"], help="pytorch, when torchrun starts this script")
    arguments = parser.parse_args()

    if arguments.offline:
        model, epochs = str(EMBEDDED_MODEL_DIR), 2
        train_dataset = eval_dataset = write_dataset(Path(arguments.work_dir) / "rendered", train=32, val=8)
    else:
        model, epochs = HOSTED_MODEL, 210
        mode = DownloadMode.REUSE_DATASET_IF_EXISTS
        train_dataset = MsDataset.load(**DATASET, split="train", download_mode=mode)
        eval_dataset = MsDataset.load(**DATASET, split="validation", download_mode=mode)

    kwargs = {
        "model": model,
        "train_dataset": train_dataset,
        "eval_dataset": eval_dataset,
        "work_dir": arguments.work_dir,
        "cfg_options": {"train.max_epochs": arguments.epochs or epochs},
    }
    if arguments.launcher:
        kwargs["launcher"] = arguments.launcher
    trainer = build_trainer(Trainers.easycv, kwargs)
    trainer.train()


if __name__ == "__main__":
    main()
