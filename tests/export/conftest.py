"""Images to compare exported networks on, without the time that rendering takes."""

from typing import Any

import cv2
import numpy as np
import pytest

from modelscope_handkp.export import calibration


@pytest.fixture(autouse=True)
def noise_for_renders(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(seed: int, *, hands: int) -> tuple[Any, None, Any]:
        small = np.random.default_rng(seed).integers(0, 255, (7, 9, 3), np.uint8)
        boxes = np.array([[5, 4, 60, 70], [20, 10, 90, 60], [0, 0, 40, 44]], np.float32)
        return cv2.resize(small, (96, 80), interpolation=cv2.INTER_CUBIC), None, boxes[:hands]

    monkeypatch.setattr(calibration, "render_image", draw)
