"""Measure a model directory on labelled photographs.

    python benchmarks/photographs.py FOLDER [--split val] [--model DIR] [--tta full] [--engine eager] [--sheet FILE]

FOLDER holds SPLIT.jsonl, one JSON object a line: ``file`` (an image below FOLDER), ``hands`` with ``box`` (xyxy,
pixels), ``keypoints`` (21 x, y in the order of COCO-WholeBody, or null) and ``label``, and ``complete``. Where
``complete`` is false, other hands may have no label: such an image counts for the hands found and not for the false
ones. Keypoints count whose label is "mediapipe"; those of boxes mended by hand may be wrong.

Printed: recall at IoU 0.5 and 0.3, also by the size of the hand as a share of the image's longer side, and false boxes
an image (IoU with every hand at most 0.3, so that a poorly localised box is not counted twice), end to end and of the
detector alone; PCK@0.2 with the true boxes given and end to end, where the keypoints of a hand that was not found count
as wrong; time an image; the worst images.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from embedded import matched
from numpy.typing import NDArray
from tqdm import tqdm

from modelscope_handkp import HandEstimator, Hands
from modelscope_handkp.data.metrics import distances, pck
from modelscope_handkp.errors import HandkpError, InputError, MissingFileError
from modelscope_handkp.geometry.boxes import as_boxes, iou, xyxy_to_xywh
from modelscope_handkp.model_dir.settings import TTA_LEVELS
from modelscope_handkp.skeleton import NUM_KEYPOINTS
from modelscope_handkp.sources.images import load_image

Array = NDArray[np.float32]

FOUND, NEARLY_FOUND = 0.5, 0.3  # IoU
SIZES = {"below 1/12": 1 / 12, "1/12 to 1/6": 1 / 6, "1/6 to 1/3": 1 / 3, "from 1/3": np.inf}  # of the longer side
TRUSTED = "mediapipe"  # label whose keypoints count
WORST, TILE, COLUMNS = 24, 320, 6  # images of a sheet, pixels of each, and how many go side by side
TRUE_COLOR, FOUND_COLOR = (0, 200, 0), (0, 0, 255)  # BGR


@dataclass(frozen=True)
class Photograph:
    """An image file and its hands: boxes (N, 4) xyxy, keypoints (N, 21, 3) whose third column is 0 without a label."""

    path: Path
    boxes: Array
    keypoints: Array
    complete: bool = True


@dataclass(frozen=True)
class Outcome:
    """What a model sees in a photograph: boxes of its detector, hands end to end and with the true boxes given."""

    photograph: Photograph
    size: tuple[int, int]
    offered: Array
    hands: Hands
    given: Hands
    seconds: float

    @property
    def missed(self) -> int:
        """True hands without a well localised box."""
        return int((self.best(self.hands.boxes) <= FOUND).sum())

    @property
    def false(self) -> int:
        """Boxes beside every true hand."""
        return self.false_of(self.hands.boxes)

    def best(self, boxes: Array) -> Array:
        """For each true hand the IoU of the box that overlaps it most."""
        return np.asarray(iou(self.photograph.boxes, boxes).max(axis=1, initial=0.0))

    def false_of(self, boxes: Array) -> int:
        """How many of some boxes have no true hand; none where hands may have no label."""
        overlap = iou(self.photograph.boxes, boxes).max(axis=0, initial=0.0)
        return int((overlap <= NEARLY_FOUND).sum()) if self.photograph.complete else 0

    @property
    def shares(self) -> Array:
        """Longer side of each true hand, as a share of the image's."""
        boxes = self.photograph.boxes
        return np.asarray((boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0.0) / max(self.size), np.float32)


def read_photographs(folder: Path, split: str) -> list[Photograph]:
    """The photographs that SPLIT.jsonl lists.

    Raises:
        MissingFileError: no such list. InputError: it is empty, or a line of it is no photograph.
    """
    path = folder / f"{split}.jsonl"
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist.")
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), 1):
        if not line.strip():
            continue
        try:
            found.append(photograph(folder, json.loads(line)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            raise InputError(
                f"{path}, line {number}: no photograph ({type(error).__name__}: {error!s:.200})."
            ) from None
        if not found[-1].path.is_file():
            raise InputError(f"{path}, line {number}: {found[-1].path} does not exist.")
    if not found:
        raise InputError(f"{path} lists no image.")
    return found


def photograph(folder: Path, entry: dict[str, Any]) -> Photograph:
    """One line of the file."""
    hands = entry["hands"]
    keypoints = np.zeros((len(hands), NUM_KEYPOINTS, 3), np.float32)
    for row, hand in zip(keypoints, hands):
        if hand.get("keypoints") is not None and hand.get("label") == TRUSTED:
            row[:, :2], row[:, 2] = np.array(hand["keypoints"], np.float32).reshape(NUM_KEYPOINTS, 2), 1
    return Photograph(folder / entry["file"], as_boxes([hand["box"] for hand in hands]), keypoints, entry["complete"])


def look(estimator: HandEstimator, photograph: Photograph) -> Outcome:
    """Run a model on a photograph; only the end to end run is timed."""
    image = load_image(photograph.path)
    started = time.perf_counter()
    hands = estimator(image)
    seconds = time.perf_counter() - started
    offered = estimator.detector.detect([image])[0][0]
    size = image.shape[1], image.shape[0]
    return Outcome(photograph, size, offered, hands, estimator(image, boxes=photograph.boxes), seconds)


def numbers(outcomes: list[Outcome]) -> dict[str, float]:
    """The numbers by name; NaN for a mean over nothing."""
    complete = [outcome for outcome in outcomes if outcome.photograph.complete]
    hand_free = [outcome for outcome in complete if not len(outcome.photograph.boxes)]
    shares = np.concatenate([outcome.shares for outcome in outcomes])
    result: dict[str, float] = {"photographs": len(outcomes), "hands": len(shares), "hand-free": len(hand_free)}
    sees: dict[str, Callable[[Outcome], Array]] = {"": lambda o: o.hands.boxes, "detector's ": lambda o: o.offered}
    for whose, boxes_of in sees.items():
        best = np.concatenate([outcome.best(boxes_of(outcome)) for outcome in outcomes])
        for threshold in (FOUND, NEARLY_FOUND) if len(best) else ():
            result[f"{whose}recall@{threshold}"] = mean(best > threshold)
            low = 0.0
            for name, high in SIZES.items():
                result[f"{whose}recall@{threshold} {name}"] = mean(best[(shares >= low) & (shares < high)] > threshold)
                low = high
        result[f"{whose}false boxes an image"] = mean([outcome.false_of(boxes_of(outcome)) for outcome in complete])
        result[f"{whose}... a hand-free one"] = mean([outcome.false_of(boxes_of(outcome)) for outcome in hand_free])
    result["boxes offered an image"] = mean([len(outcome.offered) for outcome in outcomes])
    result |= keypoint_numbers([outcome for outcome in outcomes if len(outcome.photograph.boxes)])
    seconds = [outcome.seconds for outcome in outcomes]
    return {**result, "seconds an image": mean(seconds), "seconds at worst": max(seconds)}


def keypoint_numbers(outcomes: list[Outcome]) -> dict[str, float]:
    """PCK@0.2 over the labelled keypoints of photographs with hands."""
    if not outcomes:
        return {}
    truth, boxes = (np.concatenate([getattr(o.photograph, name) for o in outcomes]) for name in ("keypoints", "boxes"))
    predicted = {
        "pck@0.2 given boxes": [outcome.given.keypoints[..., :2] for outcome in outcomes],
        "pck@0.2 end to end": [
            matched(outcome.hands.keypoints[..., :2], iou(outcome.photograph.boxes, outcome.hands.boxes))
            for outcome in outcomes
        ],
    }
    return {
        name: pck(distances(np.concatenate(keypoints), truth, truth[..., 2]), xyxy_to_xywh(boxes))
        for name, keypoints in predicted.items()
    }


def mean(values: Any) -> float:
    """NaN without values."""
    return float(np.mean(values)) if len(values) else float("nan")


def worst_first(outcomes: list[Outcome]) -> list[Outcome]:
    """Those with missed hands or false boxes, the most first."""
    wrong = [outcome for outcome in outcomes if outcome.missed + outcome.false]
    return sorted(wrong, key=lambda outcome: -outcome.missed - outcome.false)


def draw_sheet(outcomes: list[Outcome]) -> NDArray[np.uint8]:
    """Photographs side by side, true hands in green, found boxes and keypoints in red."""
    tiles = [tile(outcome) for outcome in outcomes]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % COLUMNS)
    rows = [np.concatenate(tiles[start : start + COLUMNS], axis=1) for start in range(0, len(tiles), COLUMNS)]
    return np.concatenate(rows)


def tile(outcome: Outcome) -> NDArray[np.uint8]:
    """One photograph of a sheet, (TILE, TILE, 3) BGR."""
    image = load_image(outcome.photograph.path)
    scale = TILE / max(image.shape[:2])
    width, height = (max(1, round(side * scale)) for side in image.shape[1::-1])
    drawn = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    for boxes, color in ((outcome.photograph.boxes, TRUE_COLOR), (outcome.hands.boxes, FOUND_COLOR)):
        for x1, y1, x2, y2 in (boxes * scale).round().astype(int).tolist():
            cv2.rectangle(drawn, (x1, y1), (x2, y2), color, 1)
    for x, y in (outcome.hands.keypoints[..., :2].reshape(-1, 2) * scale).round().astype(int).tolist():
        cv2.circle(drawn, (x, y), 1, FOUND_COLOR, -1)
    label = f"{outcome.photograph.path.stem}: {outcome.missed} missed, {outcome.false} false"
    canvas = np.zeros((TILE, TILE, 3), np.uint8)
    canvas[: drawn.shape[0], : drawn.shape[1]] = drawn[:TILE, :TILE]
    cv2.putText(canvas, label, (4, TILE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
    return canvas


def main() -> None:
    """Measure, print the numbers and the worst photographs, and draw those if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="labelled photographs")
    parser.add_argument("--split", default="val", help="the list in FOLDER, SPLIT.jsonl (default: val)")
    parser.add_argument("--model", help="model directory (default: the embedded one)")
    parser.add_argument("--tta", default="full", choices=TTA_LEVELS)
    parser.add_argument("--engine", help="what runs the networks (default: eager)")
    parser.add_argument("--sheet", type=Path, help="image file that gets the worst photographs")
    args = parser.parse_args()
    if args.sheet and not args.sheet.parent.is_dir():
        parser.error(f"{args.sheet.parent} is no folder")
    photographs = read_photographs(args.folder, args.split)
    estimator = HandEstimator.from_pretrained(args.model, tta=args.tta, engine=args.engine)
    if estimator.detector is None:
        parser.error(f"{args.model} has no detector: its configuration needs DETECTION")
    look(estimator, photographs[0])  # the first run of a network takes longer
    outcomes = [look(estimator, photograph) for photograph in tqdm(photographs, unit="image")]
    for name, value in numbers(outcomes).items():
        print(f"{name:36s}{value:10.3f}")
    worst = worst_first(outcomes)[:WORST]
    for outcome in worst:
        print(f"{outcome.photograph.path.name:36s}{outcome.missed:4d} missed {outcome.false:4d} false")
    if args.sheet and worst:
        cv2.imwrite(str(args.sheet), draw_sheet(worst))


if __name__ == "__main__":
    try:
        main()
    except HandkpError as error:
        raise SystemExit(f"error: {error}") from None
