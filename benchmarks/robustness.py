"""How many joints a model still finds in images unlike the renderer's: filtered, smeared, recoloured, compressed.

    python benchmarks/robustness.py [--model DIR] [--hands 100] [--seed 9000000] [--level medium]

One hand an image, its true box given; printed is PCK@0.2 of the same images under each change. Lengths are shares of
the box's longer side. A large drop shows what the model relies on, or what its training never had.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import cv2
import numpy as np
from embedded import HELD_OUT_SEED
from tqdm import tqdm

from modelscope_handkp import HandEstimator
from modelscope_handkp.data.metrics import distances, pck
from modelscope_handkp.geometry.boxes import xyxy_to_xywh
from modelscope_handkp.synthetic import LEVELS, render_image

Change = Callable[[np.ndarray, float], np.ndarray]  # image (H, W, 3) uint8 BGR, side of the hand's box in px -> image
SIZE = (480, 480)


def defocused(deviation: float) -> Change:
    """Gaussian blur of that standard deviation, in sides of the box."""
    return lambda image, side: cv2.GaussianBlur(image, (0, 0), deviation * side)


def smeared(length: float) -> Change:
    """Horizontal box blur of that length, in sides of the box."""

    def change(image: np.ndarray, side: float) -> np.ndarray:
        reach = max(1, round(length * side))
        return cv2.blur(image, (reach, 1))

    return change


def median(width: float) -> Change:
    """Median filter of that width, in sides of the box."""
    return lambda image, side: cv2.medianBlur(image, int(width * side) // 2 * 2 + 1)


def smoothed(image: np.ndarray, side: float) -> np.ndarray:
    """Smooth the texture of the skin away."""
    for _ in range(2):
        image = cv2.bilateralFilter(image, 9, 60, 0.03 * side)
    return image


def shrunk(pixels: int) -> Change:
    """The resolution of a hand of that many pixels."""

    def change(image: np.ndarray, side: float) -> np.ndarray:
        share = min(1.0, pixels / side)
        small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
        return cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_CUBIC)

    return change


def sharpened(image: np.ndarray, side: float) -> np.ndarray:
    """Unsharp masking."""
    return cv2.addWeighted(image, 2.5, cv2.GaussianBlur(image, (0, 0), 2.5), -1.5, 0)


def gamma(power: float) -> Change:
    """Grey values to that power."""
    table = (255 * (np.arange(256) / 255) ** power + 0.5).astype(np.uint8)
    return lambda image, side: table[image]


def grey(image: np.ndarray, side: float) -> np.ndarray:
    """No colour."""
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


def opposite_hues(image: np.ndarray, side: float) -> np.ndarray:
    """Every hue half a circle away."""
    hsv = cv2.cvtColor(image, cv2.COLOR_BGR2HSV)
    hsv[..., 0] = (hsv[..., 0] + 90) % 180
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)


def compressed(quality: int) -> Change:
    """JPEG of that quality."""

    def change(image: np.ndarray, side: float) -> np.ndarray:
        return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)

    return change


def noisy(image: np.ndarray, side: float) -> np.ndarray:
    """Gaussian noise of 25 grey levels."""
    noise = np.random.default_rng(0).normal(0, 25, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


CHANGES: dict[str, Change] = {
    "as rendered": lambda image, side: image,
    "bilateral filter": smoothed,
    "median of 0.05": median(0.05),
    "sharpened": sharpened,
    "out of focus, deviation 0.02": defocused(0.02),
    "out of focus, deviation 0.035": defocused(0.035),
    "smeared sideways over 0.12": smeared(0.12),
    "48 px a hand": shrunk(48),
    "32 px a hand": shrunk(32),
    "gamma 0.5": gamma(0.5),
    "gamma 2": gamma(2.0),
    "grey": grey,
    "opposite hues": opposite_hues,
    "JPEG of quality 10": compressed(10),
    "noise of deviation 25": noisy,
}


def main() -> None:
    """Measure and print every change."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="model directory (default: the embedded one)")
    parser.add_argument("--hands", type=int, default=100)
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED)
    parser.add_argument("--level", default="medium", choices=list(LEVELS))
    args = parser.parse_args()
    estimator = HandEstimator.from_pretrained(args.model)
    found: dict[str, list[np.ndarray]] = {name: [] for name in CHANGES}
    joints, boxes = [], []
    for seed in tqdm(range(args.seed, args.seed + args.hands), unit="image"):
        image, keypoints, box = render_image(seed, SIZE, 1, args.level)
        if not len(box):
            continue
        side = float((box[0, 2:] - box[0, :2]).max())
        for name, change in CHANGES.items():
            found[name].append(estimator(change(image, side), boxes=box).keypoints[..., :2])
        joints.append(keypoints)
        boxes.append(box)
    truth, sides = np.concatenate(joints), xyxy_to_xywh(np.concatenate(boxes))
    print(f"\nPCK@0.2 of {len(truth)} {args.level} hands")
    for name, predictions in found.items():
        print(f"{pck(distances(np.concatenate(predictions), truth, truth[..., 2]), sides):6.3f}  {name}")


if __name__ == "__main__":
    main()
