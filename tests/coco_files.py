"""Small annotation files of both layouts with their images."""

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


def plain_hands(wholebody: Path, path: Path) -> None:
    """Write the hands of a COCO-WholeBody file to ``path``, each as an annotation of category left or right hand."""
    content, hands = json.loads(wholebody.read_text()), []
    for person in content["annotations"]:
        for category, side in ((1, "left"), (2, "right")):
            if person[f"{side}hand_valid"]:
                box = person[f"{side}hand_box"]
                hands.append({
                    "id": 100 + len(hands), "image_id": person["image_id"], "category_id": category, "iscrowd": 0,
                    "bbox": box, "area": 0.8 * box[2] * box[3], "keypoints": person[f"{side}hand_kpts"],
                    "num_keypoints": 21,
                })  # fmt: skip
    categories = [{"id": number, "name": f"{side}_hand"} for number, side in ((1, "left"), (2, "right"))]
    path.write_text(json.dumps({**content, "annotations": hands, "categories": categories}))
