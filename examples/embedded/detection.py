"""The detector's training: windows of stored images, anchors assigned to hands, and the multibox loss."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from images import MAX_HANDS, blurred, recolored
from loop import Places
from store import Store
from torch import Tensor, nn

from modelscope_handkp.arrays import Array
from modelscope_handkp.detection.ssdlite import DELTA_STDS, MAX_LOG_RATIO, encode_deltas
from modelscope_handkp.geometry.boxes import clip_boxes, iou
from modelscope_handkp.model_dir.ssdlite_settings import SSDLiteSettings
from modelscope_handkp.networks.ssdlite import SSDLite, build_ssdlite
from modelscope_handkp.pose.transforms import NormalizeTensor

LABELS = (MAX_HANDS, 4)  # xyxy, NaN where there is no hand
SMALLEST_HAND = 10  # px of the input: what is smaller is neither hand nor background
KEPT_SHARE = 0.3  # share of a hand's box inside the window, below which the hand does not count
POSITIVE, NEAREST, NEAREST_FROM, UNSURE = 0.5, 4, 0.3, 0.35  # IoU of anchors; see `assign`
NEGATIVES, AT_LEAST = 3, 12  # hard negatives for a positive, and in any image
BOX_WEIGHT = 4.0  # weight of the boxes against the classes
# The share of a run after which the first layers are frozen, which take half the time of a step, and batch norm uses
# its averages, as in inference.
FROZEN_FROM = 0.3


class DetectionTask:
    """A detector with the configuration `config` on a store of images; labels are boxes `LABELS`."""

    def __init__(self, config: dict[str, Any], store: Store) -> None:
        self.store = store
        settings = SSDLiteSettings.parse(config)
        self.network = initialised(build_ssdlite(settings))
        self.size = self.network.input_sizes[0]
        self.anchors = self.network.anchors(self.size)
        self.normalise = NormalizeTensor([v / 255 for v in settings.mean], [v / 255 for v in settings.std])

    def loss(self, places: Places, progress: float, rng: np.random.Generator) -> Tensor:
        """The multibox loss of a batch; progress 0..1 is the share of the run that is done."""
        if progress >= FROZEN_FROM:
            backbone = self.network.eval().backbone
            for layer in (backbone.conv1, backbone.layer1, backbone.layer2):
                layer.requires_grad_(False)
        drawn = [window(self.store.images[place], self.store.labels[place], self.size, rng) for place in places]
        images = torch.from_numpy(np.stack([image for image, _ in drawn])).permute(0, 3, 1, 2).float() / 255
        images = self.normalise({"img": blurred(rng, recolored(rng, images))})["img"].contiguous(
            memory_format=torch.channels_last
        )
        assigned = [assign(self.anchors, boxes) for _, boxes in drawn]
        label, target = (torch.from_numpy(np.stack(column)) for column in zip(*assigned))
        return multibox_loss(self.network, images, label, target)


def initialised(network: SSDLite) -> SSDLite:
    """The network with weights to train from scratch."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    for convs in (*network.bbox_head.cls_convs, *network.bbox_head.reg_convs):
        nn.init.normal_(convs[-1].weight, std=0.01)  # type: ignore[index]
        nn.init.zeros_(convs[-1].bias)  # type: ignore[index]
    return network


def window(image: np.ndarray, boxes: Array, size: int, rng: np.random.Generator) -> tuple[np.ndarray, Array]:
    """A square of `image` (3, S, S), most often nearly all of it, as (size, size, 3), and its boxes (n, 4) xyxy."""
    full = image.shape[-1]
    boxes = boxes[~np.isnan(boxes[:, 0])]
    side = int(np.clip(full * math.exp(rng.normal(-0.1, 0.25)), full * 0.5, full))
    corner = rng.integers(0, full - side + 1, 2)
    if len(boxes) and rng.random() < 0.7:  # a hand somewhere near the middle
        chosen = boxes[rng.integers(0, len(boxes))]
        center = (chosen[:2] + chosen[2:]) / 2
        corner = np.clip(center - side * rng.uniform(0.2, 0.8, 2), 0, full - side).astype(int)
    x, y = corner
    part = image[:, y : y + side, x : x + side].transpose(1, 2, 0)
    shrink = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    part = cv2.resize(np.ascontiguousarray(part), (size, size), interpolation=shrink)
    moved = (boxes - np.tile(corner, 2)) * (size / side)
    clipped = clip_boxes(moved, size, size)
    area = [np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (clipped, moved)]
    clipped = clipped[area[0] > KEPT_SHARE * np.maximum(area[1], 1)]
    if rng.random() < 0.5:
        part, clipped = part[:, ::-1], clipped[:, [2, 1, 0, 3]] * [-1, 1, -1, 1] + [size, 0, size, 0]
    return np.ascontiguousarray(part), np.asarray(clipped, np.float32)


def assign(anchors: Array, boxes: Array) -> tuple[Array, Array]:
    """For each anchor: 1 positive, 0 negative, -1 neither (A,), and its target deltas (A, 4).

    Positive are anchors of IoU `POSITIVE` and the `NEAREST` best of every box, from `NEAREST_FROM` up (the very best
    whatever its IoU): from few images a network learns faster with more than one anchor a hand.
    """
    label = np.zeros(len(anchors), np.float32)
    small = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0) < SMALLEST_HAND
    center = (anchors[:, :2] + anchors[:, 2:]) / 2
    for box in boxes[small]:
        label[np.abs(center - (box[:2] + box[2:]) / 2).max(axis=1) < 2 * SMALLEST_HAND] = -1
    boxes = boxes[~small]
    if not len(boxes):
        return label, np.zeros((len(anchors), 4), np.float32)
    overlap = iou(anchors, boxes)
    which, best = overlap.argmax(axis=1), overlap.max(axis=1)
    label[best >= UNSURE] = -1
    label[best >= POSITIVE] = 1
    for index, column in enumerate(overlap.T):
        nearest = np.argsort(-column, kind="stable")[:NEAREST]
        nearest = nearest[(column[nearest] >= NEAREST_FROM) | (nearest == nearest[0])]
        label[nearest], which[nearest] = 1, index
    return label, encode_deltas(anchors, boxes[which])


def multibox_loss(network: SSDLite, images: Tensor, label: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy over positives and hard negatives (Liu et al. 2016, SSD), and the positives' GIoU.

    A positive's class is not 1 but the root of the IoU that its box has by now, so that the best box of a hand has the
    best score (after Li et al. 2020, Generalized Focal Loss). images (N, 3, S, S); label (N, A) and target (N, A, 4) as
    `assign` gives them.
    """
    count = len(images)
    logits, deltas = network(images)
    flat_logits = torch.cat([x.permute(0, 2, 3, 1).reshape(count, -1, 2) for x in logits], 1).float()
    flat_deltas = torch.cat([x.permute(0, 2, 3, 1).reshape(count, -1, 4) for x in deltas], 1).float()
    positive = label == 1
    overlap, gap = overlap_and_gap(flat_deltas[positive], target[positive])
    quality = torch.zeros_like(label)
    quality[positive] = overlap.detach().sqrt()
    hand, background = F.log_softmax(flat_logits, -1).unbind(-1)
    entropy = -(quality * hand + (1 - quality) * background)
    rank = torch.where(label == 0, entropy.detach(), torch.full_like(entropy, -1.0))
    order = rank.argsort(1, descending=True).argsort(1)
    wanted = (NEGATIVES * positive.sum(1, keepdim=True)).clamp(min=AT_LEAST)
    hard = (order < wanted) & (label == 0)
    box = (1 - overlap + gap).sum()  # 1 - GIoU
    return ((entropy * (positive | hard)).sum() + BOX_WEIGHT * box) / positive.sum().clamp(min=1)


def overlap_and_gap(deltas: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """IoU (P,) of the boxes that two rows of deltas (P, 4) give from the same anchors, and the share of the box around
    both that neither covers (P,); their difference is the GIoU (Rezatofighi et al. 2019).

    Scaling an axis changes no ratio of areas, so each anchor serves as the unit and need not be known.
    """
    (low, high), (goal_low, goal_high) = _corners(deltas), _corners(target)
    shared = (torch.minimum(high, goal_high) - torch.maximum(low, goal_low)).clamp(min=0).prod(1)
    around = (torch.maximum(high, goal_high) - torch.minimum(low, goal_low)).prod(1)
    union = (high - low).prod(1) + (goal_high - goal_low).prod(1) - shared
    return shared / union, (around - union) / around


def _corners(deltas: Tensor) -> tuple[Tensor, Tensor]:
    scaled = deltas * deltas.new_tensor(DELTA_STDS)
    half = scaled[:, 2:].clamp(-MAX_LOG_RATIO, MAX_LOG_RATIO).exp() / 2
    return scaled[:, :2] - half, scaled[:, :2] + half
