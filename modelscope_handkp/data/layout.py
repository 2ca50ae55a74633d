"""Where the annotations and images of a data set's part lie: as configured, or as people lay them out."""

import os
import re
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ..errors import DatasetError, MissingFileError
from .json_stream import iterate_arrays

DATA_ROOT = "${data_root}"  # in a configuration: the folder of the data set
ANNOTATIONS = "annotations"
PART_WORDS = {"train": {"train", "training"}, "val": {"val", "valid", "validation"}}
MAX_LISTED = 5  # files in an error
LOOKED_FOR = 20  # images, of which some may be missing


def find_part(source: str | Path, part: str, configured: Mapping[str, Any]) -> tuple[str, str]:
    """The annotation file and the image folder of a part of a data set on this machine.

    Args:
        source: a folder, or an annotation file.
        part: "train" or "val".
        configured: ``ann_file`` and ``img_prefix``, in which ``${data_root}`` stands for the folder.
    Returns:
        ``ann_file``: ``source`` if it is a file; else the configured one; where that does not exist, the only JSON file
        with the word ``part`` in its name (or "training", "valid", "validation") in ``annotations/`` or in the folder
        itself, or the only one in a folder of that name.
        ``img_prefix``: the configured one if it exists or has no ``${data_root}``; else the nearest folder to the
        annotation file that has one of its first images: its own, ``images/``, ``part/``, ``images/part/``,
        ``images/default/``, and those one up.
    Raises:
        MissingFileError: no such file or images; the message lists where they were looked for.
        DatasetError: several annotation files that it could be.
    """
    source = Path(source)
    root = source if source.is_dir() else source.parent
    wanted, img_prefix = (_configured(root, key, configured) for key in ("ann_file", "img_prefix"))
    ann_file = source if source.is_file() else _annotation_file(root, part, wanted)
    is_given = DATA_ROOT not in str(configured.get("img_prefix", DATA_ROOT))
    if is_given or (ann_file == wanted and img_prefix.is_dir()):
        return str(ann_file), str(img_prefix)
    return str(ann_file), _image_folder(ann_file, part)


def has_part(folder: str | Path, part: str, configured: Mapping[str, Any]) -> bool:
    """Whether a folder has an annotation file for a part, perhaps several; arguments as in `find_part`."""
    return bool(_candidates(Path(folder), part, _configured(folder, "ann_file", configured)))


def _configured(root: str | Path, key: str, configured: Mapping[str, Any]) -> Path:
    return Path(str(configured.get(key, "")).replace(DATA_ROOT, str(root)))


def _candidates(root: Path, part: str, configured: Path) -> list[Path]:
    """The annotation files that may be meant."""
    if configured.is_file():
        return [configured]
    places = [[file for file in _json_files(place) if _is_of(file.stem, part)] for place in _places(root)]
    places += [_json_files(folder) for folder in root.iterdir() if folder.is_dir() and _is_of(folder.name, part)]
    return next(filter(None, places), [])


def _json_files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*.json") if not file.name.startswith("."))


def _is_of(name: str, part: str) -> bool:
    """Whether a word of a name is the part: "hands_train2017" has train, "trainval" and "retrieval" have neither."""
    return not PART_WORDS[part].isdisjoint(re.findall("[a-z]+", name.lower()))


def _places(root: Path) -> tuple[Path, ...]:
    return (root / ANNOTATIONS, root)


def _annotation_file(root: Path, part: str, configured: Path) -> Path:
    candidates = _candidates(root, part, configured)
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        names = ", ".join(file.name for file in candidates[:MAX_LISTED])
        raise DatasetError(f"{root} has several annotation files for {part!r}, {names}: pass the one that is meant.")
    raise MissingFileError(
        f"{root} has no annotation file for {part!r}: neither {configured} nor a JSON file with {part!r} in its name "
        f"in {' or '.join(map(str, _places(root)))}; pass the file itself."
    )


def _image_folder(ann_file: Path, part: str) -> str:
    names = _first_names(ann_file)
    own = Path(os.path.abspath(ann_file)).parent  # noqa: PTH100  a relative path has no folder above, and links stay
    near = [
        folder / inner
        for folder in (own, own.parent)
        for inner in ("", "images", part, f"{part}2017", f"images/{part}", "images/default")
    ]
    for folder in near:
        # Path.is_file raises on a name that is too long
        if not names or any(os.path.isfile(folder / name) for name in names):  # noqa: PTH113
            return str(folder)
    places = ", ".join(str(folder) for folder in near)
    raise MissingFileError(
        f"of the first {len(names)} images of {ann_file}, such as {names[0]!r:.80}, none is in {places}: name their "
        "folder (--images, --val-images; data_source.img_prefix in Python)."
    )


def _first_names(ann_file: Path) -> list[str]:
    entries = (entry for _, entry in iterate_arrays(ann_file, ("images",)) if isinstance(entry, dict))
    return [str(entry.get("file_name")).replace("\\", "/") for entry in islice(entries, LOOKED_FOR)]
