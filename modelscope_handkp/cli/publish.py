"""``modelscope-handkp publish``: check a model directory, write its card, and send it to ModelScope's hub."""

import argparse
import importlib
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .exit_codes import OK

MAX_LEFT_OUT = 12  # names that are shown
UNITS = ("B", "kB", "MB", "GB")


def add_command(commands: Any) -> None:
    """Add ``publish`` to argparse's subparsers."""
    parser = commands.add_parser(
        "publish",
        help="send a model directory to ModelScope's hub",
        description="Check a model directory, write or complete its README.md, and send it to ModelScope's hub. The "
        "token is that of `modelscope login` or of the variable MODELSCOPE_API_TOKEN.",
    )
    parser.add_argument("model_dir", type=Path, metavar="MODEL_DIR", help="such as work_dir/output of a training")
    parser.add_argument("model_id", metavar="OWNER/NAME", help="of the model on the hub; created if it is not there")
    parser.add_argument("--private", action="store_true", help="create the model so that only its owner sees it")
    parser.add_argument("--dry-run", action="store_true", help="check and show what would be sent; send nothing")
    parser.set_defaults(run=_publish)


def _publish(arguments: argparse.Namespace) -> int:
    plugin = _plugin()
    publication = plugin.prepare(arguments.model_dir, arguments.model_id)
    if arguments.dry_run and publication.card.changed:
        print(f"README.md, as it would be written:\n\n{publication.card.text}")
    _show(publication)
    if arguments.dry_run:
        print("dry run: nothing was written or sent.")
        return OK
    page = publication.send(plugin.Client(), arguments.private)
    print(f"published: {page}")
    return OK


def _show(publication: Any) -> None:
    print(f"{publication.model_id}: the model loads and runs; {_hands(publication.hands)} in a rendered image of one")
    for name, size in publication.files.items():
        print(f"  {name}  {in_units(size)}")
    print(f"  {len(publication.files)} files, {in_units(sum(publication.files.values()))}")
    left_out = publication.left_out
    if left_out:
        more = f" and {len(left_out) - MAX_LEFT_OUT} more" if len(left_out) > MAX_LEFT_OUT else ""
        print(f"not published: {', '.join(left_out[:MAX_LEFT_OUT])}{more}")
    card = publication.card
    if not card.existed:
        print("README.md: none is there, this one is written")
    elif card.changed:
        page = "its page is written anew" if card.has_new_page else "its page stays as it is"
        print(f"README.md: {page}; front matter gets {', '.join(card.added) or 'nothing new'}")
    if card.licence:
        print(
            f"README.md: none was stated, so its licence is {card.licence}; write another into its front matter if not"
        )


def _hands(count: int) -> str:
    return "no hand was found" if count == 0 else f"{count} hand{'s' if count > 1 else ''} found"


def in_units(count: float) -> str:
    """A number of bytes in words: "512 B", "7.7 kB"."""
    for unit in UNITS:
        if count < 1000 or unit == UNITS[-1]:
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == UNITS[0] else f"{count:.1f} {unit}"


def _plugin() -> Any:
    """`plugin.publishing.publish`, which a deployment without ModelScope does not have."""
    try:
        return importlib.import_module("..plugin.publishing.publish", __package__)
    except ModuleNotFoundError as error:
        if str(error.name).startswith("modelscope_handkp"):
            raise
        raise ConfigError(
            f"publishing needs ModelScope (no module {error.name}): pip install 'modelscope[framework,datasets]'."
        ) from None
