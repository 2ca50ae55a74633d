"""What YOLOX is fine-tuned on: photographs, rendered images, and rendered hands before photographs without hands."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from images import HANDS_SHARE, MAX_HANDS, WHOLE_IMAGES, blurred, chunk_rng, pick_level, recolored
from loop import Places
from photograph_tiles import Labelled, sample, stacked
from store import Store
from torch import Tensor
from yolox_training import start_from, yolox_loss

from modelscope_handkp.arrays import Array
from modelscope_handkp.detection.yolox import as_network_takes
from modelscope_handkp.model_dir.yolox_settings import YOLOXSettings
from modelscope_handkp.networks.yolox import build_yolox
from modelscope_handkp.sources.images import load_image
from modelscope_handkp.synthetic import render_batch

LABELS = (MAX_HANDS, 4)  # xyxy, NaN where there is no hand
RENDERED, WITH_HANDS = 0.4, 0.75  # shares of the tiles; of the photographs that are drawn for a hand in them
BEFORE_PHOTOGRAPHS = 0.6  # share of the rendered images
SIZES = (320, 384, 416, 448, 512)  # px of the input, drawn for each batch
L1_FROM = 0.8  # share of the run from which the boxes also learn by distance


class YOLOXTask:
    """A YOLOX detector of one class on photographs and a store of rendered images, whose labels are boxes."""

    def __init__(self, config: dict[str, Any], store: Store, photographs: Sequence[Labelled]) -> None:
        self.store, self.photographs = store, photographs
        self.with_hands = [shown for shown in photographs if len(shown.boxes)]
        self.settings = YOLOXSettings.parse(config)
        self.network = build_yolox(self.settings)

    def start_from(self, state: dict[str, Tensor]) -> None:
        """Take the weights of a checkpoint, but for classes of its own, such as COCO's."""
        start_from(self.network, state)

    def plain(self, places: Places) -> None:
        """Nothing: the batch norms have averages of their inputs."""

    def loss(self, places: Places, progress: float, rng: np.random.Generator) -> Tensor:
        """The loss of a batch of samples that are made anew; progress 0..1 is the share of the run that is done."""
        size, pick = int(rng.choice(SIZES)), functools.partial(self._pick, rng, places)
        images, *rectangles = zip(*(sample(rng, pick, size) for _ in places))
        batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
        batch = as_network_takes(blurred(rng, recolored(rng, batch)) * 255, self.settings.normalised)
        boxes, known, unsure = (stacked(rows) for rows in rectangles)
        maps = self.network(batch.contiguous(memory_format=torch.channels_last))
        return yolox_loss(maps, boxes, known, unsure, l1=progress >= L1_FROM)

    def _pick(self, rng: np.random.Generator, places: Places) -> Labelled:
        """A stored image, or a photograph."""
        if rng.random() < RENDERED or not self.photographs:
            place = places[rng.integers(len(places))]
            boxes: Array = self.store.labels[place]
            image = np.ascontiguousarray(self.store.images[place][::-1].transpose(1, 2, 0))
            return Labelled(image, boxes[~np.isnan(boxes[:, 0])], complete=True)
        among = self.with_hands if rng.random() < WITH_HANDS and self.with_hands else self.photographs
        return among[rng.integers(len(among))]


def scenes(backdrops: Sequence[Path], seed: int, chunk: int, size: int) -> tuple[Tensor, Tensor]:
    """Chunk ``chunk``: rendered images (8, 3, S, S) RGB in 0..1, some before parts of the photographs ``backdrops``,
    and boxes (8, MAX_HANDS, 4) xyxy px, NaN for no hand."""
    draw = np.random.default_rng((seed, chunk, 2))
    level = replace(pick_level(draw), hand_px=(16.0, size * 0.95), occlusion=0.05)
    amounts = [int(amount) for amount in draw.choice(MAX_HANDS + 1, WHOLE_IMAGES, p=HANDS_SHARE)]
    behind = None
    if backdrops and draw.random() < BEFORE_PHOTOGRAPHS:
        chosen = [backdrops[place] for place in draw.integers(len(backdrops), size=WHOLE_IMAGES)]
        behind = torch.stack([_square(draw, file, size) for file in chosen])
        level = replace(level, camera=level.camera * 0.5)  # the photograph has had its own
    result = render_batch(chunk_rng(seed, chunk), amounts, (size, size), level, behind)
    boxes = torch.full((WHOLE_IMAGES, MAX_HANDS, 4), float("nan"))
    for index in range(WHOLE_IMAGES):
        own = result.boxes[result.image_index == index]
        boxes[index, : len(own)] = own
    return result.images, boxes


def _square(rng: np.random.Generator, file: Path, size: int) -> Tensor:
    """A random square of a photograph, at least half as wide as it, as (3, S, S) RGB in 0..1."""
    image = load_image(file)
    side = max(1, int(min(image.shape[:2]) * rng.uniform(0.5, 1)))
    y, x = (rng.integers(0, length - side + 1) for length in image.shape[:2])
    part = cv2.resize(image[y : y + side, x : x + side], (size, size), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(part[..., ::-1].copy()).permute(2, 0, 1).float() / 255
