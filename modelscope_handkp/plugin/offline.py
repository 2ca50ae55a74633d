"""Models of this package that ModelScope downloaded before, for when its hub does not answer."""

import os
import time
from pathlib import Path
from typing import Any

from ..errors import HandkpError
from ..model_dir.config import block, read_configuration
from ..model_dir.hub import HUB_ID, copy_of_silent_hub, downloaded_copy
from . import names

REMEMBERED_SECONDS = 10.0  # one pipeline() asks the hub several times within a second or two

_decided: dict[tuple[str, str | None], tuple[float, Path | None]] = {}


def copy_of(model_id: Any, revision: str | None = None) -> Path | None:
    """The copy of a model of this package, if the hub does not answer; None for any other model, and if it answers.

    The hub is asked only about a model of this package that was downloaded before, and once in `REMEMBERED_SECONDS`.
    """
    if not isinstance(model_id, str) or not HUB_ID.fullmatch(model_id) or os.path.exists(model_id):  # noqa: PTH110
        return None
    known = downloaded_copy(model_id, revision)
    if known is None or not _is_own(known):
        return None
    decided_at, copy = _decided.get((model_id, revision), (-REMEMBERED_SECONDS, None))
    if time.monotonic() - decided_at >= REMEMBERED_SECONDS or copy not in (None, known):
        copy = copy_of_silent_hub(model_id, revision)
        _decided[model_id, revision] = time.monotonic(), copy
    return copy


def _is_own(folder: Path) -> bool:
    """Whether a model directory's model is this package's."""
    try:
        return block(read_configuration(folder), "model").get("type") == names.MODEL
    except HandkpError:
        return False
