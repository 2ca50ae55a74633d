"""``modelscope-handkp gestures train FOLDER``: gestures of your own from a few images of each."""

import argparse
import sys
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..estimator import HandEstimator
from ..gestures.folders import examples_from_images, gesture_images
from .exit_codes import OK, SOME_FAILED


def add_command(commands: Any) -> None:
    """Add ``gestures`` to argparse's subparsers."""
    parser = commands.add_parser(
        "gestures",
        help="teach gestures of your own",
        description="Teach gestures of your own: a few images of each become a file of examples, by which `recognize` "
        "of modelscope_handkp.gestures names hands in Python. It knows others without such a file: docs/gestures.md.",
        epilog="example: %(prog)s train my_gestures/ --out gestures.json",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    train = actions.add_parser(
        "train",
        help="learn gestures from a folder of images for each, named by the gesture",
        description="Learn gestures from a few images of each: FOLDER/GESTURE/*.jpg. Images in which no hand is found "
        "are left out and named.",
    )
    train.add_argument("folder", type=Path, metavar="FOLDER", help="holds the folders; one named none is no gesture")
    train.add_argument("--out", type=Path, required=True, metavar="FILE", help="JSON file of the examples")
    train.add_argument("--model", help="a model directory or hub id (default: the embedded model)")
    train.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: a GPU where there is one)")
    train.set_defaults(run=_train)


def _train(arguments: argparse.Namespace) -> int:
    images = gesture_images(arguments.folder)
    if arguments.out.is_dir() or not arguments.out.parent.is_dir():
        raise InputError(f"--out {arguments.out}: name a file in a folder that is there.")
    estimator = HandEstimator.from_pretrained(arguments.model, device=arguments.device)
    examples, left_out = examples_from_images(estimator, images)
    examples.save(arguments.out)
    for path, reason in left_out.items():
        print(f"left out: {path}: {reason}", file=sys.stderr)
    for name, several in images.items():
        print(f"{name}: {examples.names.count(name)} of {len(several)} images")
    print(f"examples in {arguments.out}; in Python: recognize(hands, GestureExamples.load({str(arguments.out)!r}))")
    return SOME_FAILED if left_out else OK
