"""What the networks are trained on: the renderer's levels in their shares, and augmentation of colours and blur."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from modelscope_handkp.geometry.boxes import iou
from modelscope_handkp.skeleton import NUM_KEYPOINTS
from modelscope_handkp.synthetic import EASY, GESTURE_POSES, HARD, MEDIUM, Level, Rng, render_batch, render_crops
from modelscope_handkp.synthetic.batches import LEAST_SHOWN
from modelscope_handkp.synthetic.scene import OUTSIDE

CROPS, WHOLE_IMAGES = 32, 8  # in one chunk
EMPTY = 0.1  # share of the chunks of crops that are windows beside the hands: there the heatmaps must stay at 0
GESTURES = 0.5  # share of the other chunks whose hands all show one of the gestures
WINDOW, WINDOW_TRIES = (0.15, 0.8), 16  # share of an image's side; tries to find one that no hand touches
MAX_HANDS = 10
WHOLE = 256  # px of the images that such windows are cut from
STRONG_CAST = 0.3  # share of the images with one, as under a vivid sky: it must not pull the heatmaps below 0
GREY = 0.1  # share of the images without colour
BLURRED = 0.15  # share of the images; the renderer's own blur is a few pixels, whatever the size of the hand
DEFOCUS, STREAK = 0.03, 0.12  # share of an image's side: largest deviation of the one, largest length of the other
# Shares of the levels; the third is hard without its most hopeless images.
LEVELS = (
    (0.30, replace(EASY, hand_px=(60.0, 320.0), light=0.5, pose=0.8, dress=0.5)),
    (0.40, replace(MEDIUM, pose=0.8, hand_px=(50.0, 320.0))),
    (0.30, replace(HARD, hand_px=(24.0, 320.0), camera=0.8)),
)
HANDS_SHARE = (0.16, 0.3, 0.22, 0.1, 0.06, 0.04, 0.04, 0.02, 0.02, 0.02, 0.02)  # images with 0, 1, ... 10 hands
RATIOS = (0.6, 0.75, 1.0, 1.0, 1.33, 1.5)  # height / width of an image before it is squashed to a square


def pick_level(rng: np.random.Generator) -> Level:
    """One of `LEVELS`, by their shares."""
    return LEVELS[int(rng.choice(len(LEVELS), p=[share for share, _ in LEVELS]))][1]


def chunk_rng(seed: int, chunk: int) -> Rng:
    """The renderer's random numbers of a chunk."""
    return Rng(seed * 1_000_003 + chunk)


def crops(seed: int, chunk: int, size: int) -> tuple[Tensor, Tensor]:
    """Chunk `chunk` of the stream: crops (32, 3, S, S) and keypoints (32, 21, 3) as in synthetic.Rendered.

    In some chunks no crop shows a hand, and no keypoint is in them.
    """
    draw = np.random.default_rng((seed, chunk))
    level = pick_level(draw)
    if draw.random() < EMPTY:
        return _beside_hands(draw, *whole_images(seed, chunk, WHOLE), size)
    gesture = str(draw.choice(list(GESTURE_POSES))) if draw.random() < GESTURES else None
    result = render_crops(chunk_rng(seed, chunk), CROPS, size, level, gesture=gesture)
    result.keypoints[result.shown < LEAST_SHOWN, :, 2] = OUTSIDE  # no one could say where its joints are
    return result.images, result.keypoints


def _beside_hands(draw: np.random.Generator, images: Tensor, boxes: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Windows of whole images, those of several tries that hands touch least; no keypoint is in them."""
    found = []
    for index in np.repeat(np.arange(WHOLE_IMAGES), CROPS // WHOLE_IMAGES):
        hands = boxes[index][~boxes[index, :, 0].isnan()].numpy()
        side = draw.uniform(*WINDOW, (WINDOW_TRIES, 1)) * WHOLE
        corner = draw.uniform(0, WHOLE - side, (WINDOW_TRIES, 2))
        windows = np.concatenate([corner, corner + side], axis=1).round().astype(int)
        touched = iou(windows.astype(np.float32), hands).sum(axis=1)
        left, top, right, bottom = windows[touched.argmin()]
        part = images[None, index, :, top:bottom, left:right]
        found.append(F.interpolate(part, size=(size, size), mode="bilinear", align_corners=False, antialias=True))
    return torch.cat(found), torch.full((CROPS, NUM_KEYPOINTS, 3), float(OUTSIDE))


def whole_images(seed: int, chunk: int, size: int) -> tuple[Tensor, Tensor]:
    """Chunk `chunk`: images squashed to squares (8, 3, S, S) and boxes (8, MAX_HANDS, 4) xyxy px, NaN for no hand."""
    draw = np.random.default_rng((seed, chunk, 1))
    level = replace(pick_level(draw), hand_px=(14.0, size * 0.9), occlusion=0.05)
    amounts = [int(amount) for amount in draw.choice(MAX_HANDS + 1, WHOLE_IMAGES, p=HANDS_SHARE)]
    ratio = float(draw.choice(RATIOS))
    width, height = (size, round(size * ratio)) if ratio < 1 else (round(size / ratio), size)
    result = render_batch(chunk_rng(seed, chunk), amounts, (width, height), level)
    images = F.interpolate(result.images, size=(size, size), mode="bilinear", align_corners=False)
    boxes = torch.full((WHOLE_IMAGES, MAX_HANDS, 4), float("nan"))
    scale = torch.tensor([size / width, size / height] * 2)
    for index in range(WHOLE_IMAGES):
        own = result.boxes[result.image_index == index] * scale
        boxes[index, : len(own)] = own
    return images, boxes


def recolored(rng: np.random.Generator, images: Tensor) -> Tensor:
    """Images (N, 3, S, S) in 0..1 with another white balance, brightness, saturation and gamma each."""

    def normal(std: float, channels: int = 1) -> Tensor:
        return torch.from_numpy(rng.normal(0, std, (len(images), channels, 1, 1))).float()

    cast = torch.from_numpy(np.where(rng.random((len(images), 1, 1, 1)) < STRONG_CAST, 4.0, 1.0)).float()
    images = images * (1 + normal(0.07, 3) * cast + normal(0.15)) + normal(0.05)
    grey = images.mean(1, keepdim=True)
    saturation = (1 + normal(0.3)).clamp(0, 2.5) * torch.from_numpy(rng.random((len(images), 1, 1, 1)) >= GREY)
    images = grey + (images - grey) * saturation
    return images.clamp(0, 1) ** normal(0.15).exp()


def blurred(rng: np.random.Generator, images: Tensor) -> Tensor:
    """Blur some images (N, 3, S, S) in place, half of them out of focus, half smeared along a line; returns them."""
    size = images.shape[-1]
    for index in np.flatnonzero(rng.random(len(images)) < BLURRED):
        sharp = images[index].permute(1, 2, 0).numpy()
        if rng.random() < 0.5:
            soft = cv2.GaussianBlur(sharp, (0, 0), rng.uniform(0.3 / size, DEFOCUS) * size)
        else:
            soft = cv2.filter2D(sharp, -1, _streak(rng.uniform(0, STREAK) * size, rng.uniform(0, np.pi)))
        images[index] = torch.from_numpy(soft).permute(2, 0, 1)
    return images


def _streak(length: float, angle: float) -> np.ndarray:
    """A filter (k, k) that smears over `length` px along a line."""
    reach = int(length / 2) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    line = np.clip(1 - np.abs(across), 0, 1) * np.clip(length / 2 + 0.5 - np.abs(along), 0, 1)
    return line / line.sum()


def patched(rng: np.random.Generator, images: Tensor, chance: float) -> Tensor:
    """Cover a rectangle of some images (N, 3, S, S), in place, with pixels of another; returns them."""
    size = images.shape[-1]
    for index in np.flatnonzero(rng.random(len(images)) < chance):
        height, width = (int(side) for side in size * rng.uniform(0.1, 0.4, 2))
        y, x, v, u = (int(rng.integers(0, size - side)) for side in (height, width, height, width))
        other = int(rng.integers(0, len(images)))
        images[index, :, y : y + height, x : x + width] = images[other, :, v : v + height, u : u + width].clone()
    return images
