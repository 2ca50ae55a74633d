"""``pipeline(Tasks.hand_2d_keypoints, model=...)``: ModelScope's door to `HandEstimator`, which does all the work."""

import functools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from modelscope.models.base import Model
from modelscope.msdatasets import MsDataset
from modelscope.outputs import OutputKeys
from modelscope.pipelines.base import Pipeline
from modelscope.pipelines.builder import PIPELINES

from ..checks import check_count
from ..detection import build_detector
from ..engines import EAGER, build_engine
from ..engines.precision import FLOAT32
from ..errors import ConfigError, InputError
from ..estimator import DEFAULT_BATCH_SIZE, HandEstimator
from ..hands import Hands, Result
from ..model_dir.config import read_configuration
from ..model_dir.settings import ModelSettings
from ..sources.encoded import is_file_object
from ..sources.pixels import is_batch
from . import names
from .model import HandPoseModel


@PIPELINES.register_module(names.TASK, module_name=names.PIPELINE, force=True)
class Hand2DKeypointsPipeline(Pipeline):
    """Images -> the 21 keypoints of every hand.

    Args:
        model: a model directory, an id on the hub, or a model from ``Model.from_pretrained``; a list of one such.
        device: "cpu", "gpu", "cuda:1"...; without a GPU the CPU is used.
        batch_size: most crops that go through the network at once.
        score_threshold, hand_threshold, keypoint_threshold, max_candidates, detector, engine, precision, tta:
            as in `HandEstimator.from_pretrained`.
        compile: ModelScope's word for ``engine="compile"``.
    Raises:
        HandkpError: a model directory that cannot be used; the message names the file or key. A torch that cannot
            compile.
    """

    def __init__(
        self,
        model: str | Model | list[str | Model],
        *,
        device: str = "gpu",
        batch_size: int = DEFAULT_BATCH_SIZE,
        score_threshold: float | None = None,
        hand_threshold: float | None = None,
        keypoint_threshold: float | None = None,
        max_candidates: int | None = None,
        detector: Any = None,
        engine: str = EAGER,
        precision: str = FLOAT32,
        tta: str = "full",
        compile: bool = False,
        compile_options: None = None,
        preprocessor: None = None,
        **kwargs: Any,
    ) -> None:
        if preprocessor is not None:
            raise InputError(f"this pipeline takes no preprocessor, got {preprocessor!r}: leave it out.")
        if compile_options:
            raise InputError(f"this pipeline takes no compile_options, got {compile_options!r}: leave them out.")
        if isinstance(model, (list, tuple)):
            if len(model) != 1:
                raise InputError(f"this pipeline takes one model, got a list of {len(model)}.")
            model = model[0]
        # for None ModelScope would search a preprocessor and warn three times that there is none
        super().__init__(model=model, preprocessor=False, device=device, auto_collate=False, **kwargs)
        self.preprocessor = None
        if not isinstance(self.model, HandPoseModel):
            raise ConfigError(f"{model} is no hand keypoint model: its model.type must be {names.MODEL!r}.")
        own = self.model is not model  # a model that the caller has is not changed
        folder = Path(self.model.model_dir)
        settings = ModelSettings.parse(read_configuration(folder))
        settings = replace(settings, views=settings.views.limited(tta))
        name = "compile" if compile else engine
        build = functools.partial(build_engine, name, device=self.device, precision=precision)
        detector = build_detector(folder, settings.detection, score_threshold, build, detector, self.device)
        network = self.model.release_network() if own else self.model.network
        keypoints = build(network, fold=own, size=settings.crop_size)
        limits = hand_threshold, keypoint_threshold, max_candidates
        self.estimator = HandEstimator(keypoints, settings, detector, batch_size, *limits)

    def __call__(self, input: Any, *args: Any, batch_size: int | None = None, **options: Any) -> Any:
        """The hands of an image, or of each of several.

        Args:
            input: an image as `sources.images.load_image` takes it; several as `HandEstimator` takes them; an iterator
                of images or an ``MsDataset``.
            batch_size: how many of several images go through together; 1 for a live source, whose next image is then
                read only after the result of the last. None: the pipeline's.
        Returns:
            for an image a dict of arrays: ``keypoints`` (N, 21, 3): x, y in image pixels and score; ``boxes`` (N, 4)
            xyxy; ``scores`` (N,), the detector's. For several images a list, for an iterator or an ``MsDataset`` a
            generator of them. The score of a keypoint that is not above ``keypoint_threshold`` is 0.
        Raises:
            HandkpError: an image that cannot be used; the message names it.
            TypeError: an option that this pipeline does not have.
        """
        if args or options:
            raise TypeError(f"this pipeline takes an input and batch_size, not {[*args, *options]}.")
        if batch_size is not None:
            batch_size = check_count("batch_size", batch_size)
        if isinstance(input, (Iterator, MsDataset)) and not is_file_object(input):
            return map(self._output, self.estimator.stream(input, max_waiting=batch_size))
        if is_batch(input):
            return [self._output(result) for result in self.estimator.stream(input, max_waiting=batch_size)]
        return self.postprocess({"hands": self.estimator(input)})

    def postprocess(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """``{"hands": Hands}`` -> the dict that a call returns; its arrays are the caller's own."""
        hands: Hands = inputs["hands"]
        keypoints = np.array(hands.keypoints)
        if hands.keypoint_threshold > 0:
            keypoints[~hands.visible, 2] = 0
        return {
            OutputKeys.KEYPOINTS: keypoints,
            OutputKeys.BOXES: np.array(hands.boxes),
            OutputKeys.SCORES: np.array(hands.scores),
        }

    def _output(self, result: Result) -> dict[str, Any]:
        if result.error is not None:
            raise result.error
        return self.postprocess({"hands": result.hands})
