"""The hosted model's detector: SSDLite-MobileNetV2 with preprocessing, anchors and suppression, equal to mmdet's."""

import math
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from ..arrays import Array, Image
from ..engines.base import Engine
from ..geometry.boxes import clip_boxes
from ..model_dir.checkpoint import load_weights, read_state_dict
from ..model_dir.config import read_python_config
from ..model_dir.settings import DetectionSettings
from ..model_dir.ssdlite_settings import SSDLiteSettings
from ..networks.ssdlite import SSDLite, build_ssdlite
from .base import Detection, check_finite, inside, suppressed

MAX_LOG_RATIO = abs(math.log(16 / 1000))  # of a box's side to its anchor's
DELTA_STDS = (0.1, 0.1, 0.2, 0.2)
IMAGES_AT_ONCE = 2  # benchmarks/inference.py: on a CPU four fall out of its cache and take longer than one by one


class SSDLiteDetector:
    """Finds the hands of images. Threads may share one.

    Args:
        engine: runs the network of ``settings``: (N, 3, S, S) -> class logits of every level, then box deltas.
        anchors: input size -> anchors of each level, (M, 4) xyxy in its pixels.
        settings: normalisation and suppression.
        score_threshold: the least score; boxes must lie above it.
    """

    def __init__(
        self,
        engine: Engine,
        anchors: dict[int, list[Array]],
        settings: SSDLiteSettings,
        score_threshold: float,
    ) -> None:
        self.score_threshold = score_threshold
        self.engine, self._anchors, self._settings = engine, anchors, settings
        # A channel of the image is RGB in settings and BGR in memory.
        self._mean, self._std = (np.array(values[::-1], np.float32) for values in (settings.mean, settings.std))

    @classmethod
    def from_model_dir(
        cls,
        model_dir: str | Path,
        detection: DetectionSettings,
        score_threshold: float | None,
        engine: Callable[[nn.Module], Engine],
    ) -> "SSDLiteDetector":
        """The detector of a model directory.

        Args:
            detection: its configuration's ``DETECTION``.
            score_threshold: in place of the configured ones, and the last word; with None both ``score_threshold`` of
                ``DETECTION`` and ``score_thr`` of the detector's own configuration hold.
            engine: network -> what runs it.
        Raises:
            ConfigError, CheckpointError, MissingFileError: the files do not make a detector known here.
        """
        network, settings = read_ssdlite(model_dir, detection)
        anchors = {size: network.level_anchors(size) for size in network.input_sizes}
        configured = max(settings.candidate_score, detection.score_threshold)
        return cls(engine(network), anchors, settings, configured if score_threshold is None else score_threshold)

    def detect(self, images: Sequence[Image]) -> list[Detection]:
        """Images (H, W, 3) uint8 BGR -> boxes (N, 4) xyxy inside each image and scores (N,), best first; N may be 0."""
        starts = range(0, len(images), IMAGES_AT_ONCE)
        return list(chain.from_iterable(self._detect(images[start : start + IMAGES_AT_ONCE]) for start in starts))

    def __call__(self, image: Image) -> Detection:
        """`detect` for one image."""
        return self.detect([image])[0]

    def preprocess(self, image: Image, size: int) -> Array:
        """(H, W, 3) uint8 BGR -> (3, size, size) float32 RGB, normalised; the ratio of the sides is not kept."""
        resized = cv2.resize(image, (size, size), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        return np.ascontiguousarray(((resized - self._mean) / self._std).transpose(2, 0, 1)[::-1])

    def _detect(self, images: Sequence[Image]) -> list[Detection]:
        found: list[list[Detection]] = [[] for _ in images]
        for size, anchors in self._anchors.items():
            inputs = torch.from_numpy(np.stack([self.preprocess(image, size) for image in images]))
            outputs = [torch.as_tensor(output).cpu() for output in self.engine(inputs)]
            logits, deltas = outputs[: len(anchors)], outputs[len(anchors) :]
            for index, image in enumerate(images):
                height, width = image.shape[:2]
                boxes, scores = self._candidates([x[index] for x in logits], [x[index] for x in deltas], anchors, size)
                in_image = boxes / (size / np.array([width, height] * 2))
                found[index].append((in_image.astype(np.float32), scores))
        return [self._suppressed(candidates, image) for candidates, image in zip(found, images)]

    def _candidates(
        self, logits: Sequence[Tensor], deltas: Sequence[Tensor], anchors: Sequence[Array], size: int
    ) -> Detection:
        """The outputs for one image at one input size -> boxes in the input's pixels, best first in each level."""
        boxes, scores = [np.zeros((0, 4), np.float32)], [np.zeros(0, np.float32)]
        for level_logits, level_deltas, level_anchors in zip(logits, deltas, anchors):
            hand = level_logits.permute(1, 2, 0).reshape(-1, 2).softmax(1)[:, 0].numpy()
            best = np.argsort(-hand, kind="stable")[: self._settings.per_level]
            # No box suppresses a better one, so those below the threshold need not be compared: hundreds.
            best = best[hand[best] > self.score_threshold]
            offsets = level_deltas.permute(1, 2, 0).reshape(-1, 4)[best]
            boxes.append(clip_boxes(decode_deltas(torch.from_numpy(level_anchors[best]), offsets).numpy(), size, size))
            scores.append(hand[best])
        return np.concatenate(boxes), np.concatenate(scores)

    def _suppressed(self, candidates: Sequence[Detection], image: Image) -> Detection:
        """The candidates of all input sizes, in image pixels, through one suppression."""
        boxes, scores = (np.concatenate(column) for column in zip(*candidates))
        boxes, scores = suppressed(boxes, scores, self._settings.iou_threshold, self._settings.at_most)
        return clip_boxes(boxes, image.shape[1], image.shape[0]), scores


def read_ssdlite(model_dir: str | Path, detection: DetectionSettings) -> tuple[SSDLite, SSDLiteSettings]:
    """The network of a model directory with its weights, and its settings; raises as `from_model_dir`."""
    settings = SSDLiteSettings.parse(read_python_config(inside(model_dir, detection.config_file)))
    weights = inside(model_dir, detection.model_path)
    network = build_ssdlite(settings)
    load_weights(network, read_state_dict(weights), weights)
    check_finite(network, torch.zeros(1, 3, *[network.input_sizes[0]] * 2), weights)
    return network, settings


def decode_deltas(anchors: Tensor, deltas: Tensor) -> Tensor:
    """Anchors (A, 4) xyxy and the network's deltas (..., A, 4) -> boxes (..., A, 4) xyxy (arXiv:1311.2524)."""
    size, center = anchors[:, 2:] - anchors[:, :2], (anchors[:, :2] + anchors[:, 2:]) * 0.5
    scaled = deltas * torch.tensor(DELTA_STDS, dtype=deltas.dtype, device=deltas.device)
    center = center + size * scaled[..., :2]
    half = size * scaled[..., 2:].clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp() * 0.5
    return torch.cat([center - half, center + half], -1)
