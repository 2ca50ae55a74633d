"""Rendered hands with exact keypoints, for training and measuring without real images.

`render_crops` and `render_batch` (batches.py) give tensors, `render_image` one image, `render_clip` (clips.py) frames
of moving hands, `write_dataset` (annotations.py) a folder in the layout of COCO-WholeBody; `LEVELS` are named
difficulties. The estimator does not import this package.
"""

from .annotations import write_dataset
from .batches import render_batch, render_crops, render_image, to_bgr
from .clips import ClipFrame, render_clip
from .levels import EASY, HARD, LEVELS, MEDIUM, Level
from .poses import GESTURE_POSES, POSE_NAMES
from .rng import Rng
from .scene import Rendered

__all__ = [
    "EASY", "GESTURE_POSES", "HARD", "LEVELS", "MEDIUM", "POSE_NAMES", "ClipFrame", "Level", "Rendered", "Rng",
    "render_batch", "render_clip", "render_crops", "render_image", "to_bgr", "write_dataset",
]  # fmt: skip
