"""Hands as entries of a COCO results file."""

import json

import numpy as np

from modelscope_handkp.results.coco import coco_entry

KEYPOINTS = np.arange(63, dtype=np.float32).reshape(21, 3) + 0.123456


def test_an_entry_holds_plain_numbers() -> None:
    entry = coco_entry(7, KEYPOINTS, np.float32(0.5), np.array([1.5, 2, 3, 4], np.float32), np.bool_(False))
    assert json.loads(json.dumps(entry)) == entry
    assert entry == {
        "image_id": 7,
        "category_id": 1,
        "bbox": [1.5, 2.0, 3.0, 4.0],
        "keypoints": entry["keypoints"],
        "score": 0.5,
        "is_left": False,
    }
    assert len(entry["keypoints"]) == 63
    assert entry["keypoints"][:4] == [0.1235, 1.1235, 2.1235, 3.1235]  # x, y, score, x


def test_what_is_not_known_is_left_out() -> None:
    assert coco_entry("a", KEYPOINTS, 1.0).keys() == {"image_id", "category_id", "keypoints", "score"}
    assert coco_entry("a", KEYPOINTS, 1.0, is_left=True)["is_left"] is True
