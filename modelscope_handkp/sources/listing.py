"""Files, folders, patterns and URLs -> the images that they stand for."""

import glob
import itertools
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
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".avi", ".mkv", ".webm", ".ogv", ".wmv", ".asf", ".flv"),
    *(".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
)
OF_THE_SYSTEM = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir"}  # which programs leave in folders
SHOWN_NAMES = 10
MAX_WALKED = 100  # folders that are looked into for an image

logger = logging.getLogger(__name__)


def list_sources(sources: Iterable[str], with_videos: bool = False) -> Iterator[str]:
    """Files, folders (their images, sorted, not deeper), glob patterns and URLs -> files and URLs.

    With ``with_videos`` the videos of folders follow their images. A warning names the files of a folder that are left
    out, and its folders that hold images and are not among ``sources``. Something that matches nothing is passed on as
    it is, so that reading it names it.
    """
    sources = list(sources)
    for source in sources:
        if is_remote(source):
            yield source
        elif os.path.isdir(source):  # noqa: PTH112  Path.is_dir raises on a name that is too long
            videos = _of_kind(source, VIDEO_SUFFIXES) if with_videos else []
            found = images_in(source) + videos
            if found:
                given = {os.path.realpath(other) for other in sources if not is_remote(other)}
                _warn_of_left_out(source, given, {Path(video).name for video in videos})
            yield from found or [source]
        else:
            yield from [source] if os.path.exists(source) else sorted(glob.glob(source)) or [source]  # noqa: PTH110


def is_remote(source: str) -> bool:
    """Whether it is a URL, http(s) or data, and so the name of no file."""
    return is_url(source) or is_data_url(source)


def images_in(folder: str | Path) -> list[str]:
    """The image files of a folder by their endings, sorted, not deeper; without hidden files, as a pattern has it."""
    return _of_kind(folder, IMAGE_SUFFIXES)


def left_out(folder: str | Path) -> list[str]:
    """The names of the files of a folder that are no images by their endings, sorted; without hidden files."""
    return sorted(file.name for file in _entries(folder) if not _is_image(file) and file.is_file())


def folders_left_out(folder: str | Path) -> list[str]:
    """The names of the folders in a folder that hold images, if deeper, sorted; without hidden folders."""
    return sorted(inner.name for inner in _entries(folder) if inner.is_dir() and _holds_images(inner))


def name_some(names: Sequence[str], what: str) -> str:
    """The number of names and the first of them: ``3 files ('a.psd', 'b.psd', 'c.mp4')``; "" for none.

    Args:
        what: they name: "file", "folder of images".
    """
    if not names:
        return ""
    first, *rest = what.split(" ")
    kind = " ".join([first + "s" * (len(names) != 1), *rest])
    shown = ", ".join(map(repr, names[:SHOWN_NAMES])) + (", ..." if len(names) > SHOWN_NAMES else "")
    return f"{len(names)} {kind} ({shown})"


def _of_kind(folder: str | Path, suffixes: Sequence[str]) -> list[str]:
    return sorted(str(file) for file in _entries(folder) if file.suffix.lower() in suffixes)


def _warn_of_left_out(folder: str, given: set[str], taken: set[str]) -> None:
    """Name the files of a folder that are no images and not ``taken`` (names), and its folders of images that are not
    ``given`` (real paths)."""
    if others := [name for name in left_out(folder) if name not in taken]:
        logger.warning("%s: left out, since no image has such a name: %s.", folder, name_some(others, "file"))
    inner = [name for name in folders_left_out(folder) if os.path.realpath(Path(folder, name)) not in given]
    if inner:
        some = name_some(inner, "folder of images")
        logger.warning("%s: left out, since folders are not read deeper: %s.", folder, some)


def _holds_images(folder: Path) -> bool:
    walked = itertools.islice(os.walk(folder), MAX_WALKED)
    return any(_is_image(Path(name)) and not _is_of_the_system(name) for _, _, names in walked for name in names)


def _entries(folder: str | Path) -> list[Path]:
    try:
        return [entry for entry in Path(folder).iterdir() if not _is_of_the_system(entry.name)]
    except OSError:  # a folder that may not be looked into
        return []


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_SUFFIXES


def _is_of_the_system(name: str) -> bool:
    return name.startswith(".") or name.lower() in OF_THE_SYSTEM
