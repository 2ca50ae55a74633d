"""``modelscope-handkp render FOLDER``: write a labelled data set of rendered hands."""

import argparse
import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import TEMPORARY
from ..synthetic import LEVELS, write_dataset
from ..synthetic.annotations import ANNOTATIONS, IMAGES, SPLITS
from .exit_codes import OK

EPOCHS = 20  # of the command that is suggested; a model's own 210 are for a whole data set


def add_command(commands: Any) -> None:
    """Add ``render`` to argparse's subparsers."""
    render = commands.add_parser("render", help="write a labelled data set of rendered hands")
    render.add_argument("folder", type=Path, metavar="FOLDER", help="a new or empty folder of the data set")
    render.add_argument("--train", type=int, default=1000, metavar="N", help="training images (%(default)s)")
    render.add_argument("--val", type=int, default=100, metavar="N", help="validation images (%(default)s)")
    levels = ", ".join(LEVELS)
    render.add_argument("--level", default="medium", help=f"how hard the images are: {levels} (%(default)s)")
    render.add_argument("--seed", type=int, default=0, help="the same seed gives the same images (%(default)s)")
    render.set_defaults(run=_render)


def _render(arguments: argparse.Namespace) -> int:
    folder, counts = arguments.folder, (arguments.train, arguments.val)
    with _emptied_on_failure(folder) as staging:
        write_dataset(staging, *counts, seed=arguments.seed, level=arguments.level)
    for split, count in zip(SPLITS, counts):
        if count:
            print(f"{split}: {count} images in {folder / IMAGES.format(split=split)}, labels in "
                  f"{folder / ANNOTATIONS.format(split=split)}")  # fmt: skip
    command = "train" if arguments.train else "evaluate"
    epochs = f" --epochs {EPOCHS}" if arguments.train else ""
    print(f"next: modelscope-handkp {command} --data {shlex.quote(str(folder))}{epochs}")
    return OK


@contextmanager
def _emptied_on_failure(folder: Path) -> Iterator[Path]:
    """A folder inside ``folder`` whose contents move up into it when the block is done, and vanish if it fails.

    Raises:
        InputError: ``folder`` is a file, or has a data set's folder already.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: name a folder for the data set.")
    names = [*(IMAGES.format(split=split) for split in SPLITS), Path(ANNOTATIONS).parent.name]  # annotations last
    for name in names:
        if (folder / name).exists():
            raise InputError(f"{folder} holds a data set already ({name}): name another folder or empty this one.")
    made = not folder.exists()
    staging = folder / f".{os.getpid()}{TEMPORARY}"
    try:
        staging.mkdir(parents=True)
        yield staging
        for name in names:
            if (staging / name).exists():
                (staging / name).rename(folder / name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if made and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
