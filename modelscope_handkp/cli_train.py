"""The commands ``train`` and ``evaluate`` of the command line: ModelScope's trainer on a folder or a hub data set."""

import argparse
import importlib
import json
import os
from pathlib import Path
from typing import Any

from .config import read_configuration, require
from .errors import ConfigError
from .estimator import pick_device
from .files import write_atomically
from .hub import find_model_dir

DEFAULT_WORK_DIR = "work_dir"
FOUR = ("PCK", "AUC", "EPE", "NME")


def add_commands(commands: Any) -> None:
    """Add ``train`` and ``evaluate`` to argparse's subparsers."""
    train = commands.add_parser("train", help="fine-tune a model on hands in COCO-WholeBody layout")
    _add_common(train, "train", "a folder with annotations/ and train2017/, or a hub data set namespace/name")
    train.add_argument(
        "--val", help="where to evaluate: a folder or hub data set (default: DATA, if it has a val part)"
    )
    train.add_argument("--val-split", default="validation", help="split of a hub data set (%(default)s)")
    train.add_argument("--epochs", type=int, help="(default: the configuration's)")
    train.add_argument("--lr", type=float, help="learning rate (default: the configuration's)")
    train.add_argument("--resume", action="store_true", help="go on from the newest checkpoint in the work directory")
    train.add_argument("--fp16", action="store_true", help="mixed precision: float16 on a GPU, bfloat16 on the CPU")
    train.add_argument("--seed", type=int, default=42, help="(%(default)s)")
    train.add_argument("--launcher", choices=["pytorch"], help="pytorch, when started by torchrun")
    train.set_defaults(run=_train)
    evaluate = commands.add_parser("evaluate", help="PCK, AUC, EPE and NME of a model on annotated hands")
    _add_common(evaluate, "validation", "a folder with annotations/ and val2017/, or a hub data set namespace/name")
    evaluate.add_argument("--checkpoint", help="weights to judge instead of the model's own")
    evaluate.add_argument("--predictions", type=Path, help="write the predictions here, as COCO-style JSON")
    evaluate.add_argument("--json", type=Path, help="write all numbers here")
    evaluate.set_defaults(run=_evaluate)


def _add_common(parser: argparse.ArgumentParser, split: str, data: str) -> None:
    parser.add_argument("--model", help="a model directory or hub id (default: the embedded model)")
    parser.add_argument("--data", required=True, help=data)
    parser.add_argument("--split", default=split, help="split of a hub data set (%(default)s)")
    parser.add_argument(
        "--work-dir", default=DEFAULT_WORK_DIR, help="checkpoints, logs, the trained model (%(default)s)"
    )
    parser.add_argument("--batch-size", type=int, help="samples at once, a process (default: the configuration's)")
    parser.add_argument("--workers", type=int, help="processes that load data (default: the configuration's)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: a GPU where there is one)")
    parser.add_argument(
        "--skip-bad-pictures", action="store_true", help="leave missing and broken pictures out, counted"
    )


def _train(arguments: argparse.Namespace) -> int:
    model_dir = find_model_dir(arguments.model)
    config = read_configuration(model_dir)
    skip = arguments.skip_bad_pictures
    train = _open(arguments.data, arguments.split, config, "train", skip)
    val_source = arguments.val or arguments.data
    has_val = arguments.val is not None or _has_annotations(val_source, config, "val")
    val = _open(val_source, arguments.val_split, config, "val", skip) if has_val else None
    options = _loader_options(arguments)
    for key, value in (("train.max_epochs", arguments.epochs), ("train.optimizer.lr", arguments.lr)):
        if value is not None:
            options[key] = value
    more = {"launcher": arguments.launcher} if arguments.launcher else {}
    trainer = _build(
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
    if os.environ.get("RANK", "0") != "0":  # of torchrun's processes the first one speaks
        return 0
    print(f"the trained model: {Path(arguments.work_dir) / 'output'}")
    if trainer.metric_values:
        _print_numbers(trainer.metric_values)
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    for path in filter(None, (arguments.json, arguments.predictions)):
        path.parent.mkdir(parents=True, exist_ok=True)  # an error now rather than after the work
    model_dir = find_model_dir(arguments.model)
    val = _open(arguments.data, arguments.split, read_configuration(model_dir), "val", arguments.skip_bad_pictures)
    trainer = _build(arguments, model_dir, _loader_options(arguments), train_dataset=None, eval_dataset=val)
    values = trainer.evaluate(arguments.checkpoint)
    _print_numbers(values)
    if arguments.json:
        write_atomically(arguments.json, json.dumps(values, indent=2).encode())
    if arguments.predictions:
        trainer.predict(saving_fn=arguments.predictions, checkpoint_path=arguments.checkpoint)
    return 0


def _open(source: str, split: str, config: dict[str, Any], part: str, skip: bool) -> Any:
    """A folder -> its hands; anything else is a hub data set, opened by ModelScope."""
    block = dict(require(config, f"dataset.{part}"))
    if skip:
        block["data_source"] = {**require(block, "data_source"), "on_bad_picture": "skip"}
    return _plugin("dataset").open_dataset(source, split, block)


def _has_annotations(source: str, config: dict[str, Any], part: str) -> bool:
    """Does this folder have the annotation file that the configuration names for ``part``? A hub data set does."""
    if not Path(source).is_dir():
        return True
    ann_file: str = require(config, f"dataset.{part}.data_source.ann_file")
    return Path(ann_file.replace("${data_root}", source)).is_file()


def _build(arguments: argparse.Namespace, model_dir: Path, options: dict[str, Any], **more: Any) -> Any:
    if arguments.device:
        more["device"] = str(pick_device(arguments.device))
    given = {"model": str(model_dir), "work_dir": arguments.work_dir, "cfg_options": options, **more}
    return _plugin("trainer").HandKeypointsTrainer(**given)


def _plugin(name: str) -> Any:
    """A module of the package's face towards ModelScope, which a slim deployment does not have."""
    try:
        return importlib.import_module(f"{__package__}.plugin.{name}")
    except ModuleNotFoundError as error:
        if error.name != "modelscope":
            raise
        need = "training and evaluation need ModelScope: pip install 'modelscope[framework,datasets]'."
        raise ConfigError(need) from None


def _loader_options(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {"batch_size_per_gpu": arguments.batch_size, "workers_per_gpu": arguments.workers}
    blocks = ("train", "evaluation")
    return {f"{block}.dataloader.{key}": value for key, value in given.items() if value is not None for block in blocks}


def _print_numbers(values: dict[str, Any]) -> None:
    shown = {name: round(values[name], 4) for name in FOUR if name in values}
    print(", ".join(f"{name} {value}" for name, value in shown.items()), f"({values['hands']} hands)")
