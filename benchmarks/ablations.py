"""What each step of inference is worth: the embedded model with one thing changed at a time.

    python benchmarks/ablations.py [--model DIR] [--images 60] [--seed 9000000] [--levels easy medium hard]

True boxes are given. Two of the changes restore errors of EasyCV's pipeline: it gives the network BGR, and takes the
detector's x1, y1, x2, y2 for x, y, width, height.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from embedded import HELD_OUT_SEED
from numpy.typing import NDArray
from tqdm import tqdm

from modelscope_handkp import HandEstimator
from modelscope_handkp.data.metrics import auc, distances, pck
from modelscope_handkp.engines import build_engine
from modelscope_handkp.geometry.boxes import xywh_to_xyxy, xyxy_to_xywh
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.model_dir.hub import find_model_dir
from modelscope_handkp.model_dir.settings import ModelSettings
from modelscope_handkp.networks.topdown import load_topdown
from modelscope_handkp.synthetic import LEVELS, render_image

Numbers = NDArray[Any]
CHANGES: dict[str, dict[str, Any]] = {  # of model.test_cfg
    "as it ships": {},
    "rotation test off": {"rotation_test": 0},
    "flip test off": {"flip_test": False},
    "both off": {"flip_test": False, "rotation_test": 0},
    "argmax": {"post_process": None},
    "quarter shift": {"post_process": "default"},
    "DARK of the heatmaps, kernel 3": {"modulate_kernel": 3, "softmax_temperature": None},
    "DARK of the heatmaps, kernel 11": {"modulate_kernel": 11, "softmax_temperature": None},
    "DARK of the heatmaps, kernel 17": {"modulate_kernel": 17, "softmax_temperature": None},
    "DARK of the heatmaps, kernel 21": {"modulate_kernel": 21, "softmax_temperature": None},
    "DARK of their softmax, kernel 11": {"modulate_kernel": 11},
    "DARK of their softmax, kernel 21": {"modulate_kernel": 21},
    "EasyCV's shift in the flip test": {"shift_heatmap": True},
}
FAULTS: dict[str, tuple[Callable[[Numbers], Numbers], Callable[[Numbers], Numbers]]] = {  # of the image, of the boxes
    "EasyCV's colours": (lambda image: image[..., ::-1], lambda boxes: boxes),
    "EasyCV's crop": (lambda image: image, xywh_to_xyxy),
}


def estimators(model_dir: str | None) -> dict[str, HandEstimator]:
    """One estimator for each of `CHANGES`."""
    folder = find_model_dir(model_dir)
    config = read_configuration(folder)
    network = load_topdown(folder, ModelSettings.parse(config).network)
    engine = build_engine("eager", network, torch.device("cpu"))
    made = {}
    for name, change in CHANGES.items():
        changed = copy.deepcopy(config)
        changed["model"]["test_cfg"].update(change)
        made[name] = HandEstimator(engine, ModelSettings.parse(changed))
    return made


def measure(model_dir: str | None, level: str, images: int, seed: int) -> dict[str, tuple[float, float]]:
    """PCK@0.2 and AUC of every variant on one level, one hand an image."""
    variants = estimators(model_dir)
    found: dict[str, list[Numbers]] = {name: [] for name in (*variants, *FAULTS)}
    joints, boxes = [], []
    for index in tqdm(range(images), desc=level, unit="image"):
        image, keypoints, truth = render_image(seed + index, (640, 480), 1, level)
        for name, estimator in variants.items():
            found[name].append(estimator(image, boxes=truth).keypoints[..., :2])
        for name, (of_image, of_boxes) in FAULTS.items():
            changed = np.ascontiguousarray(of_image(image))
            found[name].append(variants["as it ships"](changed, boxes=of_boxes(truth)).keypoints[..., :2])
        joints.append(keypoints)
        boxes.append(truth)
    truth_joints, sides = np.concatenate(joints), xyxy_to_xywh(np.concatenate(boxes))
    apart = {name: distances(np.concatenate(a), truth_joints, truth_joints[..., 2]) for name, a in found.items()}
    return {name: (pck(values, sides), auc(values)) for name, values in apart.items()}


def main() -> None:
    """Measure every variant and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="model directory (default: the embedded one)")
    parser.add_argument("--images", type=int, default=60, help="images of each level")
    parser.add_argument("--seed", type=int, default=HELD_OUT_SEED)
    parser.add_argument("--levels", nargs="+", default=list(LEVELS), choices=list(LEVELS))
    args = parser.parse_args()
    results = {level: measure(args.model, level, args.images, args.seed) for level in args.levels}
    print("\nPCK@0.2 (AUC)".ljust(34) + "".join(level.rjust(16) for level in results))
    for name in (*CHANGES, *FAULTS):
        row = [f"{numbers[name][0]:.3f} ({numbers[name][1]:.3f})" for numbers in results.values()]
        print(name.ljust(33) + "".join(cell.rjust(16) for cell in row))


if __name__ == "__main__":
    main()
