"""The keypoint network's training: stored crops through the configuration's transforms, and the loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from images import blurred, patched, recolored
from loop import Places
from numpy.typing import NDArray
from photograph_crops import Hand, crop
from store import Store
from torch import Tensor, nn

from modelscope_handkp.geometry.boxes import BOX_PADDING, PIXEL_STD
from modelscope_handkp.model_dir.checkpoint import load_weights
from modelscope_handkp.model_dir.settings import NetworkSettings
from modelscope_handkp.networks.topdown import TopDown, build_topdown
from modelscope_handkp.pose.transforms import NormalizeTensor, build_transforms
from modelscope_handkp.skeleton import NUM_KEYPOINTS
from modelscope_handkp.synthetic.scene import OUTSIDE

LABELS = (NUM_KEYPOINTS, 3)  # x, y, state as in synthetic.Rendered
STRIDE = 4
SQUARED_WEIGHT = 8.0  # weight of the mean squared error, which holds a heatmap's floor at 0
EMPTY_WEIGHT = 16.0  # weight of the mean squared heatmap where there is no hand; 64 lowered those of unclear hands, too
MOST_ENTROPY, MOST_SQUARED = 8.0, 0.5  # a joint's loss above which only its logarithm counts
PATCHED = 0.15
CUT_CHANCE, CUT = 0.3, 0.4  # share of crops that the image ends in, and the largest share of a crop beyond it
# Less than the configuration has: the crops are rendered at every angle, with the errors of a detector's boxes.
SCALE_ROTATION = {"type": "TopDownGetRandomScaleRotation", "rot_factor": 20, "scale_factor": 0.1}
SMALL_SHARE, SMALL = 0.35, 64  # the first share of a run sees crops of this many pixels
# The share of a run after which batch norm uses its averages, as in inference. The batch's own statistics keep the
# activations of an unusual image small; with averages they can grow a thousandfold, which no training loss showed.
FROZEN_FROM = 0.6
WINDOWS_SHARE = 0.1  # share of the samples, if there are windows without a hand
PHOTOGRAPHS_SHARE = 0.4  # of the others, if there are photographs


class KeypointTask:
    """A keypoint network with the configuration `config` on a store of crops; labels are keypoints `LABELS`.

    windows (N, 3, S, S) uint8 RGB: crops without a hand, as `mine` finds them, used in place of some others.
    hands: of photographs, likewise.
    """

    def __init__(self, config: dict[str, Any], store: Store, windows: NDArray[np.uint8] | None = None,
                 hands: Sequence[Hand] = ()) -> None:  # fmt: skip
        self.store, self.windows, self.hands = store, windows, hands
        self.network = initialised(build_topdown(NetworkSettings.parse(config["model"])))
        self.size = config["data_cfg"]["image_size"][0]
        self.temperature = config["model"]["test_cfg"]["softmax_temperature"]
        chain = {block["type"]: block for block in config["dataset"]["train"]["pipeline"]}
        self.sigma = chain["TopDownGenerateTarget"]["sigma"]
        self._moves = [chain["TopDownRandomFlip"], SCALE_ROTATION, chain["TopDownAffine"]]
        self.normalise = NormalizeTensor(chain["NormalizeTensor"]["mean"], chain["NormalizeTensor"]["std"])

    def start_from(self, state: dict[str, Tensor]) -> None:
        """Take the weights of a checkpoint.

        Raises:
            CheckpointError: they are of another network.
        """
        load_weights(self.network, state, "the checkpoint to start from")

    def plain(self, places: Places) -> Tensor:
        """The stored crops at `places` (N, 3, S, S) as input of the network, without augmentation."""
        return self.normalise({"img": torch.from_numpy(self.store.images[places]).float() / 255})["img"]  # type: ignore[no-any-return]

    def size_at(self, progress: float) -> int:
        """Side of the crops, px, after a share `progress` of the run."""
        return min(SMALL, self.size) if progress < SMALL_SHARE else self.size

    def batch(self, places: Places, size: int, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Crops (N, 3, size, size), target (N, 21, size / 4, size / 4), target_weight (N, 21, 1)."""
        sigma = max(1.0, self.sigma * size / self.size)
        run = build_transforms([*self._moves, {"type": "TopDownGenerateTarget", "sigma": sigma}])
        samples = [run(_sample(*self.stored(place, rng), size, rng), rng) for place in places]
        images = torch.from_numpy(np.stack([sample["img"] for sample in samples])).permute(0, 3, 1, 2).float() / 255
        images = self.normalise({"img": blurred(rng, patched(rng, recolored(rng, images), PATCHED))})["img"]
        target, weight = (torch.from_numpy(np.stack([s[key] for s in samples])) for key in ("target", "target_weight"))
        return images.contiguous(memory_format=torch.channels_last), target, weight

    def stored(self, place: np.int64, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """The crop and the keypoints at `place`, or sometimes of a photograph, or a window without any."""
        if self.windows is not None and rng.random() < WINDOWS_SHARE:
            return self.windows[rng.integers(len(self.windows))], np.full(LABELS, OUTSIDE, np.float32)
        if self.hands and rng.random() < PHOTOGRAPHS_SHARE:
            return crop(rng, self.hands[rng.integers(len(self.hands))], self.store.images.shape[-1])
        return self.store.images[place], self.store.labels[place]

    def loss(self, places: Places, progress: float, rng: np.random.Generator) -> Tensor:
        """`heatmap_losses` of a batch; progress 0..1 is the share of the run that is done."""
        if progress >= FROZEN_FROM:
            self.network.eval()
        images, target, weight = self.batch(places, self.size_at(progress), rng)
        return heatmap_losses(self.network(images).float(), target, weight, self.temperature)


def initialised(network: TopDown) -> TopDown:
    """The network with weights to train from scratch; EasyCV's normal of 0.001 is meant for a pre-trained backbone."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    nn.init.normal_(network.keypoint_head.final_layer.weight, std=0.005)  # type: ignore[arg-type]
    return network


def _sample(image: np.ndarray, keypoints: np.ndarray, size: int, rng: np.random.Generator) -> dict[str, Any]:
    """A stored crop (3, S, S) as an image whose box, before `_cut`, is all of it, for the transforms."""
    side = image.shape[-1]
    image, keypoints, center = _cut(image, keypoints, rng)
    joints, visible = np.zeros(LABELS, np.float32), np.zeros(LABELS, np.float32)
    joints[:, :2] = keypoints[:, :2]
    visible[:] = keypoints[:, 2:] != OUTSIDE
    return {
        "img": np.ascontiguousarray(image.transpose(1, 2, 0)),
        "center": center,
        "scale": np.full(2, side / PIXEL_STD, np.float32),
        "joints_3d": joints,
        "joints_3d_visible": visible,
        "ann_info": {"image_size": (size, size), "heatmap_size": (size // STRIDE,) * 2, "flip_pairs": []},
    }


def _cut(
    image: np.ndarray, keypoints: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Let the image end inside the crop: what is left of it, the keypoints in it, and the centre of the box there."""
    side = image.shape[-1]
    low, high = np.zeros(2, int), np.full(2, side)  # x, y of what is left
    if rng.random() < CUT_CHANCE:
        axis, beyond = int(rng.integers(2)), int(rng.uniform(0, CUT) * side)
        if rng.random() < 0.5:
            low[axis] = beyond
        else:
            high[axis] = side - beyond
    padding = side / 2 * (1 - 1 / BOX_PADDING)
    center = (np.maximum(padding, low) + np.minimum(side - padding, high)) / 2
    inside = ((keypoints[:, :2] >= low) & (keypoints[:, :2] <= high - 1)).all(axis=1)
    moved = np.column_stack([keypoints[:, :2] - low, np.where(inside, keypoints[:, 2], OUTSIDE)])
    return image[:, low[1] : high[1], low[0] : high[0]], moved, np.asarray(center - low, np.float32)


def heatmap_losses(heatmaps: Tensor, target: Tensor, weight: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of softmax(temperature x heatmap) over its positions, and the mean squared error.

    The first learns many times faster from scratch, the second holds the floor at 0, and all of a heatmap where there
    is no hand: where no keypoint of the crop has a weight. heatmaps, target (N, K, H, W); weight (N, K, 1).
    """
    share = target.flatten(2)
    share = share / share.sum(-1, keepdim=True).clamp(min=1e-6)
    entropy = -(share * F.log_softmax(heatmaps.flatten(2) * temperature, -1)).sum(-1, keepdim=True)
    squared = _capped((heatmaps - target).square().flatten(2).mean(-1, keepdim=True), MOST_SQUARED)
    mean_entropy = (_capped(entropy, MOST_ENTROPY) * weight).sum() / weight.sum().clamp(min=1)
    empty = (weight.sum((1, 2)) == 0).float()
    on_empty = (squared.mean((1, 2)) * empty).sum() / empty.sum().clamp(min=1)
    return mean_entropy + SQUARED_WEIGHT * (squared * weight).mean() + EMPTY_WEIGHT * on_empty


def _capped(loss: Tensor, most: float) -> Tensor:
    """`loss`, or above `most` its logarithm with the same slope there: one extreme image does not decide a step."""
    return torch.where(loss < most, loss, most * (1 + (loss.clamp(min=most) / most).log()))
