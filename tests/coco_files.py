"""Small COCO-WholeBody annotation files with their images."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np


def annotation(image_id: int, /, sides: str = "left", **changes: Any) -> dict[str, Any]:
    """A person whose ``sides`` hands are valid."""
    entry: dict[str, Any] = {"id": 10 + image_id, "image_id": image_id, "iscrowd": 0}
    for side in ("left", "right"):
        entry[f"{side}hand_valid"] = side in sides
        entry[f"{side}hand_box"] = [4.0, 6.0, 20.0, 10.0]
        entry[f"{side}hand_kpts"] = [5.0, 7.0, 1.0] * 21
    return {**entry, **changes}


def write_coco(folder: Path, annotations: list[Any], images: int = 2) -> Path:
    """``annotations`` and 32x24 images 0.png, 1.png, ... (B, G, R) = (10 i, 20, 200) in ``folder`` -> the file."""
    entries = [{"id": i, "file_name": f"{i}.png"} for i in range(images)]
    (folder / "a.json").write_text(json.dumps({"images": entries, "annotations": annotations}))
    for i in range(images):
        cv2.imwrite(str(folder / f"{i}.png"), np.full((24, 32, 3), (10 * i, 20, 200), np.uint8))
    return folder / "a.json"
