"""Files, folders, patterns and URLs -> the images that they stand for."""

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from .download import is_url

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif")


def list_sources(sources: Iterable[str]) -> Iterator[str]:
    """Files, folders (their images, sorted, not deeper), glob patterns and URLs -> files and URLs.

    Something that matches nothing is passed on as it is, so that reading it names it.
    """
    for source in sources:
        if is_url(source):
            yield source
        elif os.path.isdir(source):  # noqa: PTH112  Path.is_dir raises on a name that is too long
            yield from images_in(source) or [source]
        else:
            yield from [source] if os.path.exists(source) else sorted(glob.glob(source)) or [source]  # noqa: PTH110


def images_in(folder: str | Path) -> list[str]:
    """The image files of a folder, sorted, not deeper."""
    try:
        return sorted(str(file) for file in Path(folder).iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    except OSError:  # a folder that may not be looked into
        return []
