"""`HandDataset`: annotated hands as a torch data set, one hand of one image a sample."""

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..arrays import Image
from ..errors import ConfigError, DatasetError, InputError
from ..geometry.boxes import are_outside, box_to_center_scale
from ..pose.transforms import Sample
from ..skeleton import NUM_KEYPOINTS
from ..sources.images import load_image
from .annotations import AnnotatedImage, HandAnnotations, read_annotations
from .entries import LEFT, UNKNOWN_SIDE

logger = logging.getLogger(__name__)

ON_BAD_IMAGE = ("raise", "skip")
NAMED_AT_MOST = 5  # file names in one message
DEFAULT_DATA_CFG = {"image_size": (256, 256), "heatmap_size": (64, 64), "num_joints": NUM_KEYPOINTS}


class HandDataset(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """The hands of an annotation file (`read_annotations`), one sample each.

    A sample is a dict with ``image_file``, ``image_id``, ``annotation_id``, ``category_id``, ``bbox_id`` (its index),
    ``bbox`` (4,) xywh, ``bbox_score``, ``area``, ``ignored`` (the `IgnoredRegion`s of its image), ``is_left`` (None
    where it is not known), ``center`` (2,), ``scale`` (2,), ``rotation`` (degrees), ``joints_3d`` (21, 3) x, y, 0 in
    image pixels, ``joints_3d_visible`` (21, 3), ``flip_pairs``, ``ann_info`` and ``img`` (H, W, 3) uint8 RGB. The image
    is the one that was annotated: of the width and height that the file states, and read unrotated if those are the
    size before its EXIF rotation.

    Args:
        ann_file: annotation file. img_prefix: folder of the images.
        transform: ``transform(sample, rng) -> sample``; the random numbers of sample i in epoch e follow from
            (seed, e, i) alone, so a run repeats with any number of workers.
        data_cfg: ``image_size``, ``heatmap_size`` (width, height) and ``num_joints``.
        on_bad_image: "raise", or "skip": missing images, and hands whose box lies outside the stated size, are left
            out from the start and counted; images that are broken, of another size or without the hand's box give
            ``None`` when read (see `collate`) and are counted in `skipped`.
        seed: of the random numbers that ``transform`` gets.
    Raises:
        ConfigError: an unknown ``on_bad_image``, or ``num_joints`` other than 21.
        MissingFileError, DatasetError: as `read_annotations`; also when images are missing or boxes lie outside them
            (named and counted).
    """

    def __init__(
        self,
        ann_file: str | Path,
        img_prefix: str | Path,
        transform: Callable[[Sample, np.random.Generator], Sample] | None = None,
        data_cfg: Mapping[str, Any] | None = None,
        on_bad_image: str = "raise",
        seed: int = 0,
    ) -> None:
        for name, path in (("ann_file", ann_file), ("img_prefix", img_prefix)):
            if not isinstance(path, (str, os.PathLike)):
                raise ConfigError(f"{name} must be a path, got {path!r:.80}.")
        if not isinstance(data_cfg or {}, Mapping):
            raise ConfigError(f"data_cfg must be an object of names and values, got {data_cfg!r:.80}.")
        if on_bad_image not in ON_BAD_IMAGE:
            raise ConfigError(f"on_bad_image must be one of {ON_BAD_IMAGE}, got {on_bad_image!r}.")
        self.ann_file, self.img_prefix = str(ann_file), str(img_prefix)
        self.transform, self.on_bad_image, self.seed = transform, on_bad_image, seed
        self.ann_info = _ann_info({**DEFAULT_DATA_CFG, **(data_cfg or {})})
        self.annotations = self._within_images(self._without_missing(read_annotations(ann_file)))
        self._epoch = torch.zeros((), dtype=torch.int64)
        self._skipped = torch.zeros((), dtype=torch.int64)
        for shared in (self._epoch, self._skipped):  # so that persistent workers see a new epoch, and can count
            shared.share_memory_()  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return len(self.annotations)

    def set_epoch(self, epoch: int) -> None:
        """Draw the random transforms of epoch ``epoch`` from now on."""
        self._epoch.fill_(epoch)

    @property
    def skipped(self) -> int:
        """Samples that were not delivered because their image could not be used, over all workers and epochs."""
        return int(self._skipped)

    def __getitem__(self, index: int) -> Sample | None:
        """Sample ``index`` through the transform, or None for a bad image with ``on_bad_image="skip"``.

        Raises:
            IndexError: no such sample. DatasetError: the image cannot be read, or is not the one that was annotated.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        sample = self.describe(index)
        try:
            sample["img"] = read_rgb(sample["image_file"], _stated_size(self._image_of(index)))
            _check_inside(sample)
        except DatasetError as error:
            if self.on_bad_image == "raise":
                raise
            self._skipped += 1
            logger.warning("left out: %s", error)
            return None
        if self.transform is None:
            return sample
        return self.transform(sample, np.random.default_rng([self.seed, int(self._epoch), index]))

    def describe(self, index: int) -> Sample:
        """Sample ``index`` before its image is read: everything but ``img``."""
        hands = self.annotations
        width, height = self.ann_info["image_size"]
        box, keypoints, image = hands.boxes_xywh[index], hands.keypoints[index], self._image_of(index)
        center, scale = box_to_center_scale(box, aspect_ratio=width / height)
        joints, visible = np.zeros_like(keypoints), np.zeros_like(keypoints)
        joints[:, :2] = keypoints[:, :2]
        visible[:, :2] = np.clip(keypoints[:, 2:], 0, 1)
        return {
            "image_file": str(Path(self.img_prefix) / image.file),
            "image_id": image.id,
            "annotation_id": hands.annotation_ids[index],
            "category_id": hands.category_ids[index],
            "bbox_id": index,
            "bbox": box.copy(),
            "bbox_score": 1.0,
            "area": float(hands.areas[index]),
            "ignored": hands.ignored.get(int(hands.image_index[index]), []),
            "is_left": None if hands.is_left[index] == UNKNOWN_SIDE else bool(hands.is_left[index] == LEFT),
            "center": center,
            "scale": scale,
            "rotation": 0.0,
            "joints_3d": joints,
            "joints_3d_visible": visible,
            "flip_pairs": [],
            "ann_info": self.ann_info,
        }

    def _image_of(self, index: int) -> AnnotatedImage:
        return self.annotations.images[int(self.annotations.image_index[index])]

    def _without_missing(self, hands: HandAnnotations) -> HandAnnotations:
        folder = self.img_prefix
        # Path.is_file raises on a name that is too long
        there = [os.path.isfile(Path(folder) / image.file) for image in hands.images]  # noqa: PTH113
        missing = np.flatnonzero(~np.array(there))
        what = f"{len(missing)} of {len(hands.images)} images of {self.ann_file} are missing in {folder}"
        return self._without(hands, np.isin(hands.image_index, missing), what)

    def _within_images(self, hands: HandAnnotations) -> HandAnnotations:
        sizes = np.array([_stated_size(image) or (np.inf, np.inf) for image in hands.images])[hands.image_index]
        outside = are_outside(hands.boxes_xywh, sizes)
        what = f"{outside.sum()} of {len(hands)} boxes of {self.ann_file} lie outside their image"
        return self._without(hands, outside, what)

    def _without(self, hands: HandAnnotations, bad: NDArray[np.bool_], what: str) -> HandAnnotations:
        """The hands that are not ``bad`` (N,), of which ``what`` says how many there are and why."""
        if not bad.any():
            return hands
        files = [hands.images[index].file for index in np.unique(hands.image_index[bad])]
        what += f": {', '.join(files[:NAMED_AT_MOST])}{', ...' if len(files) > NAMED_AT_MOST else ''}"
        if self.on_bad_image == "raise":
            raise DatasetError(f"{what}; on_bad_image='skip' (--skip-bad-images) leaves them out.")
        if bad.all():
            raise DatasetError(f"{what}; no hand is left.")
        logger.warning("%s; %d of %d hands are left out.", what, bad.sum(), len(hands))
        return hands.only(~bad)


def read_rgb(path: str | Path, size: tuple[int, int] | None = None) -> Image:
    """(H, W, 3) uint8 RGB of an image file, read as `sources.images.load_image` reads it, of that ``size`` if given.

    Raises:
        DatasetError: the file is missing, broken, no image, too large or of another size; names it.
    """
    try:
        return np.ascontiguousarray(load_image(Path(path), size)[..., ::-1])
    except (InputError, OSError) as error:
        raise DatasetError(str(error)) from None


def collate(samples: list[Sample | None]) -> Sample | None:
    """Samples -> a batch: arrays, numbers and tensors are stacked, anything else, and what some lack, becomes a list.

    Samples of None (broken images) are left out; None if none is left.
    """
    kept = [sample for sample in samples if sample is not None]
    if not kept:
        return None
    batch: Sample = {}
    for key in kept[0]:
        values = [sample[key] for sample in kept]
        if isinstance(values[0], torch.Tensor):
            batch[key] = torch.stack(values)
        elif all(isinstance(value, (np.ndarray, np.generic, int, float)) for value in values):
            stacked = np.stack(values)
            batch[key] = values if stacked.dtype.kind == "O" else torch.from_numpy(stacked)  # an id beyond 64 bits
        else:
            batch[key] = values
    return batch


def _stated_size(image: AnnotatedImage) -> tuple[int, int] | None:
    return (image.width, image.height) if image.width and image.height else None


def _check_inside(sample: Sample) -> None:
    height, width = sample["img"].shape[:2]
    if are_outside(sample["bbox"][None], (width, height)).any():
        box = ", ".join(f"{value:g}" for value in sample["bbox"])
        raise DatasetError(
            f"{sample['image_file']} has {width} x {height} pixels and the box of a hand, {box} (xywh), lies outside: "
            "it is not the image that was annotated."
        )


def _ann_info(data_cfg: Mapping[str, Any]) -> dict[str, Any]:
    for key in ("image_size", "heatmap_size"):
        size = data_cfg[key]
        if not isinstance(size, (list, tuple)) or len(size) != 2 or not all(_is_side(side) for side in size):
            raise ConfigError(f"data_cfg.{key} must be width and height, two whole numbers above 0, got {size!r:.80}.")
    if data_cfg["num_joints"] != NUM_KEYPOINTS:
        raise ConfigError(f"data_cfg.num_joints is {data_cfg['num_joints']!r:.80}, a hand has {NUM_KEYPOINTS}.")
    return {
        "image_size": np.array(data_cfg["image_size"]),
        "heatmap_size": np.array(data_cfg["heatmap_size"]),
        "num_joints": NUM_KEYPOINTS,
        "joint_weights": np.ones((NUM_KEYPOINTS, 1), np.float32),
        "use_different_joint_weights": False,
        "flip_pairs": [],  # a hand has no left and right keypoints
    }


def _is_side(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and bool(value > 0)
