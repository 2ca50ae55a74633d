"""Images -> boxes of hands. A new detector is one file, its import and one line in `DETECTORS`."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..checks import check_threshold
from ..engines.base import Engine
from ..errors import ConfigError
from ..model_dir.exported import ExportedModel
from ..model_dir.settings import DetectionSettings
from .base import Detector, as_detector
from .exported import GraphDetector
from .onnx_detector import OnnxDetector
from .ssdlite import SSDLiteDetector
from .yolox import TRIAL_SHAPE, YOLOXDetector

__all__ = ["DETECTORS", "OnnxDetector", "build_detector"]

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
    device: torch.device | None = None,
) -> Detector | None:
    """The detector that a model directory's configuration names; None, and a word in the log, if it names none.

    Args:
        settings: its configuration's ``DETECTION``.
        score_threshold: the least score of a box; None: the configuration's.
        engine: network -> what runs it.
        instead: a detector of the caller's in its place: a file, as `OnnxDetector.from_file` takes it, or as
            `as_detector` takes it.
        device: on which such a file runs; None takes a GPU where there is one.
    Raises:
        InputError: a score_threshold that is no number from 0 to 1, or ``instead`` is no detector.
        ConfigError, CheckpointError, MissingFileError: the files do not make a detector known here.
        MissingPackageError: what runs an ONNX file is not installed.
    """
    check_threshold("score_threshold", score_threshold)
    if instead is not None:
        return _given_detector(instead, score_threshold, device)
    if settings is None:
        _warn_of_no_detector(model_dir)
        return None
    if settings.kind not in DETECTORS:
        raise ConfigError(
            f"DETECTION.type {settings.kind!r:.80} is not known; known are {', '.join(sorted(DETECTORS))}. "
            "Pass detector=, an ONNX file or any callable image -> (boxes, scores)."
        )
    return DETECTORS[settings.kind](model_dir, settings, score_threshold, engine)


def exported_detector(
    exported: ExportedModel,
    score_threshold: float | None,
    run: Callable[[Path], Engine],
    instead: Any = None,
    device: torch.device | None = None,
) -> Detector | None:
    """`build_detector` for an exported model.

    Args:
        run: file of a graph -> what runs it.
    Raises:
        CheckpointError: a graph that does not find boxes in an image, in addition.
    """
    check_threshold("score_threshold", score_threshold)
    if instead is not None:
        return _given_detector(instead, score_threshold, device)
    if exported.detector is None:
        _warn_of_no_detector(exported.folder)
        return None
    detector = GraphDetector(run(exported.path(exported.detector.file)), exported.detector, score_threshold)
    detector(np.zeros(TRIAL_SHAPE, np.uint8))
    return detector


def _given_detector(instead: Any, score_threshold: float | None, device: torch.device | None) -> Detector:
    if isinstance(instead, (str, os.PathLike)):
        return OnnxDetector.from_file(os.fspath(instead), score_threshold, device=device)
    return as_detector(instead, score_threshold)


def _warn_of_no_detector(model_dir: Path) -> None:
    logger.warning(
        "%s has no DETECTION: without boxes= the whole image is taken as one hand (detector= puts one in).", model_dir
    )
