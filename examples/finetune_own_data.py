"""Fine-tune on your own images; with --offline on rendered hands, written in the layout that yours need.

    python examples/finetune_own_data.py FOLDER [--model DIR_OR_ID] [--epochs 20] [--work-dir DIR]
    python examples/finetune_own_data.py --offline

FOLDER has an annotation file with "train" in its name and one with "val", in it or in its annotations/, and the images
beside them, in images/ or in train2017/ and val2017/. These parts of an annotation file are read:

    {"images": [{"id": 1, "file_name": "a.jpg", "width": 640, "height": 480}, ...],
     "annotations": [...]}

An annotation is one hand:

    {"id": 1, "image_id": 1, "bbox": [x, y, width, height],      pixels
     "keypoints": [x, y, visibility, ...]}                       21 keypoints; visibility 0: not annotated

or, in COCO-WholeBody's layout, one person:

    {"id": 1, "image_id": 1, "iscrowd": 0,
     "lefthand_valid": true,                                     false or absent: this hand is not used
     "lefthand_box": [x, y, width, height], "lefthand_kpts": [x, y, confidence, ...],
     "righthand_valid": false}

`modelscope_handkp.KEYPOINT_NAMES` is their order. The trained model is WORK_DIR/output.
"""

import argparse
from pathlib import Path

from modelscope.metainfo import Trainers
from modelscope.pipelines import pipeline
from modelscope.trainers import build_trainer
from modelscope.utils.constant import Tasks

import modelscope_handkp  # noqa: F401  registers trainer and pipeline
from modelscope_handkp.model_dir.hub import find_model_dir
from modelscope_handkp.synthetic import write_dataset

WARM_UP = 20  # iterations; the configuration's 500 are for a whole training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--offline", action="store_true", help="use rendered hands and download nothing")
    parser.add_argument("--model", help="model to start from (default: the embedded model)")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--work-dir", type=Path, default=Path("finetuned"))
    arguments = parser.parse_args()
    if (arguments.folder is None) != arguments.offline:
        parser.error("give a FOLDER, or --offline")

    folder = write_dataset(arguments.work_dir / "rendered", train=32, val=8) if arguments.offline else arguments.folder
    kwargs = {
        "model": str(find_model_dir(arguments.model)),
        "train_dataset": str(folder),
        "eval_dataset": str(folder),
        "work_dir": str(arguments.work_dir),
        "cfg_options": {
            "train.max_epochs": arguments.epochs,
            "train.lr_scheduler.warmup_iters": WARM_UP,
            "train.lr_scheduler.step": [round(0.8 * arguments.epochs), round(0.95 * arguments.epochs)],
        },
    }
    trainer = build_trainer(Trainers.easycv, kwargs)
    before = trainer.evaluate()["PCK"]
    trainer.train()
    print(
        f"PCK@0.2 {before:.3f} before, {trainer.metric_values['PCK']:.3f} after; model: {arguments.work_dir / 'output'}"
    )

    image = trainer.eval_dataset.describe(0)["image_file"]
    result = pipeline(Tasks.hand_2d_keypoints, model=str(arguments.work_dir / "output"))(image)
    print(f"{len(result['keypoints'])} hands in {image}")


if __name__ == "__main__":
    main()
