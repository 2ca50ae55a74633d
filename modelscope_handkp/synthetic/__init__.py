"""Rendered hands with exact keypoints: what the embedded model is trained and measured on.

Not imported by the rest of the package. `render_crops` and `render_batch` (scene.py) give tensors, `render_image`
one picture, `write_dataset` (annotations.py) a folder in the layout of COCO-WholeBody; `LEVELS` says how hard.
"""

from .annotations import write_dataset
from .levels import EASY, HARD, LEVELS, MEDIUM, Level
from .rng import Rng
from .scene import Rendered, render_batch, render_crops, render_image, to_bgr
from .skeleton import POSE_NAMES

__all__ = [
    "EASY", "HARD", "LEVELS", "MEDIUM", "POSE_NAMES", "Level", "Rendered", "Rng", "render_batch", "render_crops",
    "render_image", "to_bgr", "write_dataset",
]  # fmt: skip
