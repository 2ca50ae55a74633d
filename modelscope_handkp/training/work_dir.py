"""The work directory of a training run: where its checkpoints are, and which is the newest."""

import os
import re
from pathlib import Path

from ..errors import MissingFileError
from ..model_dir.checkpoint import find_weights

DEFAULT_WORK_DIR = "work_dir"
CHECKPOINT_SUFFIX = ".pth"
_CHECKPOINT = re.compile(r"(epoch|iter)_(\d+)\.pth")


def find_checkpoint(path: str | Path) -> Path:
    """The checkpoint file that ``path`` names.

    Args:
        path: a file, with or without ``.pth``; or a folder: its newest ``epoch_N.pth`` or ``iter_N.pth``, else its
            weights as a model directory (`find_weights`).
    Raises:
        MissingFileError: there is none.
    """
    path = Path(path)
    if os.path.isdir(path):  # noqa: PTH112  Path.is_dir raises on a name that is too long
        return _newest(path)
    found = path if os.path.isfile(path) else path.with_name(path.name + CHECKPOINT_SUFFIX)  # noqa: PTH113
    if not os.path.isfile(found):  # noqa: PTH113
        raise MissingFileError(f"there is no checkpoint at {path}.")
    return found


def _newest(folder: Path) -> Path:
    checkpoints = checkpoints_by_age(folder)
    if checkpoints:
        return checkpoints[-1]
    try:
        return find_weights(folder)
    except MissingFileError as error:
        raise MissingFileError(f"there is no checkpoint at {folder}: {error}") from None


def checkpoints_by_age(folder: Path) -> list[Path]:
    """The ``epoch_N.pth`` and ``iter_N.pth`` of ``folder``, the newest last.

    The time of writing counts before the number, since a new run may start in the folder of an older and longer one.
    """
    found = [(file, match) for file in folder.iterdir() if (match := _CHECKPOINT.fullmatch(file.name))]
    return [file for file, match in sorted(found, key=lambda pair: (pair[0].stat().st_mtime_ns, int(pair[1][2])))]
