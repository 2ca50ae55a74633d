"""COCO-WholeBody hands -> samples: one hand of one picture each, as the top-down transforms take it."""

import logging
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..errors import ConfigError, DatasetError, InputError
from ..geometry.boxes import box_to_center_scale
from ..skeleton import NUM_KEYPOINTS
from ..sources.images import load_image
from .json_stream import iterate_arrays

logger = logging.getLogger(__name__)

SIDES = ("left", "right")  # the order of the samples of one person
ON_BAD_IMAGE = ("raise", "skip")
NAMED_AT_MOST = 5  # file names in one message
DEFAULT_DATA_CFG = {"image_size": (256, 256), "heatmap_size": (64, 64), "num_joints": NUM_KEYPOINTS}

Sample = dict[str, Any]
Transform = Callable[[Sample, np.random.Generator], Sample]


@dataclass(frozen=True)
class HandAnnotations:
    """The valid hands of an annotation file, as arrays: about 310 bytes a hand, however large the file is.

    files: (P,) names of the pictures that have a hand; picture: (N,) index into ``files``; image_ids: (N,);
    boxes_xywh: (N, 4) float64; keypoints: (N, 21, 3) float32 x, y in picture pixels and confidence as annotated.
    """

    files: tuple[str, ...]
    picture: NDArray[np.int64]
    image_ids: NDArray[np.int64]
    boxes_xywh: NDArray[np.float64]
    keypoints: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.picture)

    def only(self, keep: NDArray[np.bool_]) -> "HandAnnotations":
        """The hands where ``keep`` (N,) is true."""
        rows = self.picture[keep], self.image_ids[keep], self.boxes_xywh[keep], self.keypoints[keep]
        return HandAnnotations(self.files, *rows)


def read_annotations(ann_file: str | Path) -> HandAnnotations:
    """Read the hands of a COCO-WholeBody annotation file, element by element.

    A hand counts when its person is no crowd, ``{side}hand_valid`` is true and a value of ``{side}hand_kpts`` is above
    0. The order is EasyCV's: pictures as listed, annotations as listed, left before right.

    Raises:
        MissingFileError: no such file.
        DatasetError: broken JSON, an annotation that cannot be used (named), or no valid hand at all.
    """
    names: dict[int, tuple[int, str]] = {}  # image id -> place in the list, file name
    ids, boxes, numbers = array("q"), array("d"), array("f")
    empty_boxes = 0
    for key, entry in iterate_arrays(ann_file, ("images", "annotations")):
        try:
            if key == "images":
                names[entry["id"]] = len(names), str(entry["file_name"])
                continue
            for box, keypoints in _hands(entry):
                if box[2] <= 0 or box[3] <= 0:
                    empty_boxes += 1
                    continue
                ids.append(entry["image_id"])
                boxes.extend(box)
                numbers.extend(keypoints)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            where = f"entry {entry.get('id')!r}" if isinstance(entry, dict) else f"an entry {str(entry)[:40]!r}"
            reason = f"no {error}" if isinstance(error, KeyError) else error
            raise DatasetError(f"{ann_file}: {key[:-1]} {where} cannot be used: {reason}.") from None
    if empty_boxes:
        logger.warning("%s: %d valid hands have an empty box and are left out.", ann_file, empty_boxes)
    if not ids:
        raise DatasetError(
            f"{ann_file} has no valid hand: none of its annotations has a true lefthand_valid or righthand_valid "
            "with keypoints, as COCO-WholeBody files have."
        )
    hands = np.frombuffer(numbers, np.float32).reshape(len(ids), NUM_KEYPOINTS, 3)
    return _table(str(ann_file), names, np.array(ids), np.frombuffer(boxes, np.float64).reshape(-1, 4), hands)


def _hands(annotation: dict[str, Any]) -> Iterator[tuple[list[float], list[float]]]:
    """(box, keypoints) of the valid hands of one person."""
    if annotation.get("iscrowd"):
        return
    for side in SIDES:
        if not annotation.get(f"{side}hand_valid"):
            continue
        box, keypoints = annotation[f"{side}hand_box"][:4], annotation[f"{side}hand_kpts"]
        if len(box) != 4 or len(keypoints) != 3 * NUM_KEYPOINTS or not np.isfinite([*box, *keypoints]).all():
            raise ValueError(f"{side}hand_box and {side}hand_kpts must be 4 and {3 * NUM_KEYPOINTS} finite numbers")
        if max(keypoints) > 0:
            yield box, keypoints


def _table(
    ann_file: str,
    names: dict[int, tuple[int, str]],
    image_ids: NDArray[np.int64],
    boxes: NDArray[np.float64],
    keypoints: NDArray[np.float32],
) -> HandAnnotations:
    """The hands in the order of their pictures."""
    missing = sorted(set(image_ids.tolist()) - set(names))
    if missing:
        raise DatasetError(
            f"{ann_file}: annotations of {len(missing)} pictures that it does not list, such as {missing[0]}."
        )
    place = np.array([names[i][0] for i in image_ids.tolist()], np.int64)
    order = np.argsort(place, kind="stable")
    used, picture = np.unique(place[order], return_inverse=True)
    by_place = dict(names.values())
    files = tuple(by_place[int(i)] for i in used)
    return HandAnnotations(files, picture.reshape(-1), image_ids[order], boxes[order], keypoints[order])


class HandCocoWholeBodyDataset(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """The hands of a COCO-WholeBody annotation file, one sample each.

    A sample is a dict with ``image_file``, ``image_id``, ``bbox_id`` (its index), ``bbox`` (4,) xywh, ``bbox_score``,
    ``center`` (2,), ``scale`` (2,), ``rotation`` (degrees), ``joints_3d`` (21, 3) x, y, 0 in picture pixels,
    ``joints_3d_visible`` (21, 3), ``flip_pairs``, ``ann_info`` and ``img`` (H, W, 3) uint8 RGB.

    Args:
        ann_file: annotation file. img_prefix: folder of the pictures.
        transform: ``transform(sample, rng) -> sample``; the random numbers of sample i in epoch e follow from
            (seed, e, i) alone, so a run repeats with any number of workers.
        data_cfg: ``image_size``, ``heatmap_size`` (width, height) and ``num_joints``.
        on_bad_image: "raise", or "skip": missing pictures are left out from the start and counted, broken ones give
            ``None`` when read (see `collate`) and are counted in `skipped`.
    Raises:
        MissingFileError, DatasetError: as `read_annotations`; also when pictures are missing (named and counted).
    """

    def __init__(
        self,
        ann_file: str | Path,
        img_prefix: str | Path,
        transform: Transform | None = None,
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
        for shared in (self._epoch, self._skipped):  # workers that persist see a new epoch, and report
            shared.share_memory_()  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        return len(self.annotations)

    def set_epoch(self, epoch: int) -> None:
        """Draw the random transforms of epoch ``epoch`` from now on."""
        self._epoch.fill_(epoch)

    @property
    def skipped(self) -> int:
        """Samples that were not delivered because their picture was broken, over all workers."""
        return int(self._skipped)

    def __getitem__(self, index: int) -> Sample | None:
        """Sample ``index`` through the transform, or None for a broken picture with ``on_bad_image="skip"``."""
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        sample = self.describe(index)
        try:
            sample["img"] = read_image(sample["image_file"])
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
        """Sample ``index`` before its picture is read: everything but ``img``."""
        hands = self.annotations
        width, height = self.ann_info["image_size"]
        box, keypoints = hands.boxes_xywh[index], hands.keypoints[index]
        center, scale = box_to_center_scale(box, aspect_ratio=width / height)
        joints, visible = np.zeros_like(keypoints), np.zeros_like(keypoints)
        joints[:, :2] = keypoints[:, :2]
        visible[:, :2] = np.minimum(1, keypoints[:, 2:])
        return {
            "image_file": str(Path(self.img_prefix) / hands.files[hands.picture[index]]),
            "image_id": int(hands.image_ids[index]),
            "bbox_id": index,
            "bbox": box.copy(),
            "bbox_score": 1.0,
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
        text = f"{len(missing)} of {len(hands.files)} pictures of {self.ann_file} are missing in {folder}: {names}"
        if self.on_bad_image == "raise":
            raise DatasetError(f"{text}; on_bad_image='skip' leaves them out.")
        kept = hands.only(~np.isin(hands.picture, missing))
        if not len(kept):
            raise DatasetError(f"{text}; no hand is left.")
        logger.warning("%s; %d of %d hands are left out.", text, len(hands) - len(kept), len(hands))
        return kept


def read_image(path: str | Path) -> NDArray[np.uint8]:
    """(H, W, 3) RGB of a picture file, as `sources.load_image` reads it.

    Raises:
        DatasetError: the file is missing, broken, no picture or too large; names it.
    """
    try:
        return np.ascontiguousarray(load_image(Path(path))[..., ::-1])
    except (InputError, OSError) as error:
        raise DatasetError(str(error)) from None


def collate(samples: list[Sample | None]) -> Sample | None:
    """Samples -> a batch: arrays and tensors are stacked, ``img_metas`` becomes a list, samples of None are left out.

    None if none is left.
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
