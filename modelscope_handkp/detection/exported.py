"""The detector of an exported model, whose graph gives boxes and scores."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from ..arrays import Array, Image
from ..engines.base import Engine
from ..errors import CheckpointError
from ..geometry.boxes import clip_boxes
from ..model_dir.exported import LETTERBOX, ExportedDetector
from .base import Detection, suppressed
from .yolox import CANDIDATES, letterbox


class GraphDetector:
    """Finds the hands of images. Threads may share one.

    Args:
        engine: runs the graph: (N, 3, H, W) -> boxes (N, A, 4) xyxy in input pixels, scores (N, A).
        settings: input and suppression.
        score_threshold: in place of the one of ``settings``; boxes must lie above it.
    """

    def __init__(self, engine: Engine, settings: ExportedDetector, score_threshold: float | None = None) -> None:
        self.engine, self._settings = engine, settings
        self.score_threshold = settings.score_threshold if score_threshold is None else score_threshold
        self._mean, self._std = (np.array(values, np.float32) for values in (settings.mean, settings.std))

    def detect(self, images: Sequence[Image]) -> list[Detection]:
        """Images (H, W, 3) uint8 BGR -> boxes (N, 4) xyxy inside each image and scores (N,), best first; N may be 0."""
        return [self(image) for image in images]

    def __call__(self, image: Image) -> Detection:
        """`detect` for one image.

        Raises:
            CheckpointError: the graph gives something else than boxes and finite scores.
        """
        resized, scale = self._resized(image)
        channels = resized[..., ::-1] if self._settings.rgb else resized
        batch = np.ascontiguousarray(((channels - self._mean) / self._std).transpose(2, 0, 1)[None], np.float32)
        outputs = [np.asarray(torch.as_tensor(output).cpu()) for output in self.engine(torch.from_numpy(batch))]
        shapes = [output.shape for output in outputs]
        if len(shapes) != 2 or len(shapes[1]) != 2 or shapes != [(1, shapes[1][1], 4), (1, shapes[1][1])]:
            raise CheckpointError(f"the detector's graph gives {shapes}, not boxes (1, A, 4) and scores (1, A).")
        boxes, scores = (output[0].astype(np.float32) for output in outputs)
        if not np.isfinite(scores).all():
            raise CheckpointError("the detector's graph gives NaN or infinity for scores.")
        best = np.argsort(-scores, kind="stable")[:CANDIDATES]
        best = best[scores[best] > self.score_threshold]
        in_image = clip_boxes(boxes[best] / scale, image.shape[1], image.shape[0])
        return suppressed(in_image, scores[best], self._settings.iou_threshold, self._settings.at_most)

    def _resized(self, image: Image) -> tuple[Image, Array]:
        """The input (H, W, 3) uint8 BGR, and its pixels of an image pixel, for x, y, x, y of a box."""
        size = self._settings.size
        if self._settings.resize == LETTERBOX:
            padded, ratio = letterbox(image, size)
            return padded, np.full(4, ratio, np.float32)
        stretched = np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)
        return stretched, np.array([size / side for side in image.shape[1::-1]] * 2, np.float32)
