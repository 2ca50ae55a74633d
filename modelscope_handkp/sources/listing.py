"""Files, folders, patterns and URLs -> the images that they stand for."""

import glob
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from .download import is_url
from .encoded import is_data_url

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".mpo"),
    *(".png", ".apng", ".bmp", ".dib", ".webp", ".tif", ".tiff", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
    *(".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".j2c"),
    *(".avif", ".avifs", ".heic", ".heif", ".heics", ".heifs", ".hif"),
)
OF_THE_SYSTEM = {"thumbs.db", "ehthumbs.db", "desktop.ini"}  # which file managers leave in folders
SHOWN_NAMES = 10

logger = logging.getLogger(__name__)


def list_sources(sources: Iterable[str]) -> Iterator[str]:
    """Files, folders (their images, sorted, not deeper), glob patterns and URLs -> files and URLs.

    A warning names the files of a folder that are left out. Something that matches nothing is passed on as it is, so
    that reading it names it.
    """
    for source in sources:
        if is_remote(source):
            yield source
        elif os.path.isdir(source):  # noqa: PTH112  Path.is_dir raises on a name that is too long
            images = images_in(source)
            if images and (others := left_out(source)):
                logger.warning("%s: left out, since no image has such a name: %s.", source, name_some(others))
            yield from images or [source]
        else:
            yield from [source] if os.path.exists(source) else sorted(glob.glob(source)) or [source]  # noqa: PTH110


def is_remote(source: str) -> bool:
    """Whether it is a URL, http(s) or data, and so the name of no file."""
    return is_url(source) or is_data_url(source)


def images_in(folder: str | Path) -> list[str]:
    """The image files of a folder by their endings, sorted, not deeper."""
    return sorted(str(file) for file in _entries(folder) if _is_image(file))


def left_out(folder: str | Path) -> list[str]:
    """The names of the files of a folder that are no images by their endings, sorted; without hidden files."""
    others = (file for file in _entries(folder) if not _is_image(file) and file.is_file())
    return sorted(file.name for file in others if not _is_of_the_system(file.name))


def name_some(names: Sequence[str]) -> str:
    """The number of names and the first of them: ``3 files ('a.psd', 'b.psd', 'c.mp4')``."""
    shown = ", ".join(map(repr, names[:SHOWN_NAMES])) + (", ..." if len(names) > SHOWN_NAMES else "")
    return f"{len(names)} file{'s' * (len(names) != 1)} ({shown})"


def _entries(folder: str | Path) -> list[Path]:
    try:
        return list(Path(folder).iterdir())
    except OSError:  # a folder that may not be looked into
        return []


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_SUFFIXES


def _is_of_the_system(name: str) -> bool:
    return name.startswith(".") or name.lower() in OF_THE_SYSTEM
