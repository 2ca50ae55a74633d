"""What must hold of a model directory before it is published. Every check names all that it finds."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ...errors import HandkpError
from ...model_dir.checkpoint import (
    SAFETENSORS_WEIGHTS,
    WEIGHT_FILES,
    read_checkpoint,
    read_state_dict,
)
from ...model_dir.config import read_configuration
from ...model_dir.exported import EXPORT_FILE
from ...model_dir.safetensors_file import has_safetensors
from ...synthetic import render_image
from .. import names
from .quiet import quiet

SEED, SIZE, LEVEL = 3, (320, 240), "easy"  # of the rendered image; size (width, height) px
OPTIMIZER_KEY = re.compile(r"optim|lr_?sched|scaler|momentum_buffer", re.IGNORECASE)
CHECKPOINT_SUFFIXES = (".pt", ".pth", ".bin")
ABSOLUTE = re.compile(r"(?<![\w:/.~$}])(?:~/|/|[A-Za-z]:\\)[^\s\"'`<>()\[\]{},;|*?]{2,}")
SYSTEM = ("/usr", "/bin", "/sbin", "/dev", "/etc", "/proc", "/sys", "/lib", "/lib64")  # the same on every machine
MAX_CANDIDATES = 8  # boxes that are looked at in it: an untrained detector finds hundreds
MAX_SHOWN = 5  # paths of one file in a sentence


def check_model(model_dir: Path, files: Iterable[str]) -> tuple[list[str], int]:
    """Load the model as users do, run it on a rendered image of one hand, and read its checkpoints.

    Args:
        files: names of those that are published.
    Returns:
        a sentence for each problem, and the number of hands that were found.
    """
    problems, foreign = list(_check_plugins(model_dir)), list(_check_foreign_code(model_dir))
    problems += [*foreign, *_check_checkpoints(model_dir, files)]
    if foreign:  # ModelScope would install and import it
        return problems, 0
    image = render_image(SEED, SIZE, level=LEVEL)[0]
    try:
        result = _run(model_dir, image)
    except Exception as error:  # ModelScope raises errors again as other classes
        return [*problems, f"the model does not load and run: {_one_line(error)}"], 0
    if not all(np.isfinite(np.asarray(result[key])).all() for key in ("keypoints", "boxes")):
        problems.append("the model's keypoints of a rendered image are not all finite numbers")
    return problems, len(result["keypoints"])


def _run(model_dir: Path, image: Any) -> dict[str, Any]:
    if (model_dir / EXPORT_FILE).is_file():  # graphs, which pipeline() does not run
        from ...estimator import HandEstimator

        hands = HandEstimator.from_pretrained(model_dir, max_candidates=MAX_CANDIDATES)(image)
        return {"keypoints": hands.keypoints, "boxes": hands.boxes}
    from modelscope.pipelines import pipeline  # before quiet(), as its import sets the logger's level

    with quiet():
        result: dict[str, Any] = pipeline(names.TASK, model=str(model_dir), max_candidates=MAX_CANDIDATES)(image)
    return result


def _check_plugins(model_dir: Path) -> Iterator[str]:
    if names.DISTRIBUTION not in _plugins(model_dir):
        yield f'configuration.json does not name this package: add "plugins": ["{names.DISTRIBUTION}"]'


def _check_foreign_code(model_dir: Path) -> Iterator[str]:
    others = [f"{other!s:.40}" for other in _plugins(model_dir) if other != names.DISTRIBUTION]
    if others:
        yield (
            f'"plugins" in configuration.json also names {", ".join(others[:MAX_SHOWN])}, which every user would have '
            "to install: remove it"
        )
    if _configuration(model_dir).get("allow_remote"):
        yield '"allow_remote" in configuration.json makes ModelScope run code of the directory: remove it'


def _plugins(model_dir: Path) -> list[Any]:
    plugins = _configuration(model_dir).get("plugins")
    return plugins if isinstance(plugins, list) else []


def _configuration(model_dir: Path) -> dict[str, Any]:
    """The configuration; empty where it cannot be read, which is said when the model is loaded."""
    try:
        return read_configuration(model_dir)
    except HandkpError:
        return {}


def _check_checkpoints(model_dir: Path, files: Iterable[str]) -> Iterator[str]:
    for name in files:
        if name.endswith(CHECKPOINT_SUFFIXES) and not (model_dir / name).with_suffix(".xml").is_file():
            yield from _check_checkpoint(model_dir / name, name)
    weights = [model_dir / name for name in WEIGHT_FILES if (model_dir / name).is_file()]
    if len(weights) > 1 and (has_safetensors() or weights[0].name != SAFETENSORS_WEIGHTS):
        yield from _check_equal(weights)


def _check_checkpoint(path: Path, name: str) -> Iterator[str]:
    try:
        content = read_checkpoint(path)
    except HandkpError as error:
        yield f"{name} cannot be read: {_one_line(error)}"
        return
    keys = [key for key in content if isinstance(key, str)] if isinstance(content, dict) else []
    extra = sorted(key for key in keys if OPTIMIZER_KEY.search(key))
    if extra:
        yield f"{name} holds the state of a training ({', '.join(extra):.80}): save its state_dict alone"
    paths = sorted(set(_paths_in_values(content.get("meta")))) if isinstance(content, dict) else []
    if paths:
        yield f"{name} names paths of this machine in its meta: {_listed(paths)}"


def _check_equal(paths: list[Path]) -> Iterator[str]:
    try:
        first, *others = [read_state_dict(path) for path in paths]
    except HandkpError:
        return  # said of the file itself, or when the model is loaded
    for path, other in zip(paths[1:], others):
        same = first.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in first.items())
        if not same:
            yield f"{paths[0].name} and {path.name} hold different weights: keep the one that you mean"


def check_paths(model_dir: Path, card: str) -> list[str]:
    """A sentence for each file that names paths of this machine: configuration.json and the card.

    Such a path is absolute and leads to the home folder, to the working directory, to ``model_dir`` or to something
    that exists outside the folders of the system.
    """
    problems, here = [], _places(model_dir)
    found = list(_paths_in_config(_configuration(model_dir), "", here))
    if found:
        problems.append(f"configuration.json names paths of this machine: {_listed(found)}")
    in_card = sorted({path for path in ABSOLUTE.findall(card) if _is_here(path, here)})
    if in_card:
        problems.append(f"README.md names paths of this machine: {_listed(in_card)}")
    return problems


def _places(model_dir: Path) -> list[str]:
    places = {Path.home(), Path.cwd(), model_dir.absolute(), model_dir.resolve()}
    return sorted({str(place) for place in places if len(place.parts) > 1})


def _is_here(text: str, places: list[str]) -> bool:
    if text.startswith("~/"):
        return os.path.exists(Path(text).expanduser())  # noqa: PTH110
    path = text.rstrip("/.:")
    if any(path == place or path.startswith(place.rstrip("/") + os.sep) for place in places):
        return True
    of_system = any(path == folder or path.startswith(f"{folder}/") for folder in SYSTEM)
    return not of_system and path.count("/") + path.count("\\") > 1 and os.path.exists(path)  # noqa: PTH110


def _paths_in_config(node: Any, key: str, places: list[str]) -> Iterator[str]:
    if isinstance(node, dict):
        for inner, value in node.items():
            yield from _paths_in_config(value, f"{key}.{inner}" if key else str(inner), places)
    elif isinstance(node, list):
        for value in node:
            yield from _paths_in_config(value, key, places)
    elif isinstance(node, str) and any(_is_here(path, places) for path in ABSOLUTE.findall(node)):
        yield f"{node:.100} ({key:.60})"


def _paths_in_values(node: Any, depth: int = 0) -> Iterator[str]:
    """Paths of the home folder in the texts of a checkpoint's ``meta``."""
    if isinstance(node, (dict, list, tuple)) and depth < 8:
        for value in node.values() if isinstance(node, dict) else node:
            yield from _paths_in_values(value, depth + 1)
    elif isinstance(node, str):
        yield from (path for path in ABSOLUTE.findall(node[:100_000]) if _is_here(path, _places(Path.home())))


def _listed(paths: list[str]) -> str:
    more = f" and {len(paths) - MAX_SHOWN} more" if len(paths) > MAX_SHOWN else ""
    return ", ".join(f"{path:.200}" for path in paths[:MAX_SHOWN]) + more


def _one_line(error: Exception) -> str:
    return " ".join(f"{error!s:.400}".split()).rstrip(".") or type(error).__name__
