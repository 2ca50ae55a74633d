"""`HandDataset`: annotated hands as a torch data set, one hand of one image a sample."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..arrays import Image
from ..errors import ConfigError, DatasetError, InputError
from ..geometry.boxes import box_to_center_scale
from ..pose.transforms import Sample
from ..skeleton import NUM_KEYPOINTS
from ..sources.images import load_image
from .annotations import HandAnnotations
from .coco_wholebody import read_annotations

logger = logging.getLogger(__name__)

ON_BAD_IMAGE = ("raise", "skip")
NAMED_AT_MOST = 5  # file names in one message
DEFAULT_DATA_CFG = {"image_size": (256, 256), "heatmap_size": (64, 64), "num_joints": NUM_KEYPOINTS}


class HandDataset(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """The hands of a COCO-WholeBody annotation file, one sample each.

    A sample is a dict with ``image_file``, ``image_id``, ``bbox_id`` (its index), ``bbox`` (4,) xywh, ``bbox_score``,
    ``is_left``, ``center`` (2,), ``scale`` (2,), ``rotation`` (degrees), ``joints_3d`` (21, 3) x, y, 0 in image
    pixels, ``joints_3d_visible`` (21, 3), ``flip_pairs``, ``ann_info`` and ``img`` (H, W, 3) uint8 RGB.

    Args:
        ann_file: annotation file. img_prefix: folder of the images.
        transform: ``transform(sample, rng) -> sample``; the random numbers of sample i in epoch e follow from
            (seed, e, i) alone, so a run repeats with any number of workers.
        data_cfg: ``image_size``, ``heatmap_size`` (width, height) and ``num_joints``.
        on_bad_image: "raise", or "skip": missing images are left out from the start and counted, broken ones give
            ``None`` when read (see `collate`) and are counted in `skipped`.
        seed: of the random numbers that ``transform`` gets.
    Raises:
        ConfigError: an unknown ``on_bad_image``, or ``num_joints`` other than 21.
        MissingFileError, DatasetError: as `read_annotations`; also when images are missing (named and counted).
    """

    def __init__(
        self,
        ann_file: str | Path,
        img_prefix: str | Path,
        transform: Callable[[Sample, np.random.Generator], Sample] | None = None,
        data_cfg: dict[str, Any] | None = None,
        on_bad_image: str = "raise",
        seed: int = 0,
    ) -> None:
        if on_bad_image not in ON_BAD_IMAGE:
            raise ConfigError(f"on_bad_image must be one of {ON_BAD_IMAGE}, got {on_bad_image!r}.")
        self.ann_file, self.img_prefix = str(ann_file), str(img_prefix)
        self.transform, self.on_bad_image, self.seed = transform, on_bad_image, seed
        self.ann_info = _ann_info({**DEFAULT_DATA_CFG, **(data_cfg or {})})
        self.annotations = self._without_missing(read_annotations(ann_file))
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
        """Samples that were not delivered because their image was broken, over all workers and epochs."""
        return int(self._skipped)

    def __getitem__(self, index: int) -> Sample | None:
        """Sample ``index`` through the transform, or None for a broken image with ``on_bad_image="skip"``.

        Raises:
            IndexError: no such sample. DatasetError: the image cannot be read.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        sample = self.describe(index)
        try:
            sample["img"] = read_rgb(sample["image_file"])
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
        box, keypoints = hands.boxes_xywh[index], hands.keypoints[index]
        center, scale = box_to_center_scale(box, aspect_ratio=width / height)
        joints, visible = np.zeros_like(keypoints), np.zeros_like(keypoints)
        joints[:, :2] = keypoints[:, :2]
        visible[:, :2] = np.minimum(1, keypoints[:, 2:])
        return {
            "image_file": str(Path(self.img_prefix) / hands.files[hands.file_index[index]]),
            "image_id": int(hands.image_ids[index]),
            "bbox_id": index,
            "bbox": box.copy(),
            "bbox_score": 1.0,
            "is_left": bool(hands.is_left[index]),
            "center": center,
            "scale": scale,
            "rotation": 0.0,
            "joints_3d": joints,
            "joints_3d_visible": visible,
            "flip_pairs": [],
            "ann_info": self.ann_info,
        }

    def _without_missing(self, hands: HandAnnotations) -> HandAnnotations:
        folder = Path(self.img_prefix)
        missing = [index for index, name in enumerate(hands.files) if not (folder / name).is_file()]
        if not missing:
            return hands
        names = ", ".join(hands.files[index] for index in missing[:NAMED_AT_MOST])
        names += ", ..." if len(missing) > NAMED_AT_MOST else ""
        text = f"{len(missing)} of {len(hands.files)} images of {self.ann_file} are missing in {folder}: {names}"
        if self.on_bad_image == "raise":
            raise DatasetError(f"{text}; on_bad_image='skip' leaves them out.")
        kept = hands.only(~np.isin(hands.file_index, missing))
        if not len(kept):
            raise DatasetError(f"{text}; no hand is left.")
        logger.warning("%s; %d of %d hands are left out.", text, len(hands) - len(kept), len(hands))
        return kept


def read_rgb(path: str | Path) -> Image:
    """(H, W, 3) uint8 RGB of an image file, read as `sources.images.load_image` reads it.

    Raises:
        DatasetError: the file is missing, broken, no image or too large; names it.
    """
    try:
        return np.ascontiguousarray(load_image(Path(path))[..., ::-1])
    except (InputError, OSError) as error:
        raise DatasetError(str(error)) from None


def collate(samples: list[Sample | None]) -> Sample | None:
    """Samples -> a batch: arrays, numbers and tensors are stacked, anything else becomes a list.

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
        elif isinstance(values[0], (np.ndarray, np.generic, int, float)):
            batch[key] = torch.from_numpy(np.stack(values))
        else:
            batch[key] = values
    return batch


def _ann_info(data_cfg: dict[str, Any]) -> dict[str, Any]:
    if data_cfg["num_joints"] != NUM_KEYPOINTS:
        raise ConfigError(f"data_cfg.num_joints is {data_cfg['num_joints']}, a hand has {NUM_KEYPOINTS}.")
    return {
        "image_size": np.array(data_cfg["image_size"]),
        "heatmap_size": np.array(data_cfg["heatmap_size"]),
        "num_joints": NUM_KEYPOINTS,
        "joint_weights": np.ones((NUM_KEYPOINTS, 1), np.float32),
        "use_different_joint_weights": False,
        "flip_pairs": [],  # a hand has no left and right keypoints
    }
