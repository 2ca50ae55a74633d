"""`HandEstimator`: images -> `Hands`. The whole line: detect -> crop -> engine -> decode -> refine."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch

from .arrays import Array, Image
from .checks import check_count, check_threshold
from .detection import build_detector, exported_detector
from .detection.base import Detection, as_detector, best, detect_all
from .engines import AUTO, EAGER, build_engine, open_graph
from .engines.base import Engine
from .engines.device import pick_device
from .engines.fork import check_fork
from .engines.precision import FLOAT32
from .errors import ConfigError, InputError
from .geometry.boxes import clip_boxes
from .hands import Hands, Result
from .model_dir.config import read_configuration
from .model_dir.exported import ExportedModel
from .model_dir.hub import find_model_dir
from .model_dir.settings import ModelSettings, ViewSettings
from .networks.topdown import load_topdown
from .pose.codec import build_codec
from .pose.crop import Crop
from .pose.device_crop import build_cropper
from .pose.queue import Look, QueuedImage, check_sources, read_groups
from .pose.refine import CONFIRMED_SHARE, MAX_CANDIDATES, confidence, kept_hands, localised
from .pose.views import MultiView
from .sources.pixels import is_batch

DEFAULT_BATCH_SIZE = 32


class HandEstimator:
    """21 keypoints for every hand of an image. Threads may share one; inputs are never written to.

    Args:
        engine: runs the keypoint network, crops (N, 3, H, W) -> (heatmaps (N, 21, h, w),); the views of ``settings`` go
            around it.
        settings: a parsed configuration.
        detector: a `detection.base.Detector`, or a callable image (H, W, 3) uint8 BGR -> boxes (N, 4) xyxy, scores
            (N,); None takes the whole image as one hand.
        batch_size: crops that go through the network at once, each in all its views; also how many images wait for
            that.
        hand_threshold: the least confidence of a detected hand; 0 keeps every box that is a hand of its own. None: the
            configuration's; without one there hands are kept as detected.
        keypoint_threshold: keypoints with a score above it are drawn and exported (`Hands.visible`). None: 0.
        max_candidates: of the boxes that the detector offers for an image, the best so many are looked at. None:
            `MAX_CANDIDATES` where a hand_threshold decides which of them are hands, else all.
    Raises:
        ConfigError: settings that do not fit one another. InputError: a number that is out of range.
    """

    def __init__(
        self,
        engine: Engine,
        settings: ModelSettings,
        detector: Any = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
        hand_threshold: float | None = None,
        keypoint_threshold: float | None = None,
        max_candidates: int | None = None,
    ) -> None:
        check_fork()
        self.detector = None if detector is None else as_detector(detector)
        self.batch_size = check_count("batch_size", batch_size)
        self.hand_threshold = settings.hand_threshold if hand_threshold is None else hand_threshold
        check_threshold("hand_threshold", hand_threshold)
        check_threshold("keypoint_threshold", keypoint_threshold)
        self.keypoint_threshold = 0.0 if keypoint_threshold is None else float(keypoint_threshold)
        if max_candidates is None:
            self.max_candidates = None if self.hand_threshold is None else MAX_CANDIDATES
        else:
            self.max_candidates = check_count("max_candidates", max_candidates)
        self._codec = build_codec(settings)
        self._crop: Any = build_cropper(settings, getattr(engine, "device", None))
        self._one_view, self._all_views = engine, MultiView(engine, settings.views)
        self._try_out()

    @classmethod
    def from_pretrained(
        cls,
        model_dir: str | Path | None = None,
        device: str | torch.device | None = None,
        batch_size: int = DEFAULT_BATCH_SIZE,
        score_threshold: float | None = None,
        detector: Any = None,
        hand_threshold: float | None = None,
        keypoint_threshold: float | None = None,
        engine: str | None = None,
        max_candidates: int | None = None,
        precision: str = FLOAT32,
        tta: str = "full",
    ) -> "HandEstimator":
        """An estimator from a model directory.

        Args:
            model_dir: a folder, also one that ``modelscope-handkp export`` wrote, a hub id (fetched through
                ModelScope), or None for the embedded model.
            device: None takes a GPU where there is one.
            score_threshold: the least score of a detected box, and the last word on it; a low one offers more boxes, of
                which ``hand_threshold`` keeps those that hold a hand. None: the configuration's.
            detector: in place of the model's own, as in `HandEstimator`, or an ONNX file, as `OnnxDetector.from_file`
                takes it.
            engine: what runs the networks, one of `engines.ENGINES`, or "auto": the fastest that is installed. None:
                "eager", and "auto" for an exported model.
            precision: in which they compute, one of `engines.precision.PRECISIONS`.
            tta: test-time augmentation: "none" looks at each crop once, "flip" also at its mirror image, "full" at all
                views of the configuration.
            batch_size, hand_threshold, keypoint_threshold, max_candidates: as in `HandEstimator`.
        Raises:
            InputError: an engine or precision that is not possible here. MissingPackageError: an engine's package.
            MissingFileError, ConfigError, CheckpointError: the directory does not make a model known here.
        """
        check_fork()
        folder = find_model_dir(model_dir)
        settings = ModelSettings.parse(read_configuration(folder))
        settings = replace(settings, views=settings.views.limited(tta))
        limits = hand_threshold, keypoint_threshold, max_candidates
        on = pick_device(device)
        exported = ExportedModel.find(folder)
        if exported is not None:
            run = functools.partial(open_graph, engine or AUTO, device=on, precision=precision)
            detector = exported_detector(exported, score_threshold, run, detector, on)
            if exported.decoded:
                if tta != "full":
                    raise InputError(f"tta {tta!r} cannot be chosen: this export has its views in its graph.")
                settings = replace(settings, views=ViewSettings(flip=False), decoding=None)
            return cls(run(exported.path(exported.keypoints)), settings, detector, batch_size, *limits)
        build = functools.partial(build_engine, engine or EAGER, device=on, precision=precision)
        detector = build_detector(folder, settings.detection, score_threshold, build, detector, on)
        keypoints = build(load_topdown(folder, settings.network), size=settings.crop_size)
        return cls(keypoints, settings, detector, batch_size, *limits)

    @overload
    def __call__(self, image: list[Any] | tuple[Any, ...], boxes: Any = None) -> list[Hands]: ...
    @overload
    def __call__(self, image: Any, boxes: Any = None) -> Hands: ...
    def __call__(self, image: Any, boxes: Any = None) -> Hands | list[Hands]:
        """The hands of one image, or of each of several.

        Args:
            image: as `load_image` takes it; or several: a list or tuple of such, an array (N, H, W, 3) BGR or a tensor
                (N, 3, H, W) or (N, H, W, 3) RGB.
            boxes: (N, 4) xyxy in image pixels, anywhere; then no detector runs. For several images, a list of such or
                None.
        Returns:
            `Hands`, or for several images a list of them in their order.
        Raises:
            InputError, MissingFileError, DownloadError: an image or box that cannot be used, named.
        """
        if is_batch(image):
            return [_hands_of(result) for result in self.stream(image, boxes)]
        return _hands_of(next(self.stream([image], [boxes])))

    def stream(
        self, sources: Iterable[Any], boxes: Iterable[Any] | None = None, max_waiting: int | None = None
    ) -> Iterator[Result]:
        """A `Result` for each source, in order; one that cannot be read has its error.

        Args:
            sources: as `load_image` takes them, read as they are needed; or an array or tensor of several, as in a
                call.
            boxes: of each source, as in a call.
            max_waiting: how many images are read before the first has its result; they share batches. 1 for a live
                source: each image has its result before the next is read. None: ``batch_size``.
        Raises:
            InputError: ``sources`` is one image; another number of boxes than of sources; what a detector returns is no
                detection. What ``sources`` raises, after the results of the images before it.
        """
        size = self.batch_size if max_waiting is None else check_count("max_waiting", max_waiting)
        check_sources(sources, boxes)
        groups = read_groups(sources, boxes, size)
        return (self._result(image) for group in groups for image in self._locate(group))

    def detect(self, images: Sequence[Image]) -> list[Detection]:
        """Where hands may be in images (H, W, 3) uint8 BGR, without a look at keypoints.

        Returns:
            of each: boxes (N, 4) xyxy in image pixels and scores (N,), the best ``max_candidates`` of the detector's;
            without a detector, the whole image with a score of 1.
        Raises:
            InputError: what the detector returns is no detection.
        """
        if self.detector is None:
            return [(np.array([[0, 0, *image.shape[1::-1]]], np.float32), np.ones(1, np.float32)) for image in images]
        return [best(detection, self.max_candidates) for detection in detect_all(self.detector, images)]

    def _locate(self, group: list[QueuedImage | Result]) -> list[QueuedImage | Result]:
        """Detect, crop, run the network and decode, until each hand of the group has its keypoints.

        Where a ``hand_threshold`` decides, one view of each candidate confirms it, or moves its box and confirms that;
        all views are for the hands that are kept.
        """
        check_fork()
        images = [image for image in group if isinstance(image, QueuedImage)]
        self._detect(images)
        decided = [image for image in images if self._decides(image)]
        self._confirm(decided)
        seen = decided if self._all_views.is_one else []  # in all views already
        self._look([look for image in images if image not in seen for look in image.looks()], self._all_views)
        for image in images:
            image.forget()
        return group

    def _detect(self, images: list[QueuedImage]) -> None:
        """Give each image its boxes: as given, or as detected."""
        searched = [image for image in images if image.given is None]
        for image, detection in zip(searched, self.detect([image.image for image in searched])):
            image.put_boxes(*detection)
        for image in images:
            if image.given is not None:
                image.put_boxes(image.given, np.ones(len(image.given), np.float32))

    def _confirm(self, images: list[QueuedImage]) -> None:
        """Leave the boxes in which one view sees a hand, moved to it where they were poorly localised."""
        self._look([look for image in images for look in image.looks()], self._one_view)
        self._look([look for image in images for look in image.second_looks()], self._one_view)
        for image in images:
            image.keep(self._kept(image, CONFIRMED_SHARE), with_keypoints=self._all_views.is_one)

    def _decides(self, image: QueuedImage) -> bool:
        """Whether boxes of the image may be moved, and dropped; a given one is kept as it is."""
        return self.hand_threshold is not None and self.detector is not None and image.given is None

    def _kept(self, image: QueuedImage, share: float = 1.0) -> list[int]:
        """The hands that a share of the ``hand_threshold`` keeps."""
        threshold = share * (self.hand_threshold or 0.0)
        boxes = clip_boxes(image.boxes, *image.size)
        return kept_hands(image.keypoints, boxes, confidence(image.keypoints, image.scores), threshold)

    def _look(self, looks: list[Look], engine: Engine) -> None:
        """Give each look its keypoints."""
        for start in range(0, len(looks), self.batch_size):
            batch = looks[start : start + self.batch_size]
            for look, keypoints in zip(batch, self._keypoints(batch, engine)):
                look.image.take(look, keypoints)

    def _keypoints(self, looks: list[Look], engine: Engine) -> Array:
        """(N, 21, 3): x, y in image pixels and score."""
        crops = [self._crop(look.image.prepared(self._crop.prepare), look.box) for look in looks]
        output = self._outputs(crops, engine)
        centers, scales = (np.stack([getattr(crop, name) for crop in crops]) for name in ("center", "scale"))
        return self._codec.decode(output, centers, scales)

    def _outputs(self, crops: list[Crop], engine: Engine) -> torch.Tensor:
        """What the network gives for the crops: heatmaps, or keypoints where it decodes them itself."""
        with torch.inference_mode():
            return torch.as_tensor(engine(torch.stack([crop.input for crop in crops]))[0])

    def _result(self, image: QueuedImage | Result) -> Result:
        if isinstance(image, Result):
            return image
        confident = image.scores if self.hand_threshold is None else confidence(image.keypoints, image.scores)
        boxes, threshold = clip_boxes(image.boxes, *image.size), self.keypoint_threshold
        hands = Hands(image.keypoints, boxes, image.scores, confident, image.size, keypoint_threshold=threshold)
        if self._decides(image):
            kept = hands[self._kept(image)]
            hands = replace(kept, boxes=localised(kept.keypoints, kept.boxes, *image.size))
        return Result(image.source, image.image, hands)

    def _try_out(self) -> None:
        """One crop through the line, so that a configuration that cannot work is refused here and not at some image."""
        try:
            black = self._crop.prepare(np.zeros((1, 1, 3), np.uint8))
            crop = self._crop(black, np.array([0, 0, 1, 1], np.float32))
            output = self._outputs([crop], self._all_views)
        except Exception as error:  # whatever the parts raise, they do not fit
            raise ConfigError(
                f"test_pipeline, data_cfg and model do not fit: {type(error).__name__}: {error}"
            ) from error
        if not output.isfinite().all():
            raise ConfigError("test_pipeline and model turn a black crop into NaN or infinity.")
        self._codec.check(output)


def _hands_of(result: Result) -> Hands:
    if result.error is not None:
        raise result.error
    assert result.hands is not None
    return result.hands
