"""Images of noise, and a detector that finds hands in them: as many as the first byte says."""

import cv2
import numpy as np

SIZE = 96  # pixels


def noise(seed: int, count: int = 1) -> np.ndarray:
    """(96, 96, 3) BGR; its first byte says how many hands `detect` finds."""
    small = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
    image = cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    image[0, 0, 0] = count
    return image


def detect(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = int(image[0, 0, 0])
    rng = np.random.default_rng(count)
    corner = rng.uniform(0, 50, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(15, 45, (count, 2))], axis=1)
    return boxes, np.linspace(0.9, 0.5, count)
