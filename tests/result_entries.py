"""Entries of images and frames, for the tests of the formats."""

from typing import Any

import numpy as np

from modelscope_handkp import Hands


def seeded_hands(seed: int, count: int = 2, **options: Any) -> Hands:
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(0, 100, (count, 21, 3)).astype(np.float32)
    keypoints[..., 2] = rng.uniform(0.1, 1, (count, 21))
    corners = rng.uniform(0, 50, (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(1, 50, (count, 2))], axis=1)
    scores, confidence = rng.uniform(0, 1, (2, count))
    return Hands(keypoints, boxes, scores, confidence, (640, 480), **options)


def frame(index: int, hands: Hands, source: str = "clip.mp4") -> dict[str, Any]:
    return {"source": source, "index": index, "time": index / 30, "width": 640, "height": 480, "hands": hands.to_list()}


def image(source: str, hands: Hands) -> dict[str, Any]:
    return {"source": source, "width": 640, "height": 480, "hands": hands.to_list()}


def assert_equal(read: Hands | None, written: Hands, keypoints: float = 0.0, boxes: float = 0.0) -> None:
    """To a tolerance of ``keypoints`` and ``boxes`` pixels."""
    assert read is not None
    np.testing.assert_allclose(read.keypoints, written.keypoints, rtol=0, atol=keypoints)
    np.testing.assert_allclose(read.boxes, written.boxes, rtol=0, atol=boxes)
    np.testing.assert_array_equal(read.visible, written.visible)
    for name in ("ids", "is_left"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
