"""``modelscope-handkp app``: the page in the browser."""

import argparse
import sys
from typing import Any

from ..app import Models, serve
from ..app.server import HOST, PORT
from ..app.uploads import check_gradio
from ..engines import AUTO, ENGINES
from .exit_codes import OK
from .termination import orderly_termination


def add_command(commands: Any) -> None:
    """Add ``app`` to argparse's subparsers."""
    parser = commands.add_parser("app", help="a page in the browser for images, videos and a camera")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="DIR",
        help="a model directory or hub id, offered before the embedded model; may be given several times",
    )
    parser.add_argument("--host", default=HOST, help="the address to listen at, 0.0.0.0 for all (%(default)s)")
    parser.add_argument("--port", type=int, default=PORT, help="(%(default)s)")
    parser.add_argument("--engine", default=AUTO, choices=[*ENGINES, AUTO], help="offered first (%(default)s)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: a GPU where there is one)")
    parser.set_defaults(run=_app)


def _app(arguments: argparse.Namespace) -> int:
    check_gradio()  # what is missing is said before any work
    with orderly_termination():
        print("The models are read ...", file=sys.stderr)
        serve(Models(arguments.model, arguments.engine, arguments.device), arguments.host, arguments.port)
    return OK
