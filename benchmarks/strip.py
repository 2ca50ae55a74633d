"""Draw the embedded model's answers, the good and the bad, as they come: `examples/strip.jpg`.

    python benchmarks/strip.py [--model DIR] [--pictures 41] [--seed 9000000] [--out examples/strip.jpg]

A row for each level: rendered pictures with one hand, found and estimated end to end, put in order by the share of
joints within 0.2 of the hand's size (PCK), and those at the best, the quartiles and the worst drawn. No hand found
counts as none right; pictures whose hand does not show are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from embedded import HELD_OUT_SEED, matched
from numpy.typing import NDArray
from tqdm import tqdm

from modelscope_handkp import HandEstimator
from modelscope_handkp.data.metrics import distances, pck
from modelscope_handkp.geometry.boxes import iou, xyxy_to_xywh
from modelscope_handkp.results.draw import draw_hands
from modelscope_handkp.synthetic import LEVELS, render_image

TILE = 256
QUANTILES = {"best": 0.0, "better quarter": 0.25, "median": 0.5, "worse quarter": 0.75, "worst": 1.0}
CAPTION = 22  # pixels above a tile


def row(estimator: HandEstimator, level: str, pictures: int, seed: int) -> NDArray[np.uint8]:
    """The tiles of one level side by side, captions above them: (TILE + CAPTION, 5 * TILE, 3) BGR."""
    answers = []
    for index in tqdm(range(pictures), desc=level, unit="picture"):
        image, keypoints, truth = render_image(seed + index, (TILE, TILE), 1, level)
        if not len(truth):  # something covers the hand
            continue
        hands = estimator(image)
        found = matched(hands.keypoints[..., :2], iou(truth, hands.boxes))
        right = pck(distances(found, keypoints, keypoints[..., 2]), xyxy_to_xywh(truth))
        answers.append((right, index, draw_hands(image, hands)))
    answers.sort(key=lambda answer: (-answer[0], answer[1]))
    chosen = [answers[round(share * (len(answers) - 1))] for share in QUANTILES.values()]
    return np.hstack([_captioned(f"{level}: {name}, {a[0]:.2f}", a[2]) for name, a in zip(QUANTILES, chosen)])


def _captioned(text: str, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    tile = np.full((TILE + CAPTION, TILE, 3), 255, np.uint8)
    tile[CAPTION:] = image
    cv2.putText(tile, text, (4, CAPTION - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return tile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="model directory (default: the embedded one)")
    parser.add_argument("--pictures", type=int, default=41, help="a level")
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED)
    parser.add_argument("--out", type=Path, default=Path("examples") / "strip.jpg")
    args = parser.parse_args()
    estimator = HandEstimator.from_pretrained(args.model)
    strip = np.vstack([row(estimator, level, args.pictures, args.seed) for level in LEVELS])
    cv2.imwrite(str(args.out), strip, [cv2.IMWRITE_JPEG_QUALITY, 88])
    print(args.out)


if __name__ == "__main__":
    main()
