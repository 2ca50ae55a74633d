"""Which detector an ONNX file holds: exports of mmdeploy, ultralytics and YOLOX, told by names, shapes and metadata.

mmdeploy      dets (N, K, 5) and labels (N, K): RTMDet, as in rtmlib's hands, and YOLOX, as in its people
ultralytics   (N, 4 + classes, K), or after suppression (N, K, 6); also those of pose and segmentation, for their boxes
YOLOX         (N, K, 5 + classes), its own exports, whose boxes are decoded in the graph or not
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..engines.onnx_model import OnnxModel
from ..errors import CheckpointError, InputError
from ..model_dir.ssdlite_settings import IMAGENET_MEAN, IMAGENET_STD
from ..networks.yolox import BOX_CHANNELS
from .onnx_metadata import class_names, from_ultralytics, keypoint_values
from .onnx_outputs import ClassRows, FinalBoxes, Layout, PlaceRows, yolox_places

UPRIGHT = ("detect", "pose", "segment")  # ultralytics' tasks whose boxes have no angle
KNOWN = (
    "known are exports of mmdeploy (dets [N, K, 5], labels [N, K]), of ultralytics ([N, 4 + classes, K] or [N, K, 6]) "
    "and of YOLOX ([N, K, 5 + classes])"
)
SCORE_SLACK = 1e-3  # beyond 0 and 1, of float16


@dataclass(frozen=True)
class Convention:
    """How a family of detectors sees images, and its usual thresholds.

    rgb: order of the colours, else BGR. mean, std: of red, green and blue from 0 to 255. centred: as in `Letterbox`.
    score_threshold: the least score. iou_threshold: of the suppression. border: pixels that a box gains there on its
    right and lower side, 1 where its last pixel counts.
    """

    rgb: bool
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    centred: bool
    score_threshold: float
    iou_threshold: float
    border: int


ULTRALYTICS = Convention(True, (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), True, 0.25, 0.7, 0)
YOLOX = Convention(False, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), False, 0.3, 0.45, 1)
YOLOX_NORMALISED = replace(YOLOX, rgb=True, mean=IMAGENET_MEAN, std=IMAGENET_STD)  # YOLOX 0.1.0
RTMDET = replace(YOLOX, mean=IMAGENET_MEAN, std=IMAGENET_STD)


@dataclass(frozen=True)
class Format:
    """How a detector is asked and read.

    names: of its classes, where the file has them. classes: their number, None where the file does not tell.
    """

    convention: Convention
    layout: Layout
    names: list[str] | None
    classes: int | None


def recognise(
    model: OnnxModel, outputs: Sequence[Any], sides: tuple[int, int], normalised: bool | None = None
) -> Format:
    """The format of a detector.

    Args:
        outputs: arrays, what it gives for one image, without the axis for batches.
        sides: height and width of its input, pixels.
        normalised: as in `OnnxDetector.from_file`.
    Raises:
        CheckpointError: no format known here; the message lists the outputs. InputError: ``normalised`` for a detector
            of ultralytics.
    """
    names = class_names(model.metadata)
    layout = _layout(model, outputs, sides, names)
    if layout is None:
        found = ", ".join(f"{name} {[1, *output.shape]}" for name, output in zip(model.outputs, outputs))
        raise CheckpointError(f"{model.name} is no detector known here, its outputs are {found:.200}; {KNOWN}.")
    classes = layout.classes if names is None else len(names)
    if layout.classes not in (None, classes):
        raise CheckpointError(f"{model.name} names {classes} classes, its outputs have {layout.classes}.")
    return Format(_convention(model, layout, normalised), layout, names, classes)


def _layout(model: OnnxModel, outputs: Sequence[Any], sides: tuple[int, int], names: list[str] | None) -> Layout | None:
    if not all(output.dtype.kind in "fiu" for output in outputs):
        return None
    if any(output.size and not np.isfinite(output).any() for output in outputs):
        raise CheckpointError(f"{model.name} gives no number that is finite.")
    if {"dets", "labels"} <= set(model.outputs):
        return _dets_and_labels(model, outputs)
    if outputs[0].ndim != 2:
        return None
    if names is not None and from_ultralytics(model.metadata):
        return _ultralytics(model, outputs, len(names))
    return _by_shape(outputs[0], sides) if len(outputs) == 1 else None


def _convention(model: OnnxModel, layout: Layout, normalised: bool | None) -> Convention:
    if isinstance(layout, PlaceRows):
        return YOLOX_NORMALISED if normalised else YOLOX
    if isinstance(layout, FinalBoxes) and layout.labels is not None:
        if normalised is None:
            normalised = not slices_input(model)
        return RTMDET if normalised else YOLOX
    if normalised is not None:
        raise InputError(f"{model.name} is an export of ultralytics: normalised is for those of mmdeploy and YOLOX.")
    return ULTRALYTICS


def _dets_and_labels(model: OnnxModel, outputs: Sequence[Any]) -> Layout | None:
    names = list(model.outputs)
    rows, labels = names.index("dets"), names.index("labels")
    fits = outputs[rows].ndim == 2 and outputs[rows].shape[1] == 5 and outputs[labels].shape == outputs[rows].shape[:1]
    return FinalBoxes(rows, labels) if fits else None


def _ultralytics(model: OnnxModel, outputs: Sequence[Any], classes: int) -> Layout | None:
    """With metadata that says how many values a box has."""
    task = model.metadata.get("task", UPRIGHT[0])
    if task not in UPRIGHT:
        raise CheckpointError(
            f"{model.name} is made for the task {task!r:.40}; boxes are read of {', '.join(UPRIGHT)}."
        )
    more = keypoint_values(model.metadata) if task == "pose" else 0
    if task == "segment" and len(outputs) > 1 and outputs[1].ndim == 3:
        more = len(outputs[1])  # coefficients of the masks
    rows, columns = outputs[0].shape
    if columns == 6 + more and _are_classes(outputs[0][:, 5]):
        return FinalBoxes()
    return ClassRows(classes) if rows == 4 + classes + more else None


def _by_shape(output: Any, sides: tuple[int, int]) -> Layout | None:
    """Without metadata: the number of places, the same for YOLOX and ultralytics, tells rows from columns."""
    (rows, columns), count = output.shape, len(yolox_places(*sides)[0])
    if rows == count and columns > BOX_CHANNELS and _are_scores(output[:, BOX_CHANNELS - 1 :]):
        return PlaceRows(*sides, columns - BOX_CHANNELS, _are_decoded(output, sides))
    if columns == 6 and _are_classes(output[:, 5]):
        return FinalBoxes()
    if columns == count and rows > 4 and _are_scores(output[4:]):  # keypoints after the classes are no scores
        return ClassRows(rows - 4)
    return None


def _are_scores(values: Any) -> bool:
    return not ((values < -SCORE_SLACK) | (values > 1 + SCORE_SLACK)).any()


def _are_classes(values: Any) -> bool:
    return bool(((values >= 0) & (values == np.floor(values))).all())


def _are_decoded(output: Any, sides: tuple[int, int]) -> bool:
    """Whether the centres of YOLOX's rows (K, 5 + classes) are pixels of the input, not relative to their places.

    A graph with ``--decode_in_inference`` has the names and shapes of one without.
    """
    corners, strides = (part.numpy() for part in yolox_places(*sides))
    centres = np.asarray(output[:, :2], np.float32)
    from_place, from_origin = np.abs(centres / strides - corners), np.abs(centres)
    return bool(np.nanmedian(from_place) < np.nanmedian(from_origin))


def slices_input(model: OnnxModel) -> bool:
    """Whether a graph first slices its input, as YOLOX does, which takes colours from 0 to 255, and RTMDet does not."""
    import onnx

    images = set(model.inputs)
    for node in onnx.load_model_from_string(model.content).graph.node:
        if not images.isdisjoint(node.input):
            if node.op_type == "Slice":
                return True
            images |= set(node.output) if node.op_type == "Cast" else set()
    return False
