"""``pipeline(Tasks.hand_2d_keypoints, model=...)``: ModelScope's face of `HandEstimator`, which does all the work."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from modelscope.models.base import Model
from modelscope.outputs import OutputKeys
from modelscope.pipelines.base import Pipeline
from modelscope.pipelines.builder import PIPELINES

from ..errors import ConfigError, InputError
from ..estimator import DEFAULT_BATCH_SIZE, HandEstimator, build_own_detector
from ..hands import Hands
from ..model_dir.config import read_configuration
from . import names
from .model import HandPoseModel


@PIPELINES.register_module(names.TASK, module_name=names.PIPELINE, force=True)
class Hand2DKeypointsPipeline(Pipeline):
    """Pictures -> the 21 keypoints of every hand.

    Args:
        model: a model directory, an id on the hub, or a model from ``Model.from_pretrained``.
        device: "cpu", "gpu", "cuda:1"...; without a GPU the CPU serves.
        batch_size: most crops that go through the network at once.
        score_threshold: least score of a hand; None: the configuration's.
        detector: a callable ``picture (H, W, 3) BGR -> (boxes (N, 4) xyxy, scores (N,))`` in place of the model's own.
    Raises:
        HandkpError: a model directory that cannot be used; the message names the file or key.
    """

    def __init__(
        self,
        model: str | Model,
        *,
        device: str = "gpu",
        batch_size: int = DEFAULT_BATCH_SIZE,
        score_threshold: float | None = None,
        detector: Any = None,
        preprocessor: None = None,
        **kwargs: Any,
    ) -> None:
        if preprocessor is not None:
            raise InputError(f"this pipeline takes no preprocessor, got {preprocessor!r}: leave it out.")
        super().__init__(model=model, device=device, auto_collate=False, **kwargs)
        if not isinstance(self.model, HandPoseModel):
            raise ConfigError(f"{model} is no hand keypoint model: its model.type must be {names.MODEL!r}.")
        config = read_configuration(self.model.model_dir)
        if detector is None:
            detector = build_own_detector(self.model.model_dir, config, score_threshold, self.device)
        self.estimator = HandEstimator(self.model.pose, config, detector, batch_size, self.device)

    def __call__(self, input: Any, *args: Any, **kwargs: Any) -> Any:
        """The hands of a picture, or of each of several.

        Args:
            input: a path, URL, (H, W, 3) BGR array or PIL picture; a list of them; an iterator or an ``MsDataset``.
            batch_size: for a list, how many pictures go through together (the default is one after the other).
        Returns:
            for a picture a dict of arrays: ``keypoints`` (N, 21, 3): x, y in picture pixels and score; ``boxes``
            (N, 4) xyxy; ``scores`` (N,). For a list a list, for an iterator or an ``MsDataset`` a generator of them.
        Raises:
            HandkpError: a picture that cannot be used; the message names it.
        """
        if isinstance(input, Iterator):
            return (self(picture, *args, **kwargs) for picture in input)
        return super().__call__(input, *args, **kwargs)

    def preprocess(self, inputs: Any) -> dict[str, Any]:
        return {"picture": inputs}

    def forward(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return {"hands": self.estimator(inputs["picture"])}

    def postprocess(self, inputs: dict[str, Any]) -> dict[str, Any]:
        hands: Hands = inputs["hands"]
        return {  # copies: Hands are read-only, and this dict is the caller's own
            OutputKeys.KEYPOINTS: np.array(hands.keypoints),
            OutputKeys.BOXES: np.array(hands.boxes),
            OutputKeys.SCORES: np.array(hands.scores),
        }

    def _process_batch(self, input: list[Any], batch_size: int, **kwargs: Any) -> list[dict[str, Any]]:
        """Of one picture the base class would slice one row; here a picture has as many rows as hands."""
        starts = range(0, len(input), batch_size)
        hands = [found for start in starts for found in self.estimator(input[start : start + batch_size])]
        return [self.postprocess({"hands": found}, **kwargs["postprocess_params"]) for found in hands]

    def _check_input(self, input: Any) -> None:
        """Left to the estimator, whose errors name the picture, and which also takes a `pathlib.Path`."""
