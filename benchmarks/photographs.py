"""Count the hands that a model directory sees in photographs without hands.

    pip install ".[photographs]"
    python benchmarks/photographs.py [--model DIR] [--out FOLDER]

The photographs come with scikit-image, scikit-learn and matplotlib: two portraits, a cat, a flower, a temple, a cup,
coins, a motorcycle, a rocket, the sky, grass, gravel and bricks. The renderer's backgrounds were improved after results
on some of them, so the count is optimistic.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import skimage
import sklearn

from modelscope_handkp import HandEstimator
from modelscope_handkp.results.draw import draw_hands
from modelscope_handkp.sources.images import load_image

FOLDERS = {
    Path(skimage.__file__).parent / "data": ("astronaut.png", "brick.png", "chelsea.png", "coffee.png", "coins.png",
        "grass.png", "gravel.png", "hubble_deep_field.jpg", "motorcycle_left.png", "rocket.jpg"),
    Path(sklearn.__file__).parent / "datasets" / "images": ("china.jpg", "flower.jpg"),
    Path(matplotlib.get_data_path()) / "sample_data": ("grace_hopper.jpg",),
}  # fmt: skip
OF_A_HAND = 0.3  # score above which the detector's boxes are counted


def main() -> None:
    """Print hands and strong boxes of each photograph."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="model directory (default: the embedded one)")
    parser.add_argument("--out", type=Path, help="folder for the drawn images")
    args = parser.parse_args()
    estimator = HandEstimator.from_pretrained(args.model)
    detector: Any = estimator.detector
    paths = [folder / name for folder, names in FOLDERS.items() for name in names]
    total, offered = 0, 0
    for path in paths:
        image = load_image(path)
        hands, strong = estimator(image), int((detector.detect([image])[0][1] > OF_A_HAND).sum())
        total, offered = total + len(hands.boxes), offered + strong
        print(f"{path.stem:20s}{len(hands.boxes):4d} hands, {strong:4d} boxes above {OF_A_HAND}", flush=True)
        if args.out:
            args.out.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(args.out / f"{path.stem}.png"), draw_hands(image, hands))
    print(f"{total} hands and {offered} boxes in {len(paths)} photographs without hands")


if __name__ == "__main__":
    main()
