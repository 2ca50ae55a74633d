"""The model card's evaluation script; with --offline it evaluates the embedded model on rendered hands.

python examples/evaluate.py [--offline] [--model DIR_OR_ID] [--split validation]
"""

import argparse
import tempfile

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
    parser.add_argument(
        "--model", help="model directory or hub id (default: the hosted model; offline: the embedded one)"
    )
    parser.add_argument("--split", default="validation", help="train, subtrain or validation (default: %(default)s)")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        if arguments.offline:
            model = arguments.model or str(EMBEDDED_MODEL_DIR)
            eval_dataset = write_dataset(folder, train=1, val=16, seed=1)
        else:
            model = arguments.model or HOSTED_MODEL
            mode = DownloadMode.REUSE_DATASET_IF_EXISTS
            eval_dataset = MsDataset.load(**DATASET, split=arguments.split, download_mode=mode)

        kwargs = {"model": model, "train_dataset": None, "eval_dataset": eval_dataset, "work_dir": folder}
        trainer = build_trainer(Trainers.easycv, kwargs)
        for name, value in trainer.evaluate().items():
            print(f"{name:24} {value:.4f}")


if __name__ == "__main__":
    main()
