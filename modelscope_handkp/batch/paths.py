"""Paths on disks and object stores."""

import os

from ..errors import InputError

SCHEME_END = "://"
SHOWN = 200  # characters of a path in an error


def absolute(path: str | os.PathLike[str]) -> str:
    """A path that means the same in another process; what has a scheme stays as it is.

    Raises:
        InputError: it is no path.
    """
    try:
        path = os.fsdecode(path)
    except TypeError:
        raise InputError(f"{path!r:.{SHOWN}} is no path; give one path, pattern or list.") from None
    if SCHEME_END in path and not path.startswith("file://"):
        return path.rstrip("/")
    return os.path.abspath(path.removeprefix("file://"))  # noqa: PTH100  Path would need a name that is UTF-8


def join(folder: str, name: str) -> str:
    """The path of something in a folder; ``name`` itself where it is absolute or has a scheme."""
    if SCHEME_END in name or name.startswith("/"):
        return name
    return os.path.join(folder, name) if SCHEME_END not in folder else f"{folder.rstrip('/')}/{name}"
