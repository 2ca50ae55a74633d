"""Draw good and bad results of the embedded model, unselected: `examples/strip.jpg`.

    python benchmarks/strip.py [--model DIR] [--images 41] [--seed 9000000] [--out examples/strip.jpg]

A row for each level: rendered images with one hand, end to end, sorted by the share of joints within 0.2 of the hand's
size (PCK); the best, the quartiles and the worst are drawn. A hand that is not found has a share of 0; images whose
hand does not show are left out.
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


def row(estimator: HandEstimator, level: str, images: int, seed: int) -> NDArray[np.uint8]:
    """The tiles of one level side by side, captions above them: (TILE + CAPTION, 5 * TILE, 3) BGR."""
    results = []
    for index in tqdm(range(images), desc=level, unit="image"):
        image, keypoints, truth = render_image(seed + index, (TILE, TILE), 1, level)
        if not len(truth):  # something covers the hand
            continue
        hands = estimator(image)
        found = matched(hands.keypoints[..., :2], iou(truth, hands.boxes))
        right = pck(distances(found, keypoints, keypoints[..., 2]), xyxy_to_xywh(truth))
        results.append((right, index, draw_hands(image, hands)))
    results.sort(key=lambda result: (-result[0], result[1]))
    chosen = [results[round(share * (len(results) - 1))] for share in QUANTILES.values()]
    return np.hstack([_captioned(f"{level}: {name}, {r[0]:.2f}", r[2]) for name, r in zip(QUANTILES, chosen)])


def _captioned(text: str, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    tile = np.full((TILE + CAPTION, TILE, 3), 255, np.uint8)
    tile[CAPTION:] = image
    cv2.putText(tile, text, (4, CAPTION - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return tile


def main() -> None:
    """Draw a row for each level into one image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="model directory (default: the embedded one)")
    parser.add_argument("--images", type=int, default=41, help="images of each level")
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED)
    parser.add_argument("--out", type=Path, default=Path("examples") / "strip.jpg")
    args = parser.parse_args()
    estimator = HandEstimator.from_pretrained(args.model)
    strip = np.vstack([row(estimator, level, args.images, args.seed) for level in LEVELS])
    cv2.imwrite(str(args.out), strip, [cv2.IMWRITE_JPEG_QUALITY, 88])
    print(args.out)


if __name__ == "__main__":
    main()
