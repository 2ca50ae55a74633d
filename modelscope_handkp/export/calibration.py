"""Inputs as the networks meet them: for comparing an exported network with torch, and for calibrating int8."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..arrays import Array, Image
from ..detection import build_detector
from ..engines.eager import EagerEngine
from ..errors import HandkpError, InputError
from ..model_dir.settings import ModelSettings
from ..pose.crop import Cropper, to_rgb
from ..sources.images import load_image
from ..sources.listing import images_in
from ..synthetic import render_image

logger = logging.getLogger(__name__)

COMPARED = 4  # inputs of each network that are compared
RENDERED = 48  # images that int8 is calibrated on
MOST_IMAGES = 300  # of a folder
MOST_HANDS = 4  # of an image
LEAST_SCORE = 0.3  # of a box in an image of a folder
SEED = 20_000_000  # of the renders; training and benchmarks have others


@dataclass(frozen=True)
class Samples:
    """Inputs (1, 3, H, W) of the keypoint network and of the detector."""

    crops: list[Tensor]
    images: list[Tensor]

    @classmethod
    def of(
        cls, model_dir: Path, settings: ModelSettings, calibrate: bool = False, folder: str | Path | None = None
    ) -> "Samples":
        """Of rendered hands, or of the hands that the model's detector finds in a folder of images.

        Args:
            calibrate: enough for int8, and not only for a comparison.
        Raises:
            InputError: no folder, or too few hands or images in it. What cannot be read is a line in the log.
        """
        recorder = _Recorder()
        detector = build_detector(model_dir, settings.detection, None, recorder.wrap) if settings.detection else None
        crop = Cropper(settings.image_size, settings.test_pipeline)
        crops: list[Tensor] = []
        for image, labelled in _rendered(RENDERED if calibrate else COMPARED) if folder is None else _read(folder):
            boxes = np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32)
            if detector is not None:
                found, scores = detector.detect([image])[0]
                boxes = found[scores > LEAST_SCORE]
            boxes = boxes if labelled is None else labelled
            crops += [crop(to_rgb(image), box).input[None] for box in boxes[:MOST_HANDS]]
        if len(crops) <= COMPARED and folder is not None:
            raise InputError(f"{folder}: {len(crops)} hands were found; calibration needs more than {COMPARED}.")
        return cls(crops, recorder.inputs)

    def inputs(self, part: str) -> list[Tensor]:
        """Those of the network of that name, "keypoints" or "detector"."""
        return self.crops if part == "keypoints" else self.images


class _Recorder:
    """Keeps what a detector's network was given at last: it is compared, not calibrated."""

    def __init__(self) -> None:
        self.inputs: list[Tensor] = []

    def wrap(self, network: nn.Module) -> "_Recorder":
        self._engine = EagerEngine(network)
        return self

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        self.inputs = [*self.inputs, *torch.split(images, 1)][-COMPARED:]
        return self._engine(images)


def _rendered(count: int) -> Iterator[tuple[Image, Array | None]]:
    for index in tqdm(range(count), desc="rendering", unit="image", leave=False):
        image, _, boxes = render_image(SEED + index, hands=1 + index % 3)
        yield image, boxes


def _read(folder: str | Path) -> Iterator[tuple[Image, Array | None]]:
    if not Path(folder).is_dir():
        raise InputError(f"{folder} is no folder of images to calibrate with.")
    files = images_in(folder)
    for file in tqdm(files[:: -(-len(files) // MOST_IMAGES) or 1], desc="calibrating", unit="image", leave=False):
        try:
            yield load_image(file), None
        except HandkpError as error:
            logger.warning("left out of the calibration: %s", error)
