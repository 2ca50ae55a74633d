"""Which files of a model directory are published: those that a model consists of, and no others."""

import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ...errors import HandkpError
from ...model_dir.checkpoint import WEIGHT_FILES
from ...model_dir.config import CONFIGURATION_FILE, block, read_configuration
from ...model_dir.exported import EXPORT_FILE, ExportedModel

CARD_FILE = "README.md"
LEGAL = re.compile(r"(licen[cs]e|notice)([.-][\w.-]*)?", re.IGNORECASE)
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg"}
MARKDOWN_IMAGE = re.compile(r"!\[[^\]\n]*\]\(\s*<?([^)>\s]+)")
HTML_IMAGE = re.compile(r"""<img\b[^>]*?\bsrc\s*=\s*["']?([^"'\s>]+)""", re.IGNORECASE)
DETECTION_KEYS = ("config_file", "model_path")
MAX_LISTED = 10_000  # entries of a directory that are looked at for what is left out


@dataclass
class Contents:
    """The files of a model directory, by their names relative to it, with ``/``.

    files: name -> bytes, of those that are published; the card is not among them. left_out: the others, folders end
    with ``/``. problems: a sentence each about a file that should be published and cannot be.
    """

    files: dict[str, int] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def find_contents(model_dir: Path, card: str) -> Contents:
    """The files of ``model_dir`` that are published.

    These are the configuration, the weights, the detector's files, the graphs of an exported model, licences at the
    top, and the images that ``card`` shows. Hidden files and links out of the directory never are.

    Args:
        card: the text of its README.md.
    """
    contents, root = Contents(), model_dir.resolve()
    for name in map(posixpath.normpath, (*_required(model_dir), *_legal(model_dir, root), *_shown(card, root))):
        path = model_dir / name
        if not os.path.isfile(path):  # noqa: PTH113  Path.is_file raises on a name that is too long
            continue  # a file that the model needs and lacks is an error when it is loaded
        if root not in path.resolve().parents or name.startswith(".."):
            contents.problems.append(f"{name} leads out of the directory: put the file itself there")
        elif _is_hidden(name):
            contents.problems.append(f"{name} is hidden, and hidden files are not published: give it another name")
        else:
            contents.files[name] = path.stat().st_size
    contents.left_out = sorted(_others(model_dir, {*contents.files, CARD_FILE}))
    return contents


def _required(model_dir: Path) -> list[str]:
    names = [CONFIGURATION_FILE, *WEIGHT_FILES]
    try:
        detection = block(read_configuration(model_dir), "DETECTION")
        names += [detection[key] for key in DETECTION_KEYS if isinstance(detection.get(key), str)]
        exported = ExportedModel.find(model_dir)
        if exported is not None:
            graphs = [exported.keypoints, *([exported.detector.file] if exported.detector else [])]
            names += [EXPORT_FILE, *graphs, *(str(Path(name).with_suffix(".bin")) for name in graphs)]
    except HandkpError:
        pass  # said when the model is loaded
    return names


def _legal(model_dir: Path, root: Path) -> list[str]:
    """Licences at the top of the directory."""
    found = (path for path in model_dir.iterdir() if LEGAL.fullmatch(path.name))
    return sorted(path.name for path in found if root in path.resolve().parents)


def _shown(card: str, root: Path) -> Iterator[str]:
    """Images of the directory that a card shows; others are left to those who wrote it."""
    for name in (*MARKDOWN_IMAGE.findall(card), *HTML_IMAGE.findall(card)):
        path = root / name
        if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES and os.path.isfile(path):  # noqa: PTH113
            inside = root in path.resolve().parents and not name.startswith("/") and ".." not in name.split("/")
            if inside and not _is_hidden(name):
                yield name


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


def _others(model_dir: Path, known: set[str]) -> Iterator[str]:
    """What is left out; a folder of which nothing is published as a whole."""
    seen = 0
    for folder, folders, files in os.walk(model_dir):
        here = Path(folder).relative_to(model_dir)
        for name in list(folders):
            inner = (here / name).as_posix()
            if not any(file.startswith(f"{inner}/") for file in known):
                folders.remove(name)
                yield f"{inner}/"
        for name in files:
            if (here / name).as_posix() not in known:
                yield (here / name).as_posix()
        seen += len(files) + len(folders)
        if seen > MAX_LISTED:
            return
