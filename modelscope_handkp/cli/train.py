"""``modelscope-handkp train``: fine-tune a model on annotated hands."""

import argparse
import os
from pathlib import Path
from typing import Any

from ..model_dir.config import read_configuration
from ..model_dir.hub import find_model_dir
from .trainer import add_options, build_trainer, has_annotations, loader_options, open_data, print_numbers


def add_command(commands: Any) -> None:
    """Add ``train`` to argparse's subparsers."""
    train = commands.add_parser("train", help="fine-tune a model on annotated hands")
    add_options(
        train,
        "train",
        "folder with annotation files (train and val in their names), COCO annotation file of hands, or hub data set "
        "namespace/name",
    )
    train.add_argument(
        "--val",
        help="what to evaluate on after each epoch, as --data (default: DATA, if it is a folder with a val part)",
    )
    train.add_argument(
        "--val-images", help="folder of the images of --val (default: --images, else found near the annotations)"
    )
    train.add_argument(
        "--val-split", default="validation", help="split of a hub data set to evaluate on (default: %(default)s)"
    )
    train.add_argument("--epochs", type=int, help="epochs to train in total (default: the configuration's)")
    train.add_argument("--lr", type=float, help="learning rate (default: the configuration's)")
    train.add_argument("--resume", action="store_true", help="resume from the newest checkpoint in the work directory")
    train.add_argument("--fp16", action="store_true", help="mixed precision: float16 on a GPU, bfloat16 on the CPU")
    train.add_argument("--seed", type=int, default=42, help="seed of all random numbers (default: %(default)s)")
    train.add_argument("--launcher", choices=["pytorch"], help="pytorch, when torchrun starts this command")
    train.set_defaults(run=_train)


def _train(arguments: argparse.Namespace) -> int:
    model_dir = find_model_dir(arguments.model)
    config = read_configuration(model_dir)
    skip = arguments.skip_bad_images
    train = open_data(arguments.data, arguments.images, arguments.split, config, "train", skip)
    val_source = arguments.val or arguments.data
    has_val = arguments.val is not None or has_annotations(val_source, config, "val")
    val = (
        open_data(val_source, arguments.val_images or arguments.images, arguments.val_split, config, "val", skip)
        if has_val
        else None
    )
    options = loader_options(arguments)
    for key, value in (("train.max_epochs", arguments.epochs), ("train.optimizer.lr", arguments.lr)):
        if value is not None:
            options[key] = value
    more = {"launcher": arguments.launcher} if arguments.launcher else {}
    trainer = build_trainer(
        arguments,
        model_dir,
        options,
        train_dataset=train,
        eval_dataset=val,
        seed=arguments.seed,
        use_fp16=arguments.fp16,
        **more,
    )
    trainer.train(checkpoint_path=arguments.work_dir if arguments.resume else None)
    if os.environ.get("RANK", "0") != "0":  # only the first of torchrun's processes prints
        return 0
    print(f"trained model: {Path(arguments.work_dir) / 'output'}")
    if trainer.metric_values:
        print_numbers(trainer.metric_values)
    return 0
