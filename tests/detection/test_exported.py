"""The detector of an exported model: images -> boxes of hands."""

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from modelscope_handkp.detection import exported_detector
from modelscope_handkp.detection.exported import GraphDetector
from modelscope_handkp.errors import CheckpointError, InputError
from modelscope_handkp.model_dir.exported import ExportedDetector, ExportedModel

SETTINGS = ExportedDetector(
    "detector.onnx", 64, "letterbox", 32, False, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 0.5, 0.5, 100
)
FOUND = ([[8, 4, 24, 20], [9, 4, 25, 20], [32, 8, 48, 60], [0, 0, 9, 9]], [0.8, 0.9, 0.7, 0.5])


class Engine:
    """Gives the same boxes and scores for every image, and keeps what it was given."""

    def __init__(self, boxes: Any = FOUND[0], scores: Any = FOUND[1]) -> None:
        self.outputs = np.array([boxes], np.float32), np.array([scores], np.float32)
        self.seen: list[torch.Tensor] = []

    def __call__(self, images: torch.Tensor) -> tuple[np.ndarray, ...]:
        self.seen.append(images)
        return self.outputs


def detector(engine: Any = None, threshold: float | None = None, **changes: Any) -> GraphDetector:
    return GraphDetector(engine or Engine(), dataclasses.replace(SETTINGS, **changes), threshold)


def blank(height: int, width: int) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def test_boxes_are_in_pixels_of_the_image_and_suppressed() -> None:
    boxes, scores = detector()(blank(96, 128))  # twice as large as the input
    np.testing.assert_allclose(scores, [0.9, 0.7], atol=1e-6)
    np.testing.assert_allclose(boxes, [[18, 8, 50, 40], [64, 16, 96, 96]], atol=1e-4)


def test_a_stretched_image_has_two_scales() -> None:
    boxes, _ = detector(resize="stretch", size=64)(blank(32, 128))
    np.testing.assert_allclose(boxes, [[18, 2, 50, 10], [64, 4, 96, 30]], atol=1e-4)


def test_the_threshold_and_the_number_of_boxes() -> None:
    assert len(detector(threshold=0.4)(blank(96, 128))[1]) == 3
    assert len(detector(threshold=0.75)(blank(96, 128))[1]) == 1
    assert len(detector(at_most=1)(blank(96, 128))[1]) == 1
    assert len(detector(iou_threshold=0.95)(blank(96, 128))[1]) == 3
    assert len(detector(threshold=0.9)(blank(96, 128))[1]) == 0  # a score at the threshold is not above it


@pytest.mark.parametrize(
    ("rgb", "expected"), [(False, [(10 - 1) / 2, (20 - 2) / 4, (255 - 3) / 8]), (True, [127, 4.5, 0.875])]
)
def test_the_graph_takes_the_colours_that_are_said(rgb: bool, expected: list[float]) -> None:
    image, engine = blank(64, 64), Engine()
    image[...] = 10, 20, 255  # BGR
    detector(engine, rgb=rgb, mean=(1.0, 2.0, 3.0), std=(2.0, 4.0, 8.0))(image)
    (seen,) = engine.seen
    assert (seen.dtype, tuple(seen.shape)) == (torch.float32, (1, 3, 64, 64))
    np.testing.assert_allclose(seen[0, :, 5, 5], expected, rtol=1e-6)


def test_several_images_and_none() -> None:
    assert [len(scores) for _, scores in detector().detect([blank(96, 128), blank(10, 10)])] == [2, 2]
    assert detector().detect([]) == []
    boxes, _ = detector()(blank(1, 1))
    assert (boxes <= 1).all()


def test_no_places_are_no_hands() -> None:
    boxes, scores = detector(Engine(np.zeros((0, 4)), []))(blank(9, 9))
    assert (boxes.shape, scores.shape) == ((0, 4), (0,))


@pytest.mark.parametrize(
    "outputs",
    [
        (),
        (np.zeros((1, 5, 4)),),
        (np.zeros((1, 5, 4)), np.zeros((1, 6))),
        (np.zeros((1, 5, 5)), np.zeros((1, 5))),
        (np.zeros((1, 5)), np.zeros((1, 5, 4))),
        (np.zeros((2, 5, 4)), np.zeros((2, 5))),
        (np.zeros((1, 5, 4)), np.zeros((1, 5, 2))),
        (np.zeros(4), np.zeros(())),
        (np.zeros((1, 5, 4)), np.zeros((1, 5)), np.zeros(1)),
    ],
)
def test_graphs_that_give_something_else_are_named(outputs: Any) -> None:
    with pytest.raises(CheckpointError, match=r"not boxes \(1, A, 4\) and scores \(1, A\)"):
        detector(lambda _: outputs)(blank(9, 9))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_refused(value: float) -> None:
    with pytest.raises(CheckpointError, match="gives NaN or infinity for scores"):
        detector(Engine(FOUND[0], [0.5, value, 0.5, 0.5]))(blank(9, 9))


def test_boxes_that_are_no_numbers_are_no_hands() -> None:
    boxes, scores = detector(Engine([[np.nan, 0, 9, 9], [0, 0, np.inf, np.inf]], [0.9, 0.8]))(blank(20, 30))
    np.testing.assert_allclose(boxes, [[0, 0, 30, 20]])
    np.testing.assert_allclose(scores, [0.8])


def test_it_is_tried_out_when_it_is_built(tmp_path: Any) -> None:
    model = ExportedModel(tmp_path, "onnx", "keypoints.onnx", False, SETTINGS)
    engine = Engine()
    found = exported_detector(model, 0.6, lambda path: engine if path.name == "detector.onnx" else None)  # type: ignore[arg-type, return-value]
    assert len(engine.seen) == 1
    assert len(found.detect([blank(96, 128)])[0][1]) == 2  # type: ignore[union-attr]
    with pytest.raises(CheckpointError, match="not boxes"):
        exported_detector(model, None, lambda path: lambda images: ())
    with pytest.raises(InputError, match="score_threshold"):
        exported_detector(model, 2, lambda path: engine)


def test_the_callers_goes_before_it(tmp_path: Any) -> None:
    model = ExportedModel(tmp_path, "onnx", "keypoints.onnx", False, SETTINGS)
    instead = exported_detector(model, None, lambda path: pytest.fail("it is run"), lambda image: ([[0, 0, 1, 1]], [1]))
    assert instead.detect([blank(9, 9)])[0][0].tolist() == [[0, 0, 1, 1]]  # type: ignore[union-attr]


def test_a_model_without_detector_says_so(tmp_path: Any, caplog: pytest.LogCaptureFixture) -> None:
    model = ExportedModel(tmp_path, "onnx", "keypoints.onnx", False, None)
    assert exported_detector(model, None, lambda path: pytest.fail("it is run")) is None
    assert "has no DETECTION" in caplog.text
