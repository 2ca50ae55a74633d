"""The transforms that configurations name: EasyCV's dict in, a new dict out, the caller's left alone.

Keys: ``img`` (H, W, 3) RGB image, later the crop, later a (3, H, W) float tensor; ``center`` (2,) image pixels;
``scale`` (2,) units of 200 pixels; ``rotation`` degrees; ``joints_3d``, ``joints_3d_visible`` (21, 3), image pixels,
after `TopDownAffine` crop pixels; ``ann_info`` with ``image_size``, ``heatmap_size`` (width, height), ``flip_pairs``.
Training adds ``target`` (21, h, w) and ``target_weight`` (21, 1).

Every transform is called with a numpy Generator, from which the random ones draw, so that a seed repeats a run.
"""

import functools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch

from ..errors import ConfigError, InputError
from ..geometry.affine import crop_matrix, warp_points
from .codec import HeatmapCodec

Sample = dict[str, Any]
SHIFT_REACH = 0.2  # of the box: how far the crop's centre moves at most


class Transform:
    """One step: ``transform(sample, rng=None)`` -> a new dict.

    Raises:
        InputError: the sample lacks a key of ``needs``.
    """

    needs: tuple[str, ...] = ()

    def __call__(self, sample: Sample, rng: np.random.Generator | None = None) -> Sample:
        """A new sample; without ``rng`` the random transforms draw anew each time."""
        missing = [key for key in self.needs if key not in sample]
        if missing:
            raise InputError(f"{type(self).__name__} needs {missing} in the sample; it has {sorted(sample)}.")
        return {**sample, **self.change(sample, np.random.default_rng() if rng is None else rng)}

    def change(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The keys that this transform sets."""
        raise AssertionError("a transform defines change()")


class TopDownAffine(Transform):
    """Cut the crop out of ``img`` and move the visible ``joints_3d`` along; samples without joints have none."""

    needs = ("img", "center", "scale", "ann_info")

    def __init__(self, use_udp: bool = False) -> None:
        if use_udp:
            raise ConfigError("TopDownAffine(use_udp=True) is not supported; the hosted model is trained without.")

    def change(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Sets ``img`` and, where there are joints, ``joints_3d``."""
        size = tuple(int(side) for side in sample["ann_info"]["image_size"])
        matrix = crop_matrix(sample["center"], sample["scale"], sample.get("rotation", 0), size)
        changed: Sample = {"img": cv2.warpAffine(sample["img"], matrix, size, flags=cv2.INTER_LINEAR)}
        if "joints_3d" in sample:
            joints = np.array(sample["joints_3d"], np.float32)
            visible = np.asarray(sample["joints_3d_visible"])[:, 0] > 0
            joints[visible, :2] = warp_points(joints[visible, :2], matrix)
            changed["joints_3d"] = joints
        return changed


class MMToTensor(Transform):
    """``img`` (H, W, 3) of 0..255 -> float tensor (3, H, W) of 0..1."""

    needs = ("img",)

    def change(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Sets ``img``."""
        img = np.ascontiguousarray(sample["img"].transpose(2, 0, 1))
        return {"img": torch.from_numpy(img).float().div_(255)}


class NormalizeTensor(Transform):
    """``img`` tensor -> (img - mean) / std, a value each channel."""

    needs = ("img",)

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        if len(mean) != 3 or len(std) != 3 or not all(value > 0 for value in std):
            raise ConfigError(f"NormalizeTensor needs three means and three positive stds, got {mean} and {std}.")
        self.mean = torch.tensor(mean, dtype=torch.float32)[:, None, None]
        self.std = torch.tensor(std, dtype=torch.float32)[:, None, None]

    def change(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Sets ``img``."""
        return {"img": (sample["img"] - self.mean) / self.std}


class PoseCollect(Transform):
    """Keep ``keys``, and ``meta_keys`` under ``meta_name``; a pair (key, name) renames. ``bbox_id`` goes along."""

    def __init__(self, keys: Sequence[Any], meta_keys: Sequence[Any], meta_name: str = "img_metas") -> None:
        self.keys, self.meta_keys, self.meta_name = keys, meta_keys, meta_name

    def __call__(self, sample: Sample, rng: np.random.Generator | None = None) -> Sample:
        """A new sample with the chosen keys alone."""
        known = {**sample, **sample.get("ann_info", {})}
        meta = self._pick(known, self.meta_keys)
        if "bbox_id" in sample:
            meta["bbox_id"] = sample["bbox_id"]
        return {**self._pick(known, self.keys), self.meta_name: meta}

    @staticmethod
    def _pick(known: Sample, keys: Sequence[Any]) -> Sample:
        pairs = [(key, key) if isinstance(key, str) else tuple(key) for key in keys]
        missing = [key for key, _ in pairs if key not in known]
        if missing:
            raise InputError(f"PoseCollect is told to keep {missing}; the sample has {sorted(known)}.")
        return {name: known[key] for key, name in pairs}


class TopDownRandomFlip(Transform):
    """Mirror image, joints and centre with probability ``flip_prob``."""

    needs = ("img", "joints_3d", "joints_3d_visible", "center", "ann_info")

    def __init__(self, flip_prob: float = 0.5) -> None:
        self.flip_prob = flip_prob

    def change(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Sets ``flipped`` and, if so, ``img``, ``joints_3d``, ``joints_3d_visible`` and ``center``."""
        if rng.random() > self.flip_prob:
            return {"flipped": False}
        img, visible = sample["img"][:, ::-1], np.array(sample["joints_3d_visible"], np.float32)
        joints, center = np.array(sample["joints_3d"], np.float32), np.array(sample["center"], np.float32)
        for left, right in sample["ann_info"].get("flip_pairs", ()):
            joints[[left, right]], visible[[left, right]] = joints[[right, left]], visible[[right, left]]
        last = img.shape[1] - 1
        joints[:, 0], center[0] = last - joints[:, 0], last - center[0]
        joints[visible[:, 0] <= 0] = 0
        return {"img": img, "joints_3d": joints, "joints_3d_visible": visible, "center": center, "flipped": True}


class TopDownGetRandomScaleRotation(Transform):
    """Zoom by a normal around 1, cut at +-``scale_factor``; rotate by a normal cut at +-2 ``rot_factor`` degrees."""

    needs = ("scale",)

    def __init__(self, rot_factor: float = 40, scale_factor: float = 0.5, rot_prob: float = 0.6) -> None:
        self.rot_factor, self.scale_factor, self.rot_prob = rot_factor, scale_factor, rot_prob

    def change(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Sets ``scale`` and ``rotation``."""
        zoom = np.clip(1 + rng.normal() * self.scale_factor, 1 - self.scale_factor, 1 + self.scale_factor)
        degrees = np.clip(rng.normal() * self.rot_factor, -2 * self.rot_factor, 2 * self.rot_factor)
        rotates = rng.random() <= self.rot_prob
        return {"scale": sample["scale"] * np.float32(zoom), "rotation": float(degrees) if rotates else 0.0}


class TopDownRandomShiftBboxCenter(Transform):
    """With probability ``prob`` move the crop's centre by up to `SHIFT_REACH` of ``bbox`` (4,) xywh each way."""

    needs = ("center", "bbox")

    def __init__(self, prob: float = 0.3) -> None:
        self.prob = prob

    def change(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Sets ``center``, or nothing."""
        if rng.random() >= self.prob:
            return {}
        shift = rng.uniform(-SHIFT_REACH, SHIFT_REACH, 2) * np.asarray(sample["bbox"])[2:4]
        return {"center": np.asarray(sample["center"] + shift, np.float32)}


class TopDownGenerateTarget(Transform):
    """``joints_3d`` in the crop -> ``target``, ``target_weight`` (`HeatmapCodec.encode`)."""

    needs = ("joints_3d", "joints_3d_visible", "ann_info")

    def __init__(self, sigma: float = 2, encoding: str = "MSRA", unbiased_encoding: bool = False) -> None:
        if encoding != "MSRA":
            raise ConfigError(f"TopDownGenerateTarget(encoding={encoding!r}) is not supported; use 'MSRA'.")
        self.sigma, self.unbiased = sigma, unbiased_encoding

    def change(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """Sets ``target`` and ``target_weight``."""
        info = sample["ann_info"]
        sizes = (tuple(int(side) for side in info[key]) for key in ("image_size", "heatmap_size"))
        target, weight = _codec(*sizes, self.sigma, self.unbiased).encode(
            sample["joints_3d"], sample["joints_3d_visible"]
        )
        return {"target": target, "target_weight": weight}


_codec = functools.cache(HeatmapCodec)  # one for all samples of a data set


TRANSFORMS: dict[str, type[Transform]] = {
    transform.__name__: transform
    for transform in (
        TopDownAffine,
        MMToTensor,
        NormalizeTensor,
        PoseCollect,
        TopDownRandomFlip,
        TopDownGetRandomScaleRotation,
        TopDownRandomShiftBboxCenter,
        TopDownGenerateTarget,
    )
}


class Chain:
    """Transforms one after the other: ``chain(sample, rng=None)`` -> a new dict. It pickles, for loaders' workers."""

    def __init__(self, steps: Sequence[Transform]) -> None:
        self.steps = steps

    def __call__(self, sample: Sample, rng: np.random.Generator | None = None) -> Sample:
        """The sample after the last transform."""
        for step in self.steps:
            sample = step(sample, rng)
        return sample


def build_transforms(chain: Sequence[dict[str, Any]]) -> Chain:
    """The chain that a configuration names: ``[{"type": "TopDownAffine"}, ...]``.

    Raises:
        ConfigError: an unknown transform or argument, named.
    """
    if not isinstance(chain, (list, tuple)):
        raise ConfigError(f"a chain of transforms is a list, got {chain!r:.80}.")
    return Chain([_build(block) for block in chain])


def _build(block: dict[str, Any]) -> Transform:
    arguments = dict(block) if isinstance(block, dict) else {"type": block}
    name = arguments.pop("type", None)
    if not isinstance(name, str) or name not in TRANSFORMS:
        raise ConfigError(f"transform {name!r:.80} is not known; known are {sorted(TRANSFORMS)}.")
    try:
        return TRANSFORMS[name](**arguments)
    except ConfigError:
        raise
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        raise ConfigError(f"transform {name} cannot be built: {error}.") from None
