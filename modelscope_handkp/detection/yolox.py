"""YOLOX as a detector of hands: letterbox, network, boxes on three levels, suppression (arXiv:2107.08430)."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..arrays import Array, Image
from ..engines.base import Engine
from ..geometry.boxes import clip_boxes
from ..model_dir.checkpoint import load_weights, read_state_dict
from ..model_dir.config import read_python_config
from ..model_dir.settings import DetectionSettings
from ..model_dir.ssdlite_settings import IMAGENET_MEAN, IMAGENET_STD
from ..model_dir.yolox_settings import INPUT_STEP, YOLOXSettings
from ..networks.yolox import BOX_CHANNELS, STRIDES, YOLOX, build_yolox
from .base import Detection, check_finite, inside, suppressed
from .letterbox import PADDING, Letterbox

CANDIDATES, AT_MOST = 1000, 100  # boxes before the suppression and after it
TRIAL_SHAPE = (64, 64, 3)  # of the image that a new detector is tried out with
IMAGES_AT_ONCE = 2  # as SSDLite's: more fall out of a CPU's cache


class YOLOXDetector:
    """Finds the hands of images. Threads may share one.

    Args:
        engine: runs the network of ``settings``: (N, 3, H, W), H and W multiples of 32 -> the maps of `YOLOX`.
        settings: input, suppression, and which class is the hand.
        score_threshold: the least score, objectness times that of the class; boxes must lie above it.
    """

    def __init__(self, engine: Engine, settings: YOLOXSettings, score_threshold: float) -> None:
        self.engine, self.score_threshold, self._settings = engine, score_threshold, settings

    @classmethod
    def from_model_dir(
        cls,
        model_dir: str | Path,
        detection: DetectionSettings,
        score_threshold: float | None,
        engine: Callable[[nn.Module], Engine],
    ) -> "YOLOXDetector":
        """The detector of a model directory.

        Args:
            detection: its configuration's ``DETECTION``; the configuration file has the keys of `YOLOXSettings`.
            score_threshold: in place of the configured one, and the last word.
            engine: network -> what runs it.
        Raises:
            ConfigError, CheckpointError, MissingFileError: the files do not make a detector known here.
        """
        network, settings = read_yolox(model_dir, detection)
        return cls(engine(network), settings, detection.score_threshold if score_threshold is None else score_threshold)

    def detect(self, images: Sequence[Image]) -> list[Detection]:
        """Images (H, W, 3) uint8 BGR -> boxes (N, 4) xyxy inside each image and scores (N,), best first; N may be 0."""
        boxed = [letterbox(image, self._settings.input_size) for image in images]
        alike: dict[tuple[int, ...], list[int]] = defaultdict(list)  # those that fit into one batch
        for index, (padded, _) in enumerate(boxed):
            alike[padded.shape].append(index)
        found: dict[int, Detection] = {}
        for indices in alike.values():
            for start in range(0, len(indices), IMAGES_AT_ONCE):
                batch = indices[start : start + IMAGES_AT_ONCE]
                found.update(zip(batch, self._detect([images[i] for i in batch], [boxed[i] for i in batch])))
        return [found[index] for index in range(len(images))]

    def __call__(self, image: Image) -> Detection:
        """`detect` for one image."""
        return self.detect([image])[0]

    def _detect(self, images: Sequence[Image], boxed: Sequence[tuple[Image, float]]) -> list[Detection]:
        """Of images whose letterboxed inputs have one size."""
        inputs, scales = zip(*boxed)
        batch = network_input(inputs, self._settings.normalised)
        maps = [torch.as_tensor(output).cpu() for output in self.engine(batch)]
        corners, strides = places(maps)
        return [
            self._suppressed(*self._candidates(output, corners, strides), scale, image)
            for output, scale, image in zip(flattened(maps), scales, images)
        ]

    def _candidates(self, output: Tensor, corners: Tensor, strides: Tensor) -> Detection:
        """The output (A, 5 + classes) for one image -> boxes in pixels of the input and scores, best first."""
        logits = output[:, [BOX_CHANNELS - 1, BOX_CHANNELS + self._settings.hand_class]]
        scores = logits.sigmoid().prod(1).numpy()
        best = np.argsort(-scores, kind="stable")[:CANDIDATES]
        best = best[scores[best] > self.score_threshold]
        boxes = decode_boxes(output[best, :4], corners[best], strides[best])
        return boxes.numpy(), scores[best]

    def _suppressed(self, boxes: Array, scores: Array, scale: float, image: Image) -> Detection:
        in_image = clip_boxes(boxes / scale, image.shape[1], image.shape[0])
        return suppressed(in_image, scores, self._settings.iou_threshold, AT_MOST)


def read_yolox(model_dir: str | Path, detection: DetectionSettings) -> tuple[YOLOX, YOLOXSettings]:
    """The network of a model directory with its weights, and its settings; raises as `from_model_dir`."""
    settings = YOLOXSettings.parse(read_python_config(inside(model_dir, detection.config_file)))
    weights = inside(model_dir, detection.model_path)
    network = build_yolox(settings)
    load_weights(network, read_state_dict(weights), weights)
    check_finite(network, network_input([np.full(TRIAL_SHAPE, PADDING, np.uint8)], settings.normalised), weights)
    return network, settings


def letterbox(image: Image, size: int) -> tuple[Image, float]:
    """An image scaled so that its longer side has ``size`` pixels, in the upper left corner of a grey input.

    Args:
        image: (H, W, 3) uint8 BGR.
        size: pixels, a multiple of 32.
    Returns:
        (H', W', 3) uint8 BGR, whose sides are the next multiples of 32, and the scale: input pixels of an image pixel.
        YOLOX fills a square; the grey beyond those multiples would cost time and hold no hand.
    """
    boxed = Letterbox(size, size, centred=False, step=INPUT_STEP)(image)
    return boxed.input, boxed.scale[0]


def network_input(images: Sequence[Image], normalised: bool) -> Tensor:
    """Images (H, W, 3) uint8 BGR of one size -> (N, 3, H, W) float32: BGR from 0 to 255, or normalised RGB."""
    return as_network_takes(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float(), normalised)


def as_network_takes(batch: Tensor, normalised: bool) -> Tensor:
    """(N, 3, H, W) BGR from 0 to 255 -> the same, or normalised RGB, as `YOLOXSettings.normalised` says."""
    if not normalised:
        return batch
    mean, std = (torch.tensor(v, dtype=batch.dtype).reshape(3, 1, 1) for v in (IMAGENET_MEAN, IMAGENET_STD))
    return (batch.flip(1) - mean) / std


def flattened(maps: Sequence[Tensor]) -> Tensor:
    """Maps (N, C, h, w) of the levels -> (N, A, C), level by level and row by row, A the number of places."""
    return torch.cat([level.flatten(2) for level in maps], 2).transpose(1, 2)


def places(maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Where the places of `flattened` lie: upper left corners (A, 2) x, y in strides, and strides (A, 1) in pixels."""
    corners, strides = [], []
    for level, stride in zip(maps, STRIDES):
        y, x = torch.meshgrid(*(torch.arange(side, device=level.device) for side in level.shape[2:]), indexing="ij")
        corners.append(torch.stack([x, y], -1).reshape(-1, 2).float())
        strides.append(torch.full((x.numel(), 1), float(stride), device=level.device))
    return torch.cat(corners), torch.cat(strides)


def decode_boxes(raw: Tensor, corners: Tensor, strides: Tensor) -> Tensor:
    """The first four channels (..., A, 4) at `places` -> boxes (..., A, 4) xyxy in pixels of the input."""
    center = (raw[..., :2] + corners) * strides
    half = raw[..., 2:].exp() * strides / 2
    return torch.cat([center - half, center + half], -1)
