"""`HandEstimator`: pictures -> `Hands`. The whole way: picture -> detect -> crop -> network -> decode."""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from numbers import Real
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike

from .arrays import Array, Image
from .detection.ssdlite import HandDetector
from .engines.device import pick_device
from .engines.eager import Network
from .errors import ConfigError, InputError, MissingFileError
from .geometry.boxes import as_boxes, box_to_center_scale, clip_boxes, xyxy_to_xywh
from .hands import Hands
from .model_dir.checkpoint import load_weights, read_state_dict
from .model_dir.config import block, read_configuration, require, require_number
from .model_dir.hub import find_model_dir
from .networks.topdown import TopDown, build_pose
from .pose.codec import HeatmapCodec, decoding_options
from .pose.refine import confirm, loose_boxes, replace_worse
from .pose.transforms import Sample, build_transforms
from .sources.images import load_image

logger = logging.getLogger(__name__)

Detector = Callable[[Image], tuple[ArrayLike, ArrayLike]]
Waiting = tuple[Array, Array]  # a picture's boxes and their scores
WEIGHT_FILES = ("pytorch_model.pt", "pytorch_model.bin")
DEFAULT_BATCH_SIZE = 32


class HandEstimator:
    """21 keypoints for every hand in a picture. Threads may share one; inputs are never written to.

    Args:
        pose: the keypoint network, weights loaded; it stays as it is.
        config: a ModelScope configuration: ``data_cfg``, ``test_pipeline`` and ``model.test_cfg`` are read. Ours alone
            is ``model.test_cfg.hand_threshold``: boxes beside their keypoints are moved, and detected hands are those
            that `confirm` leaves.
        detector: image (H, W, 3) uint8 BGR -> boxes (N, 4) xyxy, scores (N,); None takes the whole picture as one hand.
        batch_size: crops that go through the network at once; each in as many views as the network takes.
        device: of the network.
    Raises:
        ConfigError: a key that is missing or has an unknown value, named.
    """

    def __init__(
        self,
        pose: TopDown,
        config: dict[str, Any],
        detector: Detector | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
        device: str | torch.device = "cpu",
    ) -> None:
        if not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(f"batch_size must be a positive integer, got {batch_size!r}.")
        test_cfg = block(config, "model.test_cfg")
        if test_cfg.get("use_udp"):
            raise ConfigError("model.test_cfg.use_udp is not supported.")
        self.detector, self.batch_size = detector, batch_size
        self._image_size = require(config, "data_cfg.image_size")
        self._codec = HeatmapCodec(
            self._image_size,
            require(config, "data_cfg.heatmap_size"),
            **decoding_options(test_cfg),
        )
        self._transform = build_transforms(require(config, "test_pipeline"))
        self._hand_threshold = None
        if "hand_threshold" in test_cfg:
            self._hand_threshold = require_number(test_cfg, "hand_threshold", 0, 1)
        self._network = Network(pose, device)
        self._try_out()

    @classmethod
    def from_pretrained(
        cls,
        model_dir: str | Path | None = None,
        device: str | torch.device | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
        score_threshold: float | None = None,
        detector: Detector | None = None,
    ) -> "HandEstimator":
        """An estimator from a model directory.

        Args:
            model_dir: a folder, a hub id (fetched through ModelScope), or None for the embedded model.
            device: None takes a GPU where there is one.
            batch_size: as in `HandEstimator`.
            score_threshold: of the model's own detector, in place of ``DETECTION.score_threshold``.
            detector: in place of the model's own, as in `HandEstimator`.
        Raises:
            MissingFileError, ConfigError, CheckpointError: the directory does not make a model known here.
        """
        folder, device = find_model_dir(model_dir), pick_device(device)
        config = read_configuration(folder)
        if detector is None:
            detector = build_own_detector(folder, config, score_threshold, device)
        return cls(load_pose(folder, config), config, detector, batch_size, device)

    def __call__(self, image: Any, boxes: Any = None) -> Any:
        """The hands of one picture or of a list of pictures.

        Args:
            image: as `load_image` takes it, or a list or tuple of such.
            boxes: (N, 4) xyxy in picture pixels, anywhere; then no detector runs. For a list, a list of such or None.
        Returns:
            `Hands`, or a list of them in the order of the pictures.
        Raises:
            InputError, MissingFileError, DownloadError: a picture or box that cannot be used, named.
        """
        if not isinstance(image, (list, tuple)):
            return next(self.stream([image], [boxes]))
        if boxes is not None and (not hasattr(boxes, "__len__") or len(boxes) != len(image)):
            raise InputError(f"{len(image)} pictures need a list of as many entries of boxes, got {boxes!r:.80}.")
        return list(self.stream(image, boxes))

    def stream(self, images: Iterable[Any], boxes: Iterable[Any] | None = None) -> Iterator[Hands]:
        """`Hands` of each picture in turn; pictures are read as they are needed, crops of several share a batch."""
        waiting: deque[Waiting] = deque()  # for their keypoints
        crops: list[Sample] = []
        keypoints: list[Array] = []
        for image, given in zip(images, repeat(None) if boxes is None else boxes):
            picture = load_image(image)
            if given is None and self.detector is not None and self._hand_threshold is not None:
                keypoints += self._estimate(crops)
                yield from _finished(waiting, keypoints)
                yield self._confirmed(picture, self.detector, self._hand_threshold)
                continue
            found, scores = self._find(picture, given)
            waiting.append((clip_boxes(found, picture.shape[1], picture.shape[0]), scores))
            for crop in self._crop(picture, found):
                crops.append(crop)
                if len(crops) == self.batch_size:
                    keypoints += self._estimate(crops)
            if len(waiting) >= self.batch_size:  # pictures without hands would pile up behind one with
                keypoints += self._estimate(crops)
            yield from _finished(waiting, keypoints)
        keypoints += self._estimate(crops)
        yield from _finished(waiting, keypoints)

    def _try_out(self) -> None:
        """One crop goes the way, so that a configuration that cannot work is refused here and not at some picture."""
        try:
            crop = next(self._crop(np.zeros((1, 1, 3), np.uint8), np.array([[0, 0, 1, 1]], np.float32)))
            heatmaps = self._network(crop["img"][None])
            height, width = heatmaps.shape[2:]
        except Exception as error:  # whatever the parts raise, they do not fit
            raise ConfigError(
                f"test_pipeline, data_cfg and model do not fit: {type(error).__name__}: {error}"
            ) from error
        if not heatmaps.isfinite().all():
            raise ConfigError("test_pipeline and model answer a black crop with NaN or infinity.")
        if [width, height] != list(self._codec.heatmap_size):
            raise ConfigError(
                f"data_cfg.heatmap_size is {list(self._codec.heatmap_size)}, the network gives {[width, height]}."
            )

    def _confirmed(self, picture: Image, detector: Detector, threshold: float) -> Hands:
        """The detected hands that their keypoints bear out, after a second look where a box is loose."""
        boxes, scores = _checked(detector(picture))
        seen = self(picture, boxes)
        hands = Hands(seen.keypoints, seen.boxes, scores)
        loose, around = loose_boxes(hands, picture.shape[1], picture.shape[0])
        return confirm(replace_worse(hands, loose, self(picture, around)), threshold)

    def _find(self, picture: Image, given: Any) -> Waiting:
        """Boxes as given, as detected, or the whole picture, and their scores."""
        if given is None and self.detector is not None:
            return _checked(self.detector(picture))
        height, width = picture.shape[:2]
        boxes = as_boxes([0, 0, width, height] if given is None else given)
        return boxes, np.ones(len(boxes), np.float32)

    def _crop(self, picture: Image, boxes: Array) -> Iterator[Sample]:
        """A network input ``img`` (3, H, W) for each box, with the crop's ``center`` and ``scale``."""
        if not len(boxes):
            return
        rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        info = {"image_size": self._image_size, "flip_pairs": []}
        for box in boxes:
            center, scale = box_to_center_scale(xyxy_to_xywh(box), self._image_size[0] / self._image_size[1])
            sample = {"img": rgb, "center": center, "scale": scale, "rotation": 0, "ann_info": info,
                      "image_file": "", "image_id": 0, "bbox_id": 0}  # fmt: skip
            yield {"img": self._transform(sample)["img"], "center": center, "scale": scale}

    def _estimate(self, crops: list[Sample]) -> list[Array]:
        """Keypoints (21, 3) of each crop in picture pixels; the list is empty afterwards."""
        if not crops:
            return []
        heatmaps = self._network(torch.stack([crop["img"] for crop in crops]), "heatmaps_at_test")
        centers, scales = (np.stack([crop[key] for crop in crops]) for key in ("center", "scale"))
        crops.clear()
        return list(self._codec.decode(heatmaps.numpy(), centers, scales))


def _checked(answer: Any) -> tuple[Array, Array]:
    """Boxes and scores of a detector, which may be anybody's."""
    try:
        found, scores = answer
        confidence = np.array(scores, np.float32).reshape(-1)
    except (TypeError, ValueError):
        raise InputError(f"the detector must give boxes and scores, it gave {answer!r:.80}.") from None
    boxes = as_boxes(found)
    if len(boxes) != len(confidence) or not np.isfinite(confidence).all():
        raise InputError(f"the detector gave {len(boxes)} boxes and {len(confidence)} scores, {scores!r:.80}.")
    return boxes, confidence


def _finished(waiting: deque[Waiting], keypoints: list[Array]) -> Iterator[Hands]:
    """The pictures at the front whose keypoints are all there, taken out of both lists."""
    while waiting and len(waiting[0][0]) <= len(keypoints):
        boxes, scores = waiting.popleft()
        yield Hands(np.stack(keypoints[: len(boxes)]), boxes, scores) if len(boxes) else Hands.empty()
        del keypoints[: len(boxes)]


def load_pose(model_dir: str | Path, config: dict[str, Any]) -> TopDown:
    """The keypoint network of a model directory, weights loaded.

    Raises:
        MissingFileError, ConfigError, CheckpointError: as `HandEstimator.from_pretrained`.
    """
    for name in WEIGHT_FILES:
        path = Path(model_dir) / name
        if path.is_file():
            pose = build_pose(require(config, "model"))
            load_weights(pose, read_state_dict(path), path)
            return pose
    raise MissingFileError(f"{model_dir} has no {' or '.join(WEIGHT_FILES)}.")


def build_own_detector(
    model_dir: str | Path, config: dict[str, Any], score_threshold: float | None, device: str | torch.device
) -> HandDetector | None:
    """The detector that the configuration's ``DETECTION`` names; None, and a word in the log, without one."""
    if score_threshold is not None and not (isinstance(score_threshold, Real) and 0 <= score_threshold <= 1):
        raise InputError(f"score_threshold must be between 0 and 1, got {score_threshold!r}.")
    if config.get("DETECTION"):
        return HandDetector.from_model_dir(model_dir, config["DETECTION"], score_threshold, device)
    logger.warning(
        "%s has no DETECTION: without boxes= the whole picture is taken as one hand (detector= puts one in).", model_dir
    )
    return None
