"""Detectors of hands that people already have, as ONNX files: exports of mmdeploy, ultralytics and YOLOX."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..arrays import Array, Image
from ..checks import check_count, check_threshold
from ..engines.base import Engine
from ..engines.device import pick_device
from ..engines.onnx_model import OnnxModel
from ..engines.onnxruntime import OnnxRuntimeEngine
from ..errors import CheckpointError, HandkpError, InputError
from ..geometry.boxes import MAX_COORDINATE, clip_boxes, nms
from ..model_dir.yolox_settings import INPUT_STEP
from .base import Detection
from .letterbox import Letterbox, Letterboxed
from .onnx_formats import KNOWN, SCORE_SLACK, Format, recognise
from .onnx_metadata import MAX_SIDE, from_ultralytics, hand_index, input_sides, stride
from .onnx_outputs import FinalBoxes, Indices
from .yolox import AT_MOST, CANDIDATES

logger = logging.getLogger(__name__)

SUFFIX = ".onnx"
DEFAULT_SIDE = 640  # pixels of a square input, which most detectors are trained on
TRIAL_SEED, TRIAL_SHAPE = 0, (16, 16, 3)  # of an image of colours


class OnnxDetector:
    """Finds the hands of images with a detector in an ONNX file. Threads may share one.

    Images go through one by one: of exports that accept batches, many are right for the first image alone.

    Args:
        engine: runs it.
        name: what errors call it.
        letterbox: puts images into its input.
        form: how it is asked and read.
        hand: the class of the hand; None: there is one class only.
        score_threshold: the least score; boxes must lie above it.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        letterbox: Letterbox,
        form: Format,
        hand: int | None,
        score_threshold: float,
    ) -> None:
        self.engine, self.name, self.score_threshold, self.hand_class = engine, name, score_threshold, hand
        self.format, self._letterbox = form, letterbox

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        score_threshold: float | None = None,
        hand_class: int | str | None = None,
        input_size: int | None = None,
        normalised: bool | None = None,
        device: str | torch.device | None = None,
    ) -> "OnnxDetector":
        """The detector in an ONNX file; it is run twice to see what it gives.

        Args:
            path: an export of mmdeploy, ultralytics or YOLOX, as `onnx_formats` tells them.
            score_threshold: None: 0.25 for ultralytics, 0.3 for the others. A suppression in the graph has a threshold
                of its own, too.
            hand_class: which of its classes is the hand, the index from 0 or the name. None: the only class, or the one
                that is named hand.
            input_size: pixels to which the longer side of an image is scaled, for a file that takes any; a multiple of
                32. None: what ultralytics wrote into the file, else 640.
            normalised: whether the network takes colours with ImageNet's mean and standard deviation. None: mmdeploy's
                RTMDet does, YOLOX does not; weights of YOLOX 0.1.0, whose files look the same, do.
            device: None takes a GPU where there is one and ONNX Runtime can use it.
        Raises:
            MissingFileError, CheckpointError: the file is not there, not safe to run, or no detector known here.
            InputError: an argument that does not fit the file. MissingPackageError: onnx or onnxruntime.
        """
        check_threshold("score_threshold", score_threshold)
        path = Path(path)
        if path.suffix.lower() != SUFFIX:
            raise InputError(
                f"{path} is no {SUFFIX} file, which detectors are read from; for ultralytics, "
                "`yolo export model=best.pt format=onnx` writes one."
            )
        model = OnnxModel.read(path)
        sides, step = _input(model, input_size)
        engine = _engine(model, pick_device(device))
        noise = torch.rand(1, 3, *sides, generator=torch.Generator().manual_seed(TRIAL_SEED))
        outputs = _run(engine, noise, model.name)
        form = recognise(model, outputs, sides, normalised)
        hand = hand_index(hand_class, form.names, form.classes, model.name)
        letterbox = Letterbox(*sides, form.convention.centred, step)
        threshold = form.convention.score_threshold if score_threshold is None else score_threshold
        detector = cls(engine, model.name, letterbox, form, hand, threshold)
        detector(np.random.default_rng(TRIAL_SEED).integers(0, 256, TRIAL_SHAPE, np.uint8))
        return detector

    def detect(self, images: Sequence[Image]) -> list[Detection]:
        """Images (H, W, 3) uint8 BGR -> boxes (N, 4) xyxy inside each image and scores (N,), best first; N may be 0.

        Raises:
            InputError: what the detector gives shows that it does not fit; the message says why.
        """
        return [self(image) for image in images]

    def __call__(self, image: Image) -> Detection:
        """`detect` for one image."""
        place = self._letterbox(image)
        outputs = _run(self.engine, self._network_input(place.input), self.name)
        return self._in_image(*self._candidates(outputs), place, image)

    def _network_input(self, image: Image) -> Tensor:
        """(H, W, 3) uint8 BGR -> (1, 3, H, W) float32 as the network takes it."""
        convention, step = self.format.convention, -1 if self.format.convention.rgb else 1
        channels = image[..., ::step].transpose(2, 0, 1).astype(np.float32, order="C")
        for values, change in ((convention.mean, np.subtract), (convention.std, np.divide)):
            change(channels, np.array(values[::-step], np.float32).reshape(3, 1, 1), out=channels)
        return torch.from_numpy(channels)[None]

    def _candidates(self, outputs: Sequence[Any]) -> Detection:
        """The outputs for an image -> boxes in input pixels and scores above the threshold, best first."""
        layout = self.format.layout
        try:
            with np.errstate(invalid="ignore", over="ignore"):
                scores = layout.scores(outputs, self.hand_class)
                chosen = best_of(scores, self.score_threshold)
                boxes, scores = layout.boxes(outputs, chosen), scores[chosen]
        except HandkpError:
            raise
        except (IndexError, ValueError):
            shapes = [list(output.shape) for output in outputs]
            raise InputError(f"{self.name} gives outputs of other shapes than when it was loaded: {shapes}.") from None
        if len(scores) and scores[0] > 1 + SCORE_SLACK:
            raise InputError(f"{self.name} gives a score of {scores[0]:g}; scores lie between 0 and 1.")
        usable = (np.abs(boxes) < MAX_COORDINATE).all(1)  # and none is NaN
        return boxes[usable], np.minimum(scores[usable], np.float32(1))

    def _in_image(self, boxes: Array, scores: Array, place: Letterboxed, image: Image) -> Detection:
        """Candidates, best first -> the detection of an image."""
        boxes, convention = place.in_image(boxes), self.format.convention
        if not isinstance(self.format.layout, FinalBoxes):
            kept = nms(boxes + np.array([0, 0, *[convention.border] * 2]), scores, convention.iou_threshold)
            boxes, scores = boxes[kept], scores[kept]
        boxes = clip_boxes(boxes, image.shape[1], image.shape[0])
        inside = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(1))[:AT_MOST]
        return boxes[inside], scores[inside]


def best_of(scores: Array, threshold: float) -> Indices:
    """Indices of the scores (K,) above a threshold, best first, of any number the best `CANDIDATES`."""
    chosen = np.flatnonzero(scores > threshold)
    if len(chosen) > CANDIDATES:
        chosen = chosen[np.argpartition(-scores[chosen], CANDIDATES)[:CANDIDATES]]
    return chosen[np.argsort(-scores[chosen], kind="stable")]


def _input(model: OnnxModel, input_size: int | None) -> tuple[tuple[int, int], int | None]:
    """Height and width of the input in pixels, and `Letterbox.step`."""
    shapes = list(model.inputs.values())
    if len(shapes) != 1 or len(shapes[0]) != 4 or shapes[0][1] not in (3, None):
        found = ", ".join(f"{name} {list(shape)}" for name, shape in model.inputs.items())
        raise CheckpointError(f"{model.name} must take images [N, 3, height, width], it takes {found:.200}.")
    batch, _, height, width = shapes[0]
    if batch not in (1, None):
        raise CheckpointError(f"{model.name} takes {batch} images at once: export it for one, or for any number.")
    step = None
    if height is None or width is None:
        height, width, step = _chosen_sides(model, input_size)
    elif input_size not in (None, max(height, width)):
        raise InputError(f"input_size is {input_size!r:.80}, but {model.name} takes {height} x {width} pixels only.")
    if max(height, width) > MAX_SIDE:
        raise CheckpointError(f"{model.name} takes {height} x {width} pixels; at most {MAX_SIDE} a side are computed.")
    return (height, width), step


def _chosen_sides(model: OnnxModel, input_size: int | None) -> tuple[int, int, int | None]:
    """Height, width and `Letterbox.step` for a model that takes any size."""
    step = stride(model.metadata) if from_ultralytics(model.metadata) else None
    if input_size is None:
        height, width = input_sides(model.metadata) or (DEFAULT_SIDE, DEFAULT_SIDE)
        return multiple(height, step or 1), multiple(width, step or 1), step
    side = check_count("input_size", input_size)
    if side % INPUT_STEP or side > MAX_SIDE:
        raise InputError(f"input_size must be a multiple of {INPUT_STEP} up to {MAX_SIDE}, got {side}.")
    return side, side, step


def multiple(value: int, step: int) -> int:
    """The next multiple of ``step`` from ``value`` on."""
    return -(-value // step) * step


def _engine(model: OnnxModel, device: torch.device) -> Engine:
    try:
        return OnnxRuntimeEngine(model, device)
    except InputError as error:
        logger.info("%s runs on the CPU: %s", model.name, error)
        return OnnxRuntimeEngine(model, torch.device("cpu"))


def _run(engine: Engine, images: Tensor, name: str) -> list[Any]:
    """The outputs for a batch of one image, each without its axis for batches.

    Raises:
        CheckpointError: the model cannot be run, or an output has no such axis.
    """
    try:
        outputs = [np.asarray(output) for output in engine(images)]
    except Exception as error:  # ONNX Runtime's own
        raise CheckpointError(f"{name} cannot be run: {type(error).__name__}: {error!s:.200}") from None
    if any(output.shape[:1] != (1,) for output in outputs):
        shapes = [list(output.shape) for output in outputs]
        raise CheckpointError(f"{name} is no detector known here, for one image its outputs are {shapes}; {KNOWN}.")
    return [output[0] for output in outputs]
