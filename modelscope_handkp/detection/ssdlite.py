"""`HandDetector`: a picture -> boxes and scores of its hands."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from ..arrays import Array
from ..engines.eager import Network
from ..errors import ConfigError
from ..geometry.boxes import clip_boxes, nms
from ..model_dir.checkpoint import load_weights, read_state_dict
from ..model_dir.config import block, read_python_config, require, require_number
from ..networks.ssdlite import SSDLite, build_detector

MAX_LOG_RATIO = abs(np.log(16 / 1000))  # of a box's side to its anchor's
DELTA_STDS = (0.1, 0.1, 0.2, 0.2)
DEFAULT_SCORE = 0.5  # a box below is no hand, where nothing else is said
MAX_BOXES = 10_000
MAX_NORM = 1e4  # of a mean or a standard deviation
RGB_MEAN, RGB_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


class HandDetector:
    """SSDLite with its way in (resize, normalise) and out (decode, filter, suppress). Threads may share one.

    Args:
        network: as `build_detector` makes it, weights loaded.
        score_threshold: boxes below are not hands.
        test_cfg: ``nms_pre``, ``score_thr``, ``max_per_img`` and ``nms.iou_threshold`` of the detector's configuration.
        mean, std: of the network's input, RGB, 0..255.
    """

    def __init__(
        self,
        network: SSDLite,
        score_threshold: float,
        test_cfg: dict[str, Any],
        mean: Sequence[float] = RGB_MEAN,
        std: Sequence[float] = RGB_STD,
        device: str | torch.device = "cpu",
    ) -> None:
        self.score_threshold = score_threshold
        self._levels = {size: network.level_anchors(size) for size in network.input_sizes}
        self._network = Network(network, device)
        self._mean, self._std = np.array(mean, np.float32), np.array(std, np.float32)
        self._candidate_score = require_number(test_cfg, "score_thr", 0, 1)
        self._per_level, self._at_most = (
            int(require_number(test_cfg, key, 1, MAX_BOXES)) for key in ("nms_pre", "max_per_img")
        )
        self._iou = require_number(test_cfg, "nms.iou_threshold", 0, 1)

    @classmethod
    def from_model_dir(
        cls,
        model_dir: str | Path,
        detection: dict[str, Any],
        score_threshold: float | None = None,
        device: str | torch.device = "cpu",
    ) -> "HandDetector":
        """The detector of a model directory.

        Args:
            detection: its configuration's ``DETECTION``: ``config_file``, ``model_path``, ``score_threshold``.
            score_threshold: in place of the block's own.
        Raises:
            ConfigError, CheckpointError, MissingFileError: the files do not make a detector known here.
        """
        config = read_python_config(_inside(model_dir, require(detection, "config_file")))
        weights = _inside(model_dir, require(detection, "model_path"))
        network = build_detector(config)
        load_weights(network, read_state_dict(weights), weights)
        threshold = {"score_threshold": DEFAULT_SCORE, **detection}
        if score_threshold is not None:
            threshold["score_threshold"] = float(score_threshold)
        normalise = {"mean": RGB_MEAN, "std": RGB_STD, **block(config, "img_norm_cfg")}
        return cls(
            network,
            require_number(threshold, "score_threshold", 0, 1),
            require(config, "model.test_cfg"),
            _rgb(normalise, "mean", low=-MAX_NORM),
            _rgb(normalise, "std", low=1 / MAX_NORM),
            device,
        )

    def __call__(self, image: NDArray[np.uint8]) -> tuple[Array, Array]:
        """Find the hands of one picture.

        Args:
            image: (H, W, 3) uint8 BGR.
        Returns:
            boxes (N, 4) xyxy in picture pixels, inside the picture; scores (N,); best first. N may be 0.
        """
        height, width = image.shape[:2]
        found = [self._candidates(image, size) for size in self._levels]
        boxes, scores = (np.concatenate(column) for column in zip(*found))
        solid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        boxes, scores = boxes[solid], scores[solid]
        kept = nms(boxes, scores, self._iou)[: self._at_most]
        return clip_boxes(boxes[kept], width, height), scores[kept]

    def preprocess(self, image: NDArray[np.uint8], size: int) -> Array:
        """(H, W, 3) uint8 BGR -> (3, size, size) float32 RGB, normalised; the ratio of the sides is not kept."""
        resized = cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR)
        rgb = cv2.cvtColor(resized, cv2.COLOR_BGR2RGB).astype(np.float32)
        return np.ascontiguousarray(((rgb - self._mean) / self._std).transpose(2, 0, 1))

    def _candidates(self, image: NDArray[np.uint8], size: int) -> tuple[Array, Array]:
        """What the network sees at one input size: boxes in picture pixels with their scores, best first in a level."""
        logits, deltas = self._network(torch.from_numpy(self.preprocess(image, size)[None]))
        boxes, scores = [np.zeros((0, 4), np.float32)], [np.zeros(0, np.float32)]
        for level_logits, level_deltas, anchors in zip(logits, deltas, self._levels[size]):
            hand = level_logits[0].permute(1, 2, 0).reshape(-1, 2).softmax(1)[:, 0].numpy()
            best = np.argsort(-hand, kind="stable")[: self._per_level]
            # No box suppresses a better one, so those that will not be asked for need not be compared: hundreds.
            best = best[hand[best] > max(self._candidate_score, self.score_threshold)]
            offsets = level_deltas[0].permute(1, 2, 0).reshape(-1, 4).numpy()[best]
            boxes.append(clip_boxes(decode_deltas(anchors[best], offsets), size, size))
            scores.append(hand[best])
        height, width = image.shape[:2]
        in_picture = np.concatenate(boxes) / (size / np.array([width, height] * 2))
        return np.asarray(in_picture, np.float32), np.concatenate(scores)


def decode_deltas(anchors: Array, deltas: Array) -> Array:
    """Anchors (N, 4) xyxy and the network's deltas (N, 4) -> boxes (N, 4) xyxy (Girshick et al. 2014, R-CNN)."""
    size, center = anchors[:, 2:] - anchors[:, :2], (anchors[:, :2] + anchors[:, 2:]) * 0.5
    scaled = deltas * np.array(DELTA_STDS, np.float32)
    center = center + size * scaled[:, :2]
    half = size * np.exp(np.clip(scaled[:, 2:], -MAX_LOG_RATIO, MAX_LOG_RATIO)) * 0.5
    return np.asarray(np.concatenate([center - half, center + half], axis=1), np.float32)


def encode_deltas(anchors: Array, boxes: Array) -> Array:
    """The deltas that `decode_deltas` would turn into ``boxes``: training targets."""
    size, goal = anchors[:, 2:] - anchors[:, :2], boxes[:, 2:] - boxes[:, :2]
    shift = (boxes[:, :2] + boxes[:, 2:] - anchors[:, :2] - anchors[:, 2:]) * 0.5 / size
    return np.asarray(np.concatenate([shift, np.log(goal / size)], axis=1) / np.array(DELTA_STDS), np.float32)


def _rgb(config: dict[str, Any], key: str, low: float) -> list[float]:
    values = config[key]
    if not isinstance(values, (list, tuple)) or len(values) != 3:
        raise ConfigError(f"the hand detector's img_norm_cfg.{key} must be three numbers, got {values!r:.80}.")
    return [require_number({key: value}, key, low, MAX_NORM) for value in values]


def _inside(model_dir: str | Path, name: Any) -> Path:
    """A file of the model directory; a configuration may not reach outside it."""
    if not isinstance(name, str):
        raise ConfigError(f"the configuration's DETECTION must name files, got {name!r:.80}.")
    inner = Path(os.path.normpath(name))
    if inner.is_absolute() or ".." in inner.parts:
        raise ConfigError(f"the configuration names {name!r:.80}, which is outside the model directory.")
    return Path(model_dir) / inner
