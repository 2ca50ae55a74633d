"""Make the model that ships with the package: render hands, train both networks on them, write the half weights.

    python examples/train_embedded.py pose --minutes 120
    python examples/train_embedded.py detector --minutes 120

Each run renders in a second process into a memory-mapped store, trains on what is there, shows a progress bar, saves
its state every few minutes and resumes from it; `--out` (default: the package's embedded directory) gets the weights.
The order in which pictures are drawn from the store depends on how fast the machine renders: the pictures themselves
depend on the seed only.
"""

from __future__ import annotations

import argparse
import copy
import logging
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from modelscope_handkp.checkpoint import read_state_dict
from modelscope_handkp.config import read_configuration, read_python_config
from modelscope_handkp.models.pose import build_pose
from modelscope_handkp.models.ssdlite import SSDLite, build_detector
from modelscope_handkp.synthetic.levels import EASY, HARD, MEDIUM
from modelscope_handkp.synthetic.rng import Rng
from modelscope_handkp.synthetic.scene import render_batch, render_crops

log = logging.getLogger("train_embedded")
Maker = Callable[[int, int, int], tuple[Tensor, Tensor]]  # seed, chunk, size -> images, labels
EMBEDDED = Path(__file__).resolve().parent.parent / "modelscope_handkp" / "embedded"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CHUNK = 32
MAX_HANDS = 10
DEFAULTS = {
    "pose": {"size": 0, "render_size": 0, "batch": 32, "capacity": 24000, "ahead": 4000, "reuse": 5.0},
    "detector": {"size": 160, "render_size": 256, "batch": 8, "capacity": 3000, "ahead": 400, "reuse": 14.0},
}
TEMPERATURE = 10.0
EMA_DECAY = 0.998
SAVE_SECONDS = 120.0
LOG_STEPS = 100
STRIDE = 4
FULL_SIZE_SHARE = 0.2
SQUARED_WEIGHT = 40.0
# Shares of the levels in what is trained on; the third is hard without its most hopeless pictures.
LEVELS = (
    (0.30, replace(EASY, hand_px=(60.0, 320.0), light=0.5, pose=0.8, dress=0.5)),
    (0.40, replace(MEDIUM, pose=0.8, hand_px=(50.0, 320.0))),
    (0.30, replace(HARD, hand_px=(24.0, 320.0), camera=0.8)),
)


# ---------------------------------------------------------------- pictures


class Store:
    """A ring of rendered pictures in memory-mapped files, filled by one process and read by another.

    images (capacity, 3, S, S) uint8 RGB; labels (capacity, ...) float32; count[0]: rendered so far, count[1]: wanted.
    """

    def __init__(self, folder: Path, capacity: int, size: int, label_shape: tuple[int, ...]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.capacity = capacity
        self.images = self._open(folder / "images.npy", (capacity, 3, size, size), np.uint8)
        self.labels = self._open(folder / "labels.npy", (capacity, *label_shape), np.float32)
        self.count = self._open(folder / "count.npy", (2,), np.int64)

    @staticmethod
    def _open(path: Path, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        mode = "r+" if path.exists() else "w+"
        return np.lib.format.open_memmap(path, mode=mode, dtype=dtype, shape=shape)  # type: ignore[no-any-return]

    def add(self, images: Tensor, labels: Tensor) -> None:
        start = int(self.count[0])
        places = np.arange(start, start + len(images)) % self.capacity
        self.images[places] = (images * 255 + 0.5).to(torch.uint8).numpy()
        self.labels[places] = labels.numpy()
        self.count[0] = start + len(images)

    def __len__(self) -> int:
        return min(int(self.count[0]), self.capacity)


def _level(rng: np.random.Generator) -> Any:
    return LEVELS[int(rng.choice(len(LEVELS), p=[share for share, _ in LEVELS]))][1]


def render_pose(seed: int, chunk: int, size: int) -> tuple[Tensor, Tensor]:
    """Chunk `chunk` of the stream: crops (32, 3, S, S) and keypoints (32, 21, 3)."""
    level = _level(np.random.default_rng((seed, chunk)))
    result = render_crops(Rng(seed * 1_000_003 + chunk), CHUNK, size, level)
    return result.images, result.keypoints


def render_pictures(seed: int, chunk: int, size: int) -> tuple[Tensor, Tensor]:
    """Chunk `chunk`: 8 pictures squashed to (S, S) and their boxes (8, MAX_HANDS, 4) xyxy, NaN where there is none."""
    draw = np.random.default_rng((seed, chunk, 1))
    level = replace(_level(draw), hand_px=(14.0, size * 0.9), occlusion=0.05)
    amounts = [
        int(a)
        for a in draw.choice(MAX_HANDS + 1, 8, p=[0.16, 0.3, 0.22, 0.1, 0.06, 0.04, 0.04, 0.02, 0.02, 0.02, 0.02])
    ]
    ratio = float(draw.choice([0.6, 0.75, 1.0, 1.0, 1.33, 1.5]))
    width, height = (size, round(size * ratio)) if ratio < 1 else (round(size / ratio), size)
    result = render_batch(Rng(seed * 1_000_003 + chunk), amounts, (width, height), level)
    images = F.interpolate(result.images, size=(size, size), mode="bilinear", align_corners=False)
    boxes = torch.full((8, MAX_HANDS, 4), float("nan"))
    scale = torch.tensor([size / width, size / height] * 2)
    for index in range(8):
        own = result.boxes[result.picture == index] * scale
        boxes[index, : len(own)] = own
    return images, boxes


def _fill(make: Maker, store_args: tuple[Any, ...], seed: int, size: int) -> None:
    """The rendering process: keep the store as full as its reader wants."""
    torch.set_num_threads(1)
    store, parent = Store(*store_args), os.getppid()
    with torch.no_grad():
        while os.getppid() == parent:
            if store.count[0] >= store.count[1]:
                time.sleep(0.2)
                continue
            images, labels = make(seed, int(store.count[0]), size)
            store.add(images, labels)


def start_rendering(make: Maker, store_args: tuple[Any, ...], seed: int, size: int) -> Any:
    process = multiprocessing.get_context("spawn").Process(
        target=_fill, args=(make, store_args, seed, size), daemon=True
    )
    process.start()
    return process


# ---------------------------------------------------------------- augmentation of what was rendered


def _moved(images: Tensor, rotate: float, scale: float, shift: float, mirror: bool) -> tuple[Tensor, Tensor]:
    """Rotate, scale, shift and mirror pictures (N, 3, S, S); black comes in from outside, as at a picture's border.

    Returns the pictures and matrices (N, 2, 3) old px -> new px.
    """
    count, size = len(images), images.shape[-1]
    angle = torch.deg2rad((torch.randn(count) * rotate).clamp(-2 * rotate, 2 * rotate))
    factor = (torch.randn(count) * scale).exp()
    flip = torch.where(torch.rand(count) < 0.5 * mirror, -1.0, 1.0)
    linear = torch.stack([angle.cos() * flip, -angle.sin(), angle.sin() * flip, angle.cos()], 1).reshape(-1, 2, 2)
    linear = linear * factor[:, None, None]
    offset = torch.randn(count, 2) * shift
    inverse = torch.linalg.inv(linear)
    theta = torch.cat([inverse, -(inverse @ offset[..., None])], 2)
    sampled = F.grid_sample(images, F.affine_grid(theta, list(images.shape), align_corners=False), align_corners=False)
    center = (size - 1) / 2
    move = offset * size / 2 + center - (linear @ torch.full((2, 1), center))[..., 0]
    return sampled, torch.cat([linear, move[..., None]], 2)


def _recolored(images: Tensor) -> Tensor:
    count = len(images)
    gain = 1 + torch.randn(count, 3, 1, 1) * 0.07 + torch.randn(count, 1, 1, 1) * 0.15
    images = images * gain + torch.randn(count, 1, 1, 1) * 0.05
    grey = images.mean(1, keepdim=True)
    images = grey + (images - grey) * (1 + torch.randn(count, 1, 1, 1) * 0.2).clamp(0, 2)
    images = images.clamp(0, 1) ** (torch.randn(count, 1, 1, 1) * 0.15).exp()
    return images


def _patched(images: Tensor, chance: float) -> Tensor:
    """Cover a rectangle of some pictures with another picture's pixels."""
    size = images.shape[-1]
    for index in torch.nonzero(torch.rand(len(images)) < chance)[:, 0].tolist():
        h, w = (int(size * (0.1 + 0.3 * torch.rand(1).item())) for _ in range(2))
        y, x, v, u = (int(torch.randint(0, size - s, (1,))) for s in (h, w, h, w))
        other = int(torch.randint(0, len(images), (1,)))
        images[index, :, y : y + h, x : x + w] = images[other, :, v : v + h, u : u + w].clone()
    return images


def _normalised(images: Tensor) -> Tensor:
    mean, std = (torch.tensor(v)[:, None, None] for v in (MEAN, STD))
    return ((images - mean) / std).contiguous(memory_format=torch.channels_last)


# ---------------------------------------------------------------- keypoint network


def pose_batch(store: Store, size: int, batch: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Crops (N, 3, size, size), joints (N, 21, 2) in their pixels, weights (N, 21)."""
    rows = rng.integers(0, len(store), batch)
    images = torch.from_numpy(store.images[rows]).float() / 255
    labels = torch.from_numpy(store.labels[rows].copy())
    if images.shape[-1] != size:
        factor = size / images.shape[-1]
        images = F.interpolate(images, size=(size, size), mode="bilinear", align_corners=False, antialias=factor < 1)
        labels[..., :2] = (labels[..., :2] + 0.5) * factor - 0.5
    images, matrix = _moved(images, 15.0, 0.08, 0.04, True)
    joints = labels[..., :2] @ matrix[:, :, :2].transpose(1, 2) + matrix[:, None, :, 2]
    inside = ((joints > -0.5) & (joints < size - 0.5)).all(-1)
    weight = inside.float() * torch.where(labels[..., 2] > 1, 1.0, torch.where(labels[..., 2] > 0, 0.7, 0.0))
    return _normalised(_patched(_recolored(images), 0.15)), joints, weight


def gaussians(joints: Tensor, size: int, stride: int, sigma: float) -> Tensor:
    """Targets (N, 21, S / stride, S / stride), 1 at the joint's rounded place, as the codec writes them."""
    axis = torch.arange(size // stride, dtype=torch.float32)
    center = (joints / stride + 0.5).floor()
    dx = (axis - center[..., :1]).square()
    dy = (axis - center[..., 1:]).square()
    return (-(dy[..., :, None] + dx[..., None, :]) / (2 * sigma**2)).exp()


def pose_loss(heatmaps: Tensor, target: Tensor, weight: Tensor, squared: float) -> Tensor:
    """Cross-entropy over positions, and `squared` times the mean squared error of the heatmaps, joint by joint."""
    share = target.flatten(2)
    share = share / share.sum(-1, keepdim=True).clamp(min=1e-6)
    entropy = -(share * F.log_softmax(heatmaps.flatten(2) * TEMPERATURE, -1)).sum(-1)
    loss = (entropy * weight).sum() / weight.sum().clamp(min=1)
    if squared:
        error = ((heatmaps - target).square().mean((2, 3)) * weight).sum() / weight.sum().clamp(min=1)
        loss = loss + squared * SQUARED_WEIGHT * error
    return loss


def initialise(module: nn.Module) -> None:
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


# ---------------------------------------------------------------- detector


def detector_batch(store: Store, size: int, batch: int, rng: np.random.Generator) -> tuple[Tensor, list[Tensor]]:
    """Windows (N, 3, size, size) of the stored pictures and the boxes in them, xyxy px."""
    full = store.images.shape[-1]
    images, boxes = [], []
    for row in rng.integers(0, len(store), batch):
        picture = torch.from_numpy(store.images[row].copy())
        own = torch.from_numpy(store.labels[row].copy())
        own = own[~own[:, 0].isnan()]
        window = int(np.clip(min(size, full) * math.exp(rng.normal(0, 0.3)), min(size, full) * 0.6, full))
        x, y = (int(v) for v in rng.integers(0, full - window + 1, 2))
        if len(own) and rng.random() < 0.7:
            chosen = own[int(rng.integers(0, len(own)))]
            center = (chosen[:2] + chosen[2:]) / 2
            x, y = (int(np.clip(float(c) - window * rng.uniform(0.2, 0.8), 0, full - window)) for c in center)
        part = picture[None, :, y : y + window, x : x + window].float() / 255
        factor = size / window
        if window != size:
            part = F.interpolate(part, size=(size, size), mode="bilinear", align_corners=False, antialias=factor < 1)
        moved = (own - torch.tensor([x, y, x, y])) * factor
        clipped = moved.clamp(0, size)
        area = (clipped[:, 2:] - clipped[:, :2]).prod(1) / (moved[:, 2:] - moved[:, :2]).prod(1).clamp(min=1)
        clipped = clipped[area > 0.4]
        if rng.random() < 0.5:
            part = part.flip(3)
            clipped = torch.stack([size - clipped[:, 2], clipped[:, 1], size - clipped[:, 0], clipped[:, 3]], 1)
        if rng.random() < 0.15:
            part = part.flip(2)
            clipped = torch.stack([clipped[:, 0], size - clipped[:, 3], clipped[:, 2], size - clipped[:, 1]], 1)
        images.append(part)
        boxes.append(clipped)
    return _normalised(_recolored(torch.cat(images))), boxes


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = (high - low).clamp(min=0).prod(2)
    return inter / ((a[:, 2:] - a[:, :2]).prod(1)[:, None] + (b[:, 2:] - b[:, :2]).prod(1) - inter).clamp(min=1e-6)


def assign(anchors: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """For each anchor: 1 positive, 0 negative, -1 neither (A,), and its target deltas (A, 4)."""
    label = torch.zeros(len(anchors))
    deltas = torch.zeros(len(anchors), 4)
    if not len(boxes):
        return label, deltas
    overlap = box_iou(anchors, boxes)
    best, which = overlap.max(1)
    label[best >= 0.4] = -1
    label[best >= 0.5] = 1
    for index, anchor in enumerate(overlap.argmax(0).tolist()):
        label[anchor], which[anchor] = 1, index
    own = boxes[which]
    size, own_size = anchors[:, 2:] - anchors[:, :2], own[:, 2:] - own[:, :2]
    shift = ((own[:, 2:] + own[:, :2]) - (anchors[:, 2:] + anchors[:, :2])) / 2 / size / 0.1
    return label, torch.cat([shift, (own_size.clamp(min=1) / size).log() / 0.2], 1)


def detector_loss(network: SSDLite, anchors: Tensor, images: Tensor, boxes: list[Tensor]) -> Tensor:
    """Multibox loss: cross-entropy with three hard negatives for a positive, smooth L1 on the positives' deltas."""
    count = len(images)
    logits, deltas = network(images)
    flat_logits = torch.cat([x.permute(0, 2, 3, 1).reshape(count, -1, 2) for x in logits], 1)
    flat_deltas = torch.cat([x.permute(0, 2, 3, 1).reshape(count, -1, 4) for x in deltas], 1)
    pairs = [assign(anchors, own) for own in boxes]
    label = torch.stack([a for a, _ in pairs])
    target = torch.stack([d for _, d in pairs])
    positive = label == 1
    entropy = F.cross_entropy(flat_logits.reshape(-1, 2), (~positive).long().flatten(), reduction="none").reshape(
        count, -1
    )
    rank = torch.where(label == 0, entropy.detach(), torch.full_like(entropy, -1.0))
    order = rank.argsort(1, descending=True).argsort(1)
    wanted = (3 * positive.sum(1, keepdim=True)).clamp(min=12)
    hard = (order < wanted) & (label == 0)
    total = positive.sum().clamp(min=1)
    box = F.smooth_l1_loss(flat_deltas[positive], target[positive], beta=1.0, reduction="sum")
    return ((entropy * (positive | hard)).sum() + box) / total


# ---------------------------------------------------------------- the loop


class Averaged:
    """A moving average of a network's weights and batch-norm statistics: what is shipped."""

    def __init__(self, network: nn.Module) -> None:
        self.network = copy.deepcopy(network).eval()
        self.steps = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        self.steps += 1
        decay = min(EMA_DECAY, self.steps / (self.steps + 20))
        for mine, theirs in zip(self.network.state_dict().values(), network.state_dict().values()):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)


def write_half(network: nn.Module, path: Path, meta: dict[str, Any]) -> None:
    state = {
        k: v.detach().half().contiguous() if v.dtype.is_floating_point else v.detach().clone()
        for k, v in network.state_dict().items()
    }
    torch.save({"state_dict": state, "meta": meta}, path)


class Run:
    """One network's training: its weights, their average, the optimiser and the log, saved and resumed together."""

    def __init__(self, args: argparse.Namespace, network: nn.Module, weights: Path) -> None:
        self.args, self.weights = args, weights
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=args.lr, weight_decay=1e-4)
        self.state_file = args.cache / f"{args.what}.state.pt"
        self.samples, self.used = 0, 0.0
        self.history: list[list[float]] = []
        if args.start_from:
            network.load_state_dict(read_state_dict(args.start_from))
        self.average = Averaged(network)
        if self.state_file.exists() and not args.start_from:
            self._resume()
        network.train()

    def _resume(self) -> None:
        state = torch.load(self.state_file)
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.steps, self.samples = state["steps"], state["samples"]
        self.used, self.history = state["used"], state["history"]
        log.info("resumed after %d samples", self.samples)

    def save(self) -> None:
        torch.save(
            {
                "network": self.network.state_dict(),
                "average": self.average.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "steps": self.average.steps,
                "samples": self.samples,
                "used": self.used,
                "history": self.history,
            },
            self.state_file,
        )
        write_half(self.average.network, self.weights, self.summary())

    def summary(self) -> dict[str, Any]:
        return {
            "samples": self.samples,
            "minutes": round(self.used / 60, 1),
            "seed": self.args.seed,
            "loss": self.history[:: max(1, len(self.history) // 40)],
        }

    def progress(self) -> float:
        goal = self.args.samples or math.inf
        return max(self.samples / goal, self.used / (self.args.minutes * 60))

    def descend(self, loss: Tensor) -> None:
        """One step: linear warm-up over 200 steps, then half a cosine over the run."""
        rate = min(1.0, (self.average.steps + 1) / 200) * max(0.02, 0.5 * (1 + math.cos(math.pi * self.progress())))
        for group in self.optimizer.param_groups:
            group["lr"] = self.args.lr * rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()
        self.average.update(self.network)

    def train(self, loss_at: Callable[[float], Tensor]) -> None:
        """Until the minutes or samples are used up. loss_at: share of the run -> loss of the next batch."""
        form = "{l_bar}{bar}| {n:.1f}% {postfix} [{elapsed}<{remaining}]"
        last_save, recent = time.monotonic(), []
        with tqdm(total=100.0, desc=self.args.what, bar_format=form) as bar:
            while self.progress() < 1:
                started = time.monotonic()
                loss = loss_at(self.progress())
                self.descend(loss)
                self.samples += self.args.batch
                self.used += time.monotonic() - started
                recent.append(loss.item())
                if len(recent) == LOG_STEPS:
                    self.history.append([self.samples, round(float(np.mean(recent)), 4)])
                    log.info("%s: %d samples, %.1f minutes, loss %.4f", self.args.what, self.samples, self.used / 60,
                             self.history[-1][1])  # fmt: skip
                    recent = []
                bar.n = min(100.0, 100 * self.progress())
                bar.set_postfix_str(f"loss {loss.item():.3f}, {self.samples} samples")
                if time.monotonic() - last_save > SAVE_SECONDS:
                    self.save()
                    last_save = time.monotonic()
        self.save()


def batches(args: argparse.Namespace, store: Store) -> Iterator[None]:
    """One turn a batch, paced so that no picture is used more than `--reuse` times on the average."""
    done = 0
    start = min(args.ahead, store.capacity) // 4
    while True:
        store.count[1] = max(args.ahead, int(done / args.reuse) + 512)
        while not args.frozen and (len(store) < start or done > args.reuse * store.count[0] + 2000):
            time.sleep(0.2)
        done += args.batch
        yield


def open_store(args: argparse.Namespace, size: int, label_shape: tuple[int, ...], make: Maker) -> Store:
    """The store for pictures of `size` pixels, and a process that fills it unless --frozen."""
    store_args = (args.cache / f"{args.what}-{size}", args.capacity, size, label_shape)
    store = Store(*store_args)
    if not args.frozen:
        start_rendering(make, store_args, args.seed, size)
    return store


def train_pose(args: argparse.Namespace) -> None:
    config = read_configuration(EMBEDDED)
    full_size = config["data_cfg"]["image_size"][0]
    size = args.size or full_size
    targets = next(t for t in config["dataset"]["train"]["pipeline"] if t["type"] == "TopDownGenerateTarget")
    sigma = max(1.0, targets["sigma"] * size / full_size)
    network = build_pose(config["model"])
    initialise(network)
    nn.init.normal_(network.keypoint_head.final_layer.weight, std=0.005)  # type: ignore[arg-type]
    store = open_store(args, args.render_size or size, (21, 3), render_pose)
    turns, rng = batches(args, store), np.random.default_rng(args.seed)

    def loss_at(progress: float) -> Tensor:
        next(turns)
        images, joints, weight = pose_batch(store, size, args.batch, rng)
        squared = min(1.0, max(0.0, (progress - args.mse_from) / 0.1))
        return pose_loss(network(images), gaussians(joints, size, STRIDE, sigma), weight, squared)

    Run(args, network, args.out / "pytorch_model.pt").train(loss_at)


def train_detector(args: argparse.Namespace) -> None:
    """Mostly on small windows, which cost a quarter; every few steps on full ones, for the anchors of large hands."""
    config = read_python_config(EMBEDDED / "detection" / "config.py")
    full_size = config["test_pipeline"][0]["img_scale"][0]
    sizes = {args.size or full_size, full_size}
    anchors = {}
    for size in sorted(sizes):
        config["test_pipeline"][0]["img_scale"] = (size, size)
        network = build_detector(config)
        anchors[size] = torch.from_numpy(network.anchors())
    initialise(network)
    for convs in (*network.bbox_head.cls_convs, *network.bbox_head.reg_convs):
        nn.init.normal_(convs[-1].weight, std=0.01)
    store = open_store(args, args.render_size or min(sizes), (MAX_HANDS, 4), render_pictures)
    turns, rng = batches(args, store), np.random.default_rng(args.seed)

    def loss_at(_: float) -> Tensor:
        next(turns)
        full = rng.random() < FULL_SIZE_SHARE
        size, batch = (full_size, max(2, args.batch // 2)) if full else (args.size or full_size, args.batch)
        images, boxes = detector_batch(store, size, batch, rng)
        return detector_loss(network, anchors[size], images, boxes)

    Run(args, network, args.out / "detection" / "detection_model.pth").train(loss_at)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["pose", "detector"])
    parser.add_argument("--minutes", type=float, default=60.0, help="training time, rendering beside it")
    parser.add_argument("--samples", type=int, default=0, help="stop after this many samples, whatever the time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--size", type=int, help="pixels of the input in training (0: as configured)")
    parser.add_argument("--render-size", type=int, help="pixels of what is rendered (0: as --size)")
    parser.add_argument("--batch", type=int)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--mse-from", type=float, default=0.85, help="share of the run after which MSE joins")
    parser.add_argument("--capacity", type=int, help="pictures that the store holds")
    parser.add_argument("--ahead", type=int, help="pictures to render in advance")
    parser.add_argument("--reuse", type=float, help="times that a picture is used")
    parser.add_argument("--frozen", action="store_true", help="render nothing, train on what the cache holds")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "modelscope-handkp-training")
    parser.add_argument("--start-from", type=Path, help="weights to begin with, in place of resuming")
    parser.add_argument("--out", type=Path, default=EMBEDDED)
    parser.set_defaults(**DEFAULTS[parser.parse_args().what])
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for folder in (args.cache, args.out / "detection"):
        folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    (train_pose if args.what == "pose" else train_detector)(args)


if __name__ == "__main__":
    main()
