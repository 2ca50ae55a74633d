"""What ``train`` and ``evaluate`` share: options, data sets, and ModelScope's trainer."""

import argparse
import importlib
import os
from pathlib import Path
from typing import Any

from ..data.layout import has_part
from ..engines.device import pick_device
from ..errors import ConfigError, MissingFileError
from ..model_dir.config import require
from ..training.work_dir import DEFAULT_WORK_DIR

PRINTED = ("PCK", "AUC", "EPE", "NME", "AP")


def add_options(parser: argparse.ArgumentParser, split: str, data: str) -> None:
    """Add the options of both commands to ``parser``.

    Args:
        split: default of ``--split``. data: help of ``--data``.
    """
    parser.add_argument("--model", help="model directory or hub id (default: the embedded model)")
    parser.add_argument("--data", required=True, help=data)
    parser.add_argument(
        "--images", help="folder of the images (default: as configured, else found near the annotations)"
    )
    parser.add_argument("--split", default=split, help="split of a hub data set (default: %(default)s)")
    parser.add_argument(
        "--work-dir",
        default=DEFAULT_WORK_DIR,
        help="folder for checkpoints, logs and the trained model (default: %(default)s)",
    )
    parser.add_argument("--batch-size", type=int, help="samples per batch and process (default: the configuration's)")
    parser.add_argument("--workers", type=int, help="processes that load data (default: the configuration's)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)")
    parser.add_argument(
        "--skip-bad-images",
        action="store_true",
        help="leave out images that are missing, broken or not those that were annotated, with a warning",
    )


def open_data(source: str, images: str | None, split: str, config: dict[str, Any], part: str, skip: bool) -> Any:
    """The hands of a folder or annotation file, or of a hub data set, which ModelScope opens.

    Args:
        images: folder of the images, in place of the configured one.
        config: the model's configuration. part: "train" or "val", the block of it that describes the data.
        skip: leave out images that cannot be used instead of raising.
    Raises:
        HandkpError: as `plugin.training.dataset.open_dataset`.
    """
    dataset, changes = dict(require(config, f"dataset.{part}")), {}
    if skip:
        changes["on_bad_image"] = "skip"
    if images:
        if not os.path.isdir(images):  # noqa: PTH112  Path.is_dir raises on a name that is too long
            raise MissingFileError(f"the folder of images {images} does not exist.")
        changes["img_prefix"] = images
    dataset["data_source"] = {**require(dataset, "data_source"), **changes}
    return _plugin("training.dataset").open_dataset(source, split, dataset, part)


def has_annotations(source: str, config: dict[str, Any], part: str) -> bool:
    """Whether a folder has an annotation file for ``part``; True for a hub data set, False for a file."""
    if not os.path.exists(source):  # noqa: PTH110
        return True
    return Path(source).is_dir() and has_part(source, part, require(config, f"dataset.{part}.data_source"))


def build_trainer(arguments: argparse.Namespace, model_dir: Path, options: dict[str, Any], **more: Any) -> Any:
    """ModelScope's trainer.

    Args:
        options: dotted keys over the configuration. more: further arguments of `HandKeypointsTrainer`.
    Raises:
        HandkpError: as `HandKeypointsTrainer`; a ConfigError where ModelScope is not installed.
    """
    if arguments.device:
        more["device"] = str(pick_device(arguments.device))
    given = {"model": str(model_dir), "work_dir": arguments.work_dir, "cfg_options": options, **more}
    return _plugin("training.trainer").HandKeypointsTrainer(**given)


def loader_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The dotted configuration keys that ``--batch-size`` and ``--workers`` set."""
    given = {"batch_size_per_gpu": arguments.batch_size, "workers_per_gpu": arguments.workers}
    sections = ("train", "evaluation")
    return {
        f"{section}.dataloader.{key}": value
        for key, value in given.items()
        if value is not None
        for section in sections
    }


def print_numbers(values: dict[str, Any]) -> None:
    """Print PCK, AUC, EPE and NME, as far as they are there, and the number of hands."""
    shown = {name: round(values[name], 4) for name in PRINTED if name in values}
    print(", ".join(f"{name} {value}" for name, value in shown.items()), f"({values['hands']} hands)")


def _plugin(name: str) -> Any:
    """A module of the plugin, which a deployment without ModelScope does not have."""
    try:
        return importlib.import_module(f"..plugin.{name}", __package__)
    except ModuleNotFoundError as error:
        if str(error.name).startswith("modelscope_handkp"):
            raise
        raise ConfigError(
            f"training and evaluation need ModelScope (no module {error.name}): "
            "pip install 'modelscope[framework,datasets]'."
        ) from None
