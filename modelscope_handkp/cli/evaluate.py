"""``modelscope-handkp evaluate``: PCK, AUC, EPE, NME and OKS-AP of a model on annotated hands."""

import argparse
import json
from pathlib import Path
from typing import Any

from ..files import write_atomically
from ..model_dir.config import read_configuration
from ..model_dir.hub import find_model_dir
from .trainer import add_options, build_trainer, loader_options, open_data, print_numbers


def add_command(commands: Any) -> None:
    """Add ``evaluate`` to argparse's subparsers."""
    evaluate = commands.add_parser("evaluate", help="PCK, AUC, EPE, NME and OKS-AP of a model on annotated hands")
    add_options(
        evaluate,
        "validation",
        "folder with an annotation file (val in its name), COCO annotation file of hands, or hub data set "
        "namespace/name",
    )
    evaluate.add_argument("--checkpoint", help="weights to evaluate instead of the model's own")
    evaluate.add_argument("--predictions", type=Path, help="file to write the predictions to, as COCO results")
    evaluate.add_argument("--json", type=Path, help="JSON file to write all numbers to")
    evaluate.set_defaults(run=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    for path in filter(None, (arguments.json, arguments.predictions)):
        path.parent.mkdir(parents=True, exist_ok=True)  # an error now rather than after the work
    model_dir = find_model_dir(arguments.model)
    config, skip = read_configuration(model_dir), arguments.skip_bad_images
    val = open_data(arguments.data, arguments.images, arguments.split, config, "val", skip)
    trainer = build_trainer(arguments, model_dir, loader_options(arguments), train_dataset=None, eval_dataset=val)
    values = trainer.evaluate(arguments.checkpoint)
    print_numbers(values)
    if arguments.json:
        write_atomically(arguments.json, json.dumps(values, indent=2).encode())
    if arguments.predictions:
        trainer.predict(saving_fn=arguments.predictions, checkpoint_path=arguments.checkpoint)
    return 0
