"""Where a model lies: a folder, the embedded one, or one that ModelScope's hub fetches."""

import functools
import logging
import os
import re
from pathlib import Path

from ..errors import DownloadError, MissingFileError

logger = logging.getLogger(__name__)

EMBEDDED_MODEL_DIR = Path(__file__).parents[1] / "embedded"
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")


def find_model_dir(name: str | Path | None = None) -> Path:
    """A model directory on this machine.

    Args:
        name: a folder; a hub id ``owner/name``, fetched through ModelScope; None, the embedded model.
    Raises:
        MissingFileError: neither a folder nor an id, or an id where ModelScope is not installed.
        DownloadError: the hub does not give it.
    """
    if name is None:
        _say_that_it_is_embedded()
        return EMBEDDED_MODEL_DIR
    if os.path.isdir(name):  # noqa: PTH112  Path.is_dir raises on a name that is too long
        return Path(name)
    if not HUB_ID.fullmatch(str(name)):
        raise MissingFileError(f"{name} is neither a model directory nor a hub id of the form owner/name.")
    try:
        from modelscope import snapshot_download
    except ImportError:
        raise MissingFileError(f"{name} is no folder here, and fetching it from the hub needs modelscope.") from None
    try:
        return Path(snapshot_download(str(name)))
    except Exception as error:  # ModelScope has no one error for it
        raise DownloadError(f"{name} is no folder here, and the hub did not give it: {error}") from error


@functools.cache
def _say_that_it_is_embedded() -> None:
    logger.warning("no model was chosen: the embedded one is used, a small one trained on rendered hands.")
