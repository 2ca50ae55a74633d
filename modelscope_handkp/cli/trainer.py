"""What ``train`` and ``evaluate`` share: ModelScope's trainer on a folder or a hub data set."""

import argparse
import importlib
from pathlib import Path
from typing import Any

from ..engines.device import pick_device
from ..errors import ConfigError
from ..model_dir.config import require

DEFAULT_WORK_DIR = "work_dir"
FOUR = ("PCK", "AUC", "EPE", "NME")


def add_options(parser: argparse.ArgumentParser, split: str, data: str) -> None:
    parser.add_argument("--model", help="a model directory or hub id (default: the embedded model)")
    parser.add_argument("--data", required=True, help=data)
    parser.add_argument("--split", default=split, help="split of a hub data set (%(default)s)")
    parser.add_argument(
        "--work-dir", default=DEFAULT_WORK_DIR, help="checkpoints, logs, the trained model (%(default)s)"
    )
    parser.add_argument("--batch-size", type=int, help="samples at once, a process (default: the configuration's)")
    parser.add_argument("--workers", type=int, help="processes that load data (default: the configuration's)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: a GPU where there is one)")
    parser.add_argument("--skip-bad-images", action="store_true", help="leave missing and broken pictures out, counted")


def open_data(source: str, split: str, config: dict[str, Any], part: str, skip: bool) -> Any:
    """A folder -> its hands; anything else is a hub data set, opened by ModelScope."""
    block = dict(require(config, f"dataset.{part}"))
    if skip:
        block["data_source"] = {**require(block, "data_source"), "on_bad_image": "skip"}
    return _plugin("training.dataset").open_dataset(source, split, block)


def has_annotations(source: str, config: dict[str, Any], part: str) -> bool:
    """Does this folder have the annotation file that the configuration names for ``part``? A hub data set does."""
    if not Path(source).is_dir():
        return True
    ann_file: str = require(config, f"dataset.{part}.data_source.ann_file")
    return Path(ann_file.replace("${data_root}", source)).is_file()


def build_trainer(arguments: argparse.Namespace, model_dir: Path, options: dict[str, Any], **more: Any) -> Any:
    if arguments.device:
        more["device"] = str(pick_device(arguments.device))
    given = {"model": str(model_dir), "work_dir": arguments.work_dir, "cfg_options": options, **more}
    return _plugin("training.trainer").HandKeypointsTrainer(**given)


def _plugin(name: str) -> Any:
    """A module of the package's face towards ModelScope, which a slim deployment does not have."""
    try:
        return importlib.import_module(f"..plugin.{name}", __package__)
    except ModuleNotFoundError as error:
        if error.name != "modelscope":
            raise
        need = "training and evaluation need ModelScope: pip install 'modelscope[framework,datasets]'."
        raise ConfigError(need) from None


def loader_options(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {"batch_size_per_gpu": arguments.batch_size, "workers_per_gpu": arguments.workers}
    blocks = ("train", "evaluation")
    return {f"{block}.dataloader.{key}": value for key, value in given.items() if value is not None for block in blocks}


def print_numbers(values: dict[str, Any]) -> None:
    shown = {name: round(values[name], 4) for name in FOUR if name in values}
    print(", ".join(f"{name} {value}" for name, value in shown.items()), f"({values['hands']} hands)")
