"""A model directory, checked and ready to be sent to the hub."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ...errors import HandkpError, InputError, MissingFileError, UploadError
from ...files import write_atomically
from ...model_dir.config import CONFIGURATION_FILE
from ...version import __version__
from .card import Card, make_card
from .checks import check_model, check_paths
from .client import Client
from .contents import CARD_FILE, find_contents

logger = logging.getLogger(__name__)

MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}/[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
PLACEHOLDERS = {"OWNER", "NAME"}  # of the documents and of --help
MASTER = "master"
MESSAGE = f"Published by modelscope-handkp {__version__}"


@dataclass(frozen=True)
class Publication:
    """What is sent to the hub.

    model_dir: the directory. model_id: ``owner/name``. files: name -> bytes, the card among them. left_out: what else
    the directory holds. card: its README.md as it is published. hands: found in a rendered image of one hand.
    """

    model_dir: Path
    model_id: str
    files: Mapping[str, int]
    left_out: tuple[str, ...]
    card: Card
    hands: int

    def send(self, client: Client, private: bool = False, revision: str = MASTER) -> str:
        """Send it, after README.md was written to the directory where it has changed.

        Args:
            private: only the owner sees a model that is created here; one that is there stays as it is.
            revision: the branch of the model.
        Returns:
            the address of the model's page.
        Raises:
            UploadError: README.md cannot be written, or the hub does not take all of it; the sentence says what it has.
        """
        if self.card.changed:
            path = self.model_dir / CARD_FILE
            try:
                write_atomically(path, self.card.text.encode())
            except OSError as error:
                raise UploadError(
                    f"{path} cannot be written ({error.strerror or error}); nothing was sent. Publish a copy of the "
                    "directory."
                ) from None
        return client.send(self.model_dir, self.model_id, list(self.files), private, revision, MESSAGE)


def publish(
    model_dir: str | Path,
    model_id: str,
    private: bool = False,
    revision: str = MASTER,
    token: str | None = None,
) -> str:
    """Check a model directory and send it to the hub.

    Args:
        model_dir: as `prepare`. model_id: ``owner/name``. private, revision: as `Publication.send`.
        token: as `Client`.
    Returns:
        the address of the model's page.
    Raises:
        HandkpError: as `prepare`, `Client` and `Publication.send`.
    """
    return prepare(model_dir, model_id).send(Client(token), private, revision)


def check_id(model_id: object) -> None:
    """Refuse what is no id of the hub.

    Raises:
        InputError: anything else than ``owner/name`` of letters, digits, ``_``, ``.`` and ``-``; or the words of an
            example themselves.
    """
    if not isinstance(model_id, str) or not MODEL_ID.fullmatch(model_id):
        raise InputError(
            f"{model_id!r:.80} is no id of a model on the hub: it must be OWNER/NAME, each of letters, digits, "
            "'_', '.' and '-'."
        )
    if {*model_id.split("/")} & PLACEHOLDERS:
        raise InputError(
            f"{model_id} only shows where an id stands: write your name on the hub and a name for the model, such as "
            "my-name/my-hands."
        )


def prepare(model_dir: str | Path, model_id: str) -> Publication:
    """Check a model directory and make its card. Nothing is written, and no hub is asked.

    Args:
        model_dir: a directory of a model: the trainer's ``output``, an exported one, or one in the hosted format.
        model_id: ``owner/name`` that it is published as.
    Raises:
        InputError: no id, or a directory that cannot be published, with everything that is wrong with it.
        MissingFileError: no directory of a model.
    """
    check_id(model_id)
    folder = Path(model_dir)
    _check_is_model_dir(folder)
    problems: list[str] = []
    try:
        card: Card | None = make_card(folder, model_id)
    except HandkpError as error:
        card, problems = None, [str(error).rstrip(".")]
    text = "" if card is None else card.text
    contents = find_contents(folder, text)
    found, hands = check_model(folder, contents.files)
    problems += [*contents.problems, *found, *check_paths(folder, text)]
    if problems or card is None:
        raise InputError("\n- ".join([f"{folder} cannot be published:", *problems]))
    files = dict(sorted({**contents.files, CARD_FILE: len(text.encode())}.items()))
    return Publication(folder, model_id, files, tuple(contents.left_out), card, hands)


def _check_is_model_dir(folder: Path) -> None:
    if not folder.is_dir():
        raise MissingFileError(f"{folder} is no directory of a model.")
    if not (folder / CONFIGURATION_FILE).is_file():
        trained = folder / "output"
        hint = f"; did you mean {trained}?" if (trained / CONFIGURATION_FILE).is_file() else "."
        raise MissingFileError(f"{folder} has no {CONFIGURATION_FILE}, so it is no directory of a model{hint}")
