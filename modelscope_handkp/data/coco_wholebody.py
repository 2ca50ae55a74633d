"""COCO-WholeBody annotation files -> `HandAnnotations`, read entry by entry."""

import logging
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from ..skeleton import NUM_KEYPOINTS
from .annotations import HandAnnotations
from .json_stream import iterate_arrays

logger = logging.getLogger(__name__)

SIDES = ("left", "right")  # the order of the samples of one person


def read_annotations(ann_file: str | Path) -> HandAnnotations:
    """Read the hands of a COCO-WholeBody annotation file.

    A hand is valid when its person is no crowd, ``{side}hand_valid`` is true and a value of ``{side}hand_kpts`` is
    above 0. The order is EasyCV's: images as listed, annotations as listed, left before right.

    Raises:
        MissingFileError: no such file.
        DatasetError: broken JSON, an annotation that cannot be used (named), or no valid hand at all.
    """
    images: dict[int, tuple[int, str]] = {}  # id -> place in the list, file name
    ids, boxes, keypoints, left = array("q"), array("d"), array("f"), array("b")
    empty_boxes = 0
    for key, entry in iterate_arrays(ann_file, ("images", "annotations")):
        try:
            if not isinstance(entry, dict):
                raise TypeError("it is not an object")
            if key == "images":
                images[entry["id"]] = len(images), str(entry["file_name"])
                continue
            for side, box, points in _valid_hands(entry):
                if box[2] <= 0 or box[3] <= 0:
                    empty_boxes += 1
                    continue
                ids.append(entry["image_id"])
                boxes.extend(box)
                keypoints.extend(points)
                left.append(side == "left")
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
    return _by_image(
        str(ann_file),
        images,
        image_ids=np.array(ids),
        boxes_xywh=np.frombuffer(boxes, np.float64).reshape(-1, 4),
        keypoints=np.frombuffer(keypoints, np.float32).reshape(-1, NUM_KEYPOINTS, 3),
        is_left=np.frombuffer(left, np.bool_),
    )


def _valid_hands(annotation: dict[str, Any]) -> Iterator[tuple[str, list[float], list[float]]]:
    """(side, box, keypoints) of the valid hands of one person."""
    if annotation.get("iscrowd"):
        return
    for side in SIDES:
        if not annotation.get(f"{side}hand_valid"):
            continue
        box, keypoints = annotation[f"{side}hand_box"][:4], annotation[f"{side}hand_kpts"]
        if len(box) != 4 or len(keypoints) != 3 * NUM_KEYPOINTS or not np.isfinite([*box, *keypoints]).all():
            raise ValueError(f"{side}hand_box and {side}hand_kpts must be 4 and {3 * NUM_KEYPOINTS} finite numbers")
        if max(keypoints) > 0:
            yield side, box, keypoints


def _by_image(
    ann_file: str, images: dict[int, tuple[int, str]], image_ids: NDArray[np.int64], **columns: NDArray[Any]
) -> HandAnnotations:
    """The hands in the order of their images."""
    missing = sorted(set(image_ids.tolist()) - set(images))
    if missing:
        raise DatasetError(
            f"{ann_file}: annotations of {len(missing)} images that it does not list, such as {missing[0]}."
        )
    place = np.array([images[i][0] for i in image_ids.tolist()], np.int64)
    order = np.argsort(place, kind="stable")
    used, file_index = np.unique(place[order], return_inverse=True)
    name_at = dict(images.values())
    files = tuple(name_at[int(i)] for i in used)
    ordered = {name: column[order] for name, column in columns.items()}
    return HandAnnotations(files, file_index.reshape(-1), image_ids[order], **ordered)
