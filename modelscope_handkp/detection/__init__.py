"""Images -> boxes of hands. A new detector is one file, its import and one line in `DETECTORS`."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from ..checks import check_threshold
from ..engines.base import Engine
from ..errors import ConfigError
from ..model_dir.settings import DetectionSettings
from .base import Detector, as_detector
from .ssdlite import SSDLiteDetector
from .yolox import YOLOXDetector

logger = logging.getLogger(__name__)

# DETECTION.type of a configuration -> (model directory, settings, least score or None, network -> engine) -> detector
DETECTORS: dict[str, Callable[[Path, DetectionSettings, float | None, Callable[[nn.Module], Engine]], Detector]] = {
    "DetectionPredictor": SSDLiteDetector.from_model_dir,  # EasyCV's name for it
    "YOLOX": YOLOXDetector.from_model_dir,
}


def build_detector(
    model_dir: Path,
    settings: DetectionSettings | None,
    score_threshold: float | None,
    engine: Callable[[nn.Module], Engine],
    instead: Any = None,
) -> Detector | None:
    """The detector that a model directory's configuration names; None, and a word in the log, if it names none.

    Args:
        settings: its configuration's ``DETECTION``.
        score_threshold: the least score of a box; None: the configuration's.
        engine: network -> what runs it.
        instead: a detector of the caller's in its place, as `as_detector` takes it.
    Raises:
        InputError: a score_threshold that is no number from 0 to 1, or ``instead`` is no detector.
        ConfigError, CheckpointError, MissingFileError: the files do not make a detector known here.
    """
    check_threshold("score_threshold", score_threshold)
    if instead is not None:
        return as_detector(instead, score_threshold)
    if settings is None:
        logger.warning(
            "%s has no DETECTION: without boxes= the whole image is taken as one hand (detector= puts one in).",
            model_dir,
        )
        return None
    if settings.kind not in DETECTORS:
        raise ConfigError(
            f"DETECTION.type {settings.kind!r:.80} is not known; known are {', '.join(sorted(DETECTORS))}. "
            "Pass detector=, any callable image -> (boxes, scores)."
        )
    return DETECTORS[settings.kind](model_dir, settings, score_threshold, engine)
