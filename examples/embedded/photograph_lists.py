"""Lists of photographs with labelled hands, in JSON lines: each line and its image are checked before they are used."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from modelscope_handkp.arrays import Array, Image
from modelscope_handkp.errors import HandkpError, InputError
from modelscope_handkp.geometry.boxes import MAX_COORDINATE, are_outside, xyxy_to_xywh
from modelscope_handkp.skeleton import NUM_KEYPOINTS
from modelscope_handkp.sources.images import load_image

LISTS = "train.jsonl", "people.jsonl"


class Hand(NamedTuple):
    """A labelled hand: box (4,) xyxy, keypoints (21, 2) or None, both in pixels of the image, and who labelled it."""

    box: Array
    keypoints: Array | None
    label: object


class Entry(NamedTuple):
    """A line of a list: an image file, its hands, and whether these are all hands in it."""

    file: Path
    hands: list[Hand]
    complete: bool

    @property
    def boxes(self) -> Array:
        """(n, 4) xyxy of its hands."""
        return np.array([hand.box for hand in self.hands], np.float32).reshape(-1, 4)


def add_photographs(parser: argparse.ArgumentParser) -> None:
    """The options that `lists_of` reads."""
    parser.add_argument("--photographs", type=Path, nargs="+", default=[], metavar="FOLDER", help="with labelled hands")
    parser.add_argument("--without-people", action="store_true", help="leave out the people.jsonl of these folders")


def lists_of(parser: argparse.ArgumentParser, args: argparse.Namespace) -> list[Path]:
    """The lists in the folders of ``--photographs``; a folder without any ends the program."""
    names = LISTS[:1] if args.without_people else LISTS
    lists = []
    for folder in args.photographs:
        found = [folder / name for name in names if (folder / name).is_file()]
        if not found:
            parser.error(f"{folder} holds no {' or '.join(names)}")
        lists += found
    return lists


def read_entries(*lists: Path) -> Iterator[tuple[Entry, Image]]:
    """Each line of lists with its image (H, W, 3) uint8 BGR.

    A line has ``file`` (an image below the list's folder), ``hands`` (``box``, and if known ``keypoints`` and
    ``label``) and ``complete``. ``two_hands_of_one_person`` counts as complete: nobody has a third hand.

    Raises:
        InputError: the lists have no line; a line is no such entry, or its image cannot be read.
    """
    lines = [(path, number, line) for path in lists for number, line in _lines(path)]
    if lists and not lines:
        raise InputError(f"{', '.join(map(str, lists))}: there is no image in it.")
    for path, number, line in tqdm(lines, desc="photographs", unit="image", disable=not lines):
        try:
            entry = _entry(path.parent, line)
            image = load_image(entry.file)
            _check_places(entry, image)
        except (HandkpError, OSError) as error:
            raise InputError(f"{path}, line {number}: {error}") from None
        yield entry, image


def _lines(path: Path) -> list[tuple[int, str]]:
    """The lines of a file that are not empty, with their numbers from 1."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            return [(number, line) for number, line in enumerate(file, 1) if line.strip()]
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text: {error}.") from None


def _entry(folder: Path, line: str) -> Entry:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict) or not _has_kinds(entry):
        raise InputError(
            "an image has file, complete (true or false) and hands, a list of objects with box and keypoints; this is "
            f"{line.strip()!r:.80}."
        )
    inner = Path(os.path.normpath(entry["file"]))
    if inner.is_absolute() or ".." in inner.parts:
        raise InputError(f"its file {entry['file']!r:.80} is not below {folder}.")
    hands = [_hand(hand) for hand in entry["hands"]]
    return Entry(folder / inner, hands, entry["complete"] or entry.get("two_hands_of_one_person", False))


def _has_kinds(entry: dict[str, Any]) -> bool:
    """Whether the values of an entry are of the right kinds."""
    hands, flags = entry.get("hands"), (entry.get("complete"), entry.get("two_hands_of_one_person", False))
    known = isinstance(entry.get("file"), str) and all(isinstance(flag, bool) for flag in flags)
    return known and isinstance(hands, list) and all(isinstance(hand, dict) for hand in hands)


def _hand(hand: dict[str, Any]) -> Hand:
    box = _numbers("box", hand.get("box"), (4,))
    if not (box[:2] < box[2:]).all():
        raise InputError(f"the box {box.tolist()} is empty or reversed; boxes are x1, y1, x2, y2.")
    keypoints = hand.get("keypoints")
    if keypoints is not None:
        keypoints = _numbers("keypoints", keypoints, (NUM_KEYPOINTS, 2))
        if not ((keypoints >= box[:2]) & (keypoints <= box[2:])).all(1).any():
            raise InputError(f"no keypoint of the hand lies in its box {box.tolist()}; both are in pixels.")
    return Hand(box, keypoints, hand.get("label"))


def _numbers(name: str, values: Any, shape: tuple[int, ...]) -> Array:
    """Finite numbers of a shape, float32."""
    try:
        array = np.array(values)
    except ValueError:  # rows of unequal length; earlier numpy makes objects of them
        array = np.array(None)
    if array.shape != shape or array.dtype.kind not in "iuf" or not (np.abs(array) <= MAX_COORDINATE).all():
        wanted = " x ".join(map(str, shape))
        raise InputError(f"the {name} of a hand must be {wanted} numbers, in pixels, got {values!r:.80}.")
    return array.astype(np.float32)


def _check_places(entry: Entry, image: Image) -> None:
    height, width = image.shape[:2]
    outside = entry.boxes[are_outside(xyxy_to_xywh(entry.boxes), (width, height))]
    if len(outside):
        raise InputError(f"the box {outside[0].tolist()} lies outside the image of {width} x {height} pixels.")
