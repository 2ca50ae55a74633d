"""Folders of images, one for each gesture -> `GestureExamples`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from ..errors import InputError, MissingFileError
from ..estimator import HandEstimator
from ..sources.listing import images_in
from .examples import MAX_EXAMPLES, GestureExamples, check_name


class Examples(NamedTuple):
    """What images gave: the examples, and of each image that gave none, by its path, the reason."""

    examples: GestureExamples
    left_out: dict[str, str]


def gesture_images(folder: str | Path) -> dict[str, list[str]]:
    """Names of gestures -> their images: the folders in ``folder`` that hold images, sorted, without hidden ones.

    Raises:
        MissingFileError: no such folder. InputError: no folder of images in it, too many images, or a folder whose name
            names no gesture.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MissingFileError(f"{folder}: no such folder; it holds a folder of images for each gesture.")
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    images = {check_name(path.name): found for path in inner if (found := images_in(path))}
    if not images:
        raise InputError(f"{folder} holds no folders with images; make one for each gesture, named by it.")
    count = sum(map(len, images.values()))
    if count > MAX_EXAMPLES:
        raise InputError(
            f"{folder} holds {count} images; a few of each gesture are enough, {MAX_EXAMPLES} are the most."
        )
    return images


def examples_from_images(estimator: HandEstimator, images: Mapping[str, Sequence[Any]]) -> Examples:
    """Examples from the surest hand of each image.

    Args:
        images: of each gesture, by its name; as `sources.images.load_image` takes them.
    Raises:
        InputError: no image of a gesture shows a hand, or a name that names no gesture.
    """
    names = [check_name(name) for name, several in images.items() for _ in several]
    sources = [source for several in images.values() for source in several]
    found, keypoints, left_out = [], [], {}
    for name, result in zip(names, estimator.stream(tqdm(sources, unit="image"))):
        if result.hands is None:
            left_out[str(result.source)] = str(result.error)
        elif not len(result.hands):
            left_out[str(result.source)] = "no hand was found"
        else:
            found.append(name)
            keypoints.append(result.hands.keypoints[result.hands.confidence.argmax()])
    for name in images:
        if name not in found:
            raise InputError(f"no image of the gesture {name!r} shows a hand that is found.")
    return Examples(GestureExamples(found, np.array(keypoints)), left_out)
