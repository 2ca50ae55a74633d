"""Detectors that are somebody else's."""

from typing import Any

import numpy as np
import pytest

from modelscope_handkp.detection.base import as_detector, checked_detection
from modelscope_handkp.errors import InputError

IMAGES = [np.full((4, 6, 3), value, np.uint8) for value in (1, 2)]


def test_a_callable_is_asked_for_each_image() -> None:
    detector = as_detector(lambda image: ([[0, 0, int(image[0, 0, 0]), 3]], [0.5]))
    found = detector.detect(IMAGES)
    assert [boxes.tolist() for boxes, _ in found] == [[[0, 0, 1, 3]], [[0, 0, 2, 3]]]
    assert all(array.dtype == np.float32 for pair in found for array in pair)


def test_a_detector_is_taken_as_it_is() -> None:
    class Own:
        def detect(self, images: Any) -> Any:
            return []

    own = Own()
    assert as_detector(own) is own


def test_a_score_threshold_holds_for_any_detector() -> None:
    detector = as_detector(lambda image: ([[0, 0, 1, 1], [0, 0, 2, 2], [0, 0, 3, 3]], [0.4, 0.5, 0.6]), 0.5)
    boxes, scores = detector.detect(IMAGES)[1]
    assert boxes.tolist() == [[0, 0, 3, 3]]
    assert scores.tolist() == [np.float32(0.6)]


@pytest.mark.parametrize("thing", ["yolo.onnx", 5, object()])
def test_other_things_are_named(thing: Any) -> None:
    with pytest.raises(InputError, match="detector must be callable"):
        as_detector(thing)


@pytest.mark.parametrize(
    ("found", "named"),
    [
        (([[0, 0, 5, 5]], []), "1 boxes and 0 scores"),
        (([[0, 0, 5, 5]] * 2, [0.5]), "2 boxes and 1 scores"),
        (([], [0.5]), "0 boxes and 1 scores"),
        (([[0, 0, 5, 5]] * 2, [0.5, np.nan]), "nan"),
        (([[0, 0, 5, 5]], [np.inf]), "inf"),
        (([[5, 5, 0, 0]], [1]), "reversed"),
        (([[0, 0, 5, 5]], ["good"]), "must return boxes and scores.*good"),
        (([[0, 0, 5, 5]], [1], 3), "must return boxes and scores"),
        (None, "must return boxes and scores.*None"),
        (5, "must return boxes and scores.*5"),
    ],
)
def test_what_is_no_detection_is_named(found: Any, named: str) -> None:
    for detector in (as_detector(lambda image: found), as_detector(lambda image: found, 0.1)):
        with pytest.raises(InputError, match=named):
            detector.detect(IMAGES[:1])


@pytest.mark.parametrize("scores", [0.5, [0.5], [[0.5]], np.array([0.5], np.float16)])
def test_scores_of_any_shape_are_one_a_box(scores: Any) -> None:
    boxes, confidence = checked_detection(([0, 0, 5, 5], scores))
    assert (boxes.shape, confidence.shape, confidence.dtype) == ((1, 4), (1,), np.float32)


def test_a_detection_is_apart_from_what_the_detector_keeps() -> None:
    kept = np.array([[0, 0, 5, 5]], np.float32), np.array([0.5], np.float32)
    for given, checked in zip(kept, checked_detection(kept)):
        assert not np.shares_memory(given, checked)
