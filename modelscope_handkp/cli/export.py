"""``modelscope-handkp export``: write the networks of a model as graphs, run them, and compare them with torch."""

import argparse
from pathlib import Path
from typing import Any

from ..engines.precision import FLOAT32
from ..export.writer import EXPORT_PRECISIONS, FULL, ONNX, export_model
from ..model_dir.exported import EXPORT_FILE, FORMATS
from ..model_dir.settings import TTA_LEVELS
from .exit_codes import OK


def add_command(commands: Any) -> None:
    """Add ``export`` to argparse's subparsers."""
    parser = commands.add_parser("export", help="write the networks of a model as ONNX, OpenVINO or torch.export files")
    parser.add_argument("--model", help="a model directory or hub id (default: the embedded model)")
    parser.add_argument("--out", type=Path, required=True, help="folder of the exported model")
    parser.add_argument("--format", default=ONNX, choices=list(FORMATS), help="of the files (%(default)s)")
    parser.add_argument(
        "--precision",
        default=FLOAT32,
        choices=EXPORT_PRECISIONS,
        help="float16 is that of stored weights; int8 is calibrated (%(default)s)",
    )
    parser.add_argument(
        "--decode",
        action="store_true",
        help="put views, DARK and coordinates into the graph",
    )
    parser.add_argument(
        "--tta", default=FULL, choices=TTA_LEVELS, help="views in the graph, with --decode (%(default)s)"
    )
    parser.add_argument("--calibration", type=Path, metavar="FOLDER", help="images for int8 (default: rendered hands)")
    parser.set_defaults(run=_export)


def _export(arguments: argparse.Namespace) -> int:
    differences = export_model(
        arguments.model,
        arguments.out,
        arguments.format,
        arguments.precision,
        arguments.decode,
        arguments.calibration,
        tta=arguments.tta,
    )
    for name, difference in differences.items():
        print(f"{name}: differs from torch by at most {difference:.1e} of the largest value")
    print(f"exported to {arguments.out}; {EXPORT_FILE} says how the networks are run")
    return OK
