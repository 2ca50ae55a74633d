"""The command line, one file a command."""

import argparse
import logging
import sys
from collections.abc import Sequence

from ..errors import HandkpError
from . import app, batch, evaluate, export, gestures, predict, publish, render, train
from .exit_codes import INTERRUPTED, REFUSED


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 when an image failed, 2 when nothing could begin, 130 on Ctrl-C."""
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be no text that it can show
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except (HandkpError, OSError) as error:
        print(f"modelscope-handkp: {error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print("modelscope-handkp: interrupted.", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="modelscope-handkp", description="21 keypoints for every hand in an image.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in (predict, app, batch, gestures, train, evaluate, render, export, publish):
        command.add_command(commands)
    return parser
