"""``modelscope-handkp batch INPUT OUTPUT``: the hands of a whole set of images and videos, on a Ray cluster."""

import argparse
import sys
from typing import Any

from ..batch import run_batch
from ..engines import AUTO, ENGINES
from ..engines.precision import FLOAT32, PRECISIONS
from ..model_dir.settings import TTA_LEVELS
from .exit_codes import OK, SOME_FAILED
from .termination import orderly_termination

SHOWN_PARTS = 10  # that are missing


def add_command(commands: Any) -> None:
    """Add ``batch`` to argparse's subparsers."""
    parser = commands.add_parser(
        "batch",
        help="find the hands of a whole set of images and videos, on a Ray cluster",
        description="Find the hands of a whole set of images and videos, on this machine or on a Ray "
        "cluster. OUTPUT becomes a Parquet data set with a row for each image and frame.",
        epilog="examples: %(prog)s images/ hands/ --tta none | %(prog)s 'set/**/*.mp4' hands/ --track | "
        "%(prog)s s3://bucket/list.txt s3://bucket/hands --address auto --resume",
    )
    parser.add_argument(
        "input",
        metavar="INPUT",
        help="a folder with those in it, a quoted glob pattern, a list of paths (.txt or .lst, one a line), Parquet "
        "files of paths or encoded images; on a disk or an object store (s3://, gs://, abfs://, oss://, hdfs://)",
    )
    parser.add_argument("output", metavar="OUTPUT", help="a new folder of the Parquet data set, likewise")
    parser.add_argument("--resume", action="store_true", help="go on with what is in OUTPUT")
    parser.add_argument(
        "--address",
        help="of a Ray cluster: auto, HOST:PORT, ray://HOST:PORT (default: one of this machine, ended after)",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="(default: one a GPU; one a CPU where there are none)")
    parser.add_argument("--column", help="of Parquet (default: the only one that holds encoded images, or paths)")
    parser.add_argument(
        "--track", action="store_true", help="follow the hands of videos, so that they have ids; videos are not split"
    )
    parser.add_argument("--model", help="a model directory or hub id, on each machine (default: the embedded model)")
    parser.add_argument("--engine", default=AUTO, choices=[*ENGINES, AUTO], help="what runs the networks (%(default)s)")
    parser.add_argument("--precision", default=FLOAT32, choices=PRECISIONS, help="of the networks (%(default)s)")
    parser.add_argument("--tta", default="full", choices=TTA_LEVELS, help="views of each crop (%(default)s)")
    parser.add_argument("--hand-threshold", type=float, help="the least confidence of a hand (default: the model's)")
    parser.set_defaults(run=_batch)


def _batch(arguments: argparse.Namespace) -> int:
    options = {name: getattr(arguments, name) for name in ("engine", "precision", "tta", "hand_threshold")}
    try:
        with orderly_termination():
            summary = run_batch(
                arguments.input,
                arguments.output,
                arguments.address,
                arguments.workers,
                arguments.column,
                arguments.track,
                arguments.resume,
                model_dir=arguments.model,
                **options,
            )
    except (KeyboardInterrupt, SystemExit):
        print(f"{arguments.output}: what is done is kept; --resume goes on with it.", file=sys.stderr)
        raise
    new = summary.images - summary.resumed
    rate = f"{new} of them in this run, {new / max(summary.seconds, 1e-9):.1f} a second" if new else "none in this run"
    for error in summary.first_errors:
        print(f"failed: {error}", file=sys.stderr)
    if summary.errors:
        more = summary.errors - len(summary.first_errors)
        print(f"{f'{more} more; ' if more else ''}see the column error of {summary.output}", file=sys.stderr)
    print(f"{summary.output}: {summary.images} images and frames, {summary.errors} with an error; {rate}.")
    if summary.missing:
        some = ", ".join(map(str, summary.missing[:SHOWN_PARTS])) + ", ..." * (len(summary.missing) > SHOWN_PARTS)
        why = summary.reason.rstrip(".") or "their workers ended"
        print(f"{len(summary.missing)} parts are missing ({some}): {why}. --resume tries them again.")
    return SOME_FAILED if summary.errors or summary.missing else OK
