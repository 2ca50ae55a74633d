"""The protocol of hand detectors, and plain callables as detectors."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ..arrays import Array, Image
from ..engines.eager import flat
from ..errors import CheckpointError, ConfigError, InputError
from ..geometry.boxes import as_boxes, nms

Detection = tuple[Array, Array]  # of one image: boxes (N, 4) xyxy in image pixels, scores (N,)
DetectImage = Callable[
    [Image], tuple[ArrayLike, ArrayLike]
]  # image (H, W, 3) uint8 BGR -> boxes (N, 4) xyxy, scores (N,)


def suppressed(boxes: Array, scores: Array, iou_threshold: float, at_most: int) -> Detection:
    """Boxes (N, 4) xyxy with an area through non-maximum suppression: at most ``at_most``, best first."""
    solid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    boxes, scores = boxes[solid], scores[solid]
    kept = nms(boxes, scores, iou_threshold)[:at_most]
    return boxes[kept], scores[kept]


def best(detection: Detection, at_most: int | None) -> Detection:
    """The ``at_most`` boxes with the highest scores, in their order; None: all."""
    boxes, scores = detection
    chosen = np.sort(np.argsort(-scores, kind="stable")[:at_most])
    return boxes[chosen], scores[chosen]


class Detector(Protocol):
    """Finds the hands of images. Threads may share one."""

    def detect(self, images: Sequence[Image]) -> list[Detection]:
        """Images (H, W, 3) uint8 BGR, of any sizes -> boxes (N, 4) xyxy and scores (N,) of each, in their order."""
        ...


class CallableDetector:
    """A plain callable on one image as a detector; its boxes and scores are checked.

    Args:
        detect_image: image (H, W, 3) uint8 BGR -> boxes (N, 4) xyxy in image pixels, scores (N,).
    """

    def __init__(self, detect_image: DetectImage) -> None:
        self._detect_image = detect_image

    def detect(self, images: Sequence[Image]) -> list[Detection]:
        """Each image in turn.

        Raises:
            InputError: the callable returns something else than boxes and scores.
        """
        return [checked_detection(self._detect_image(image)) for image in images]


class ThresholdedDetector:
    """A detector without the boxes whose score is not above ``score_threshold``."""

    def __init__(self, detector: Detector, score_threshold: float) -> None:
        self._detector, self.score_threshold = detector, score_threshold

    def detect(self, images: Sequence[Image]) -> list[Detection]:
        """As the detector's, with fewer boxes."""
        found = detect_all(self._detector, images)
        return [
            (boxes[scores > self.score_threshold], scores[scores > self.score_threshold]) for boxes, scores in found
        ]


def detect_all(detector: Detector, images: Sequence[Image]) -> list[Detection]:
    """The detections of images, checked; without images the detector is not asked.

    Raises:
        InputError: what the detector returns is not one detection for each image.
    """
    found: Any = detector.detect(images) if images else []
    if not isinstance(found, (list, tuple)) or len(found) != len(images):
        what = f"{len(found)} detections" if isinstance(found, (list, tuple)) else f"{found!r:.80}"
        raise InputError(f"the detector returned {what} for {len(images)} images.")
    return [checked_detection(detection) for detection in found]


def as_detector(detector: Any, score_threshold: float | None = None) -> Detector:
    """A `Detector` as it is, a callable on one image wrapped; with ``score_threshold`` without the boxes below it.

    Raises:
        InputError: neither.
    """
    if score_threshold is not None:
        return ThresholdedDetector(as_detector(detector), score_threshold)
    if hasattr(detector, "detect") and not isinstance(detector, type):
        found: Detector = detector
        return found
    if callable(detector) and not isinstance(detector, type):
        return CallableDetector(detector)
    raise InputError(
        f"detector must be callable, image -> (boxes, scores), or have detect(images), got {detector!r:.80}."
    )


def checked_detection(output: Any) -> Detection:
    """Boxes and scores of a detector, which may be anybody's, as float32 arrays.

    Raises:
        InputError: they are not boxes and as many finite scores.
    """
    try:
        found, scores = output
        confidence = np.array(scores, np.float32).reshape(-1)
    except (TypeError, ValueError):
        raise InputError(f"the detector must return boxes and scores, it returned {output!r:.80}.") from None
    boxes = as_boxes(found)
    if len(boxes) != len(confidence) or not np.isfinite(confidence).all():
        raise InputError(f"the detector returned {len(boxes)} boxes and {len(confidence)} scores, {scores!r:.80}.")
    return boxes, confidence


def check_finite(network: nn.Module, images: Tensor, weights: Path) -> None:
    """Refuse a detector's network that would silently find no hand, ever; it is in evaluation mode then.

    Args:
        images: a batch (N, 3, H, W) as the network takes it. weights: their file.
    Raises:
        CheckpointError: the network gives NaN or infinity.
    """
    with torch.inference_mode():
        outputs = list(flat(network.eval()(images)))
    if not all(output.isfinite().all() for output in outputs):
        raise CheckpointError(
            f"{weights}: the network turns a grey image into NaN or infinity; its weights are damaged."
        )


def inside(model_dir: str | Path, name: object) -> Path:
    """A file of the model directory that its configuration's ``DETECTION`` names.

    Raises:
        ConfigError: no name, or one that reaches outside the directory.
    """
    if not isinstance(name, str):
        raise ConfigError(f"the configuration's DETECTION must name files, got {name!r:.80}.")
    inner = Path(os.path.normpath(name))
    if inner.is_absolute() or ".." in inner.parts:
        raise ConfigError(f"the configuration names {name!r:.80}, which is outside the model directory.")
    return Path(model_dir) / inner
