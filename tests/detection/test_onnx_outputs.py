"""Candidates in the outputs of detectors."""

import time

import numpy as np
import pytest

from modelscope_handkp.detection.onnx_outputs import ClassRows, FinalBoxes, PlaceRows
from modelscope_handkp.errors import InputError

ALL = np.arange(3)


def floats(values: object) -> np.ndarray:
    return np.array(values, np.float32)


def test_boxes_after_suppression() -> None:
    rows = floats([[1, 2, 3, 4, 0.9, 1], [5, 6, 7, 8, 0.8, 0], [0, 0, 0, 0, 0, 0]])
    layout = FinalBoxes()
    assert layout.scores([rows], 1).tolist() == floats([0.9, 0, 0]).tolist()
    assert layout.scores([rows], 0).tolist() == floats([0, 0.8, 0]).tolist()
    assert layout.boxes([rows], np.array([1, 0])).tolist() == [[5, 6, 7, 8], [1, 2, 3, 4]]


def test_boxes_with_labels_in_an_output_of_their_own() -> None:
    labels, dets = np.array([0, 2, -1]), floats([[1, 2, 3, 4, 0.9], [5, 6, 7, 8, 0.8], [0, 0, 0, 0, 0]])
    layout = FinalBoxes(rows=1, labels=0)
    assert layout.scores([labels, dets], 2).tolist() == floats([0, 0.8, 0]).tolist()
    assert layout.boxes([labels, dets], ALL[1:2]).tolist() == [[5, 6, 7, 8]]


def test_several_classes_are_not_taken_for_one() -> None:
    rows = floats([[1, 2, 3, 4, 0.9, 0], [5, 6, 7, 8, 0.2, 0], [0, 0, 0, 0, 0, 17]])  # the last only fills up
    assert FinalBoxes().scores([rows], None).tolist() == floats([0.9, 0.2, 0]).tolist()
    rows[1, 5] = 17
    with pytest.raises(InputError, match=r"several classes, such as 17: .*hand_class"):
        FinalBoxes().scores([rows], None)


def test_a_box_of_ultralytics_has_its_best_class() -> None:
    output = floats([[10, 20, 30], [11, 21, 31], [4, 6, 8], [2, 2, 2], [0.9, 0.3, 0.2], [0.5, 0.4, 0.7], [50, 60, 70]])
    layout = ClassRows(2)
    assert layout.scores([output], 0).tolist() == floats([0.9, 0, 0]).tolist()
    assert layout.scores([output], 1).tolist() == floats([0, 0.4, 0.7]).tolist()
    assert layout.boxes([output], ALL[::2]).tolist() == [[8, 10, 12, 12], [26, 30, 34, 32]]


def test_a_score_of_yolox_is_objectness_times_that_of_the_class() -> None:
    output = np.zeros((168, 7), np.float32)
    output[5] = [0, 0, 0, 0, 0.5, 0.25, 0.75]
    layout = PlaceRows(64, 128, 2, decoded=False)
    assert layout.scores([output], 1)[5] == 0.375
    assert layout.scores([output], 0)[5] == 0.125


def test_boxes_of_yolox() -> None:
    """64 x 128 pixels have 8 x 16 places of 8 pixels, then 4 x 8 of 16: the 17th is in the second row."""
    output = np.zeros((168, 6), np.float32)
    output[17, :4] = [0.5, 0.25, np.log(2), 0]
    output[128 + 9, :4] = [0, 0, 0, np.log(3)]
    found = PlaceRows(64, 128, 1, decoded=False).boxes([output], np.array([17, 137]))
    np.testing.assert_allclose(found, [[4, 6, 20, 14], [8, -8, 24, 40]], atol=1e-4)
    output[17, :4] = [12, 10, 16, 8]
    assert PlaceRows(64, 128, 1, decoded=True).boxes([output], np.array([17])).tolist() == [[4, 6, 20, 14]]


@pytest.mark.slow
def test_ten_million_candidates_take_a_second_or_two() -> None:
    rng = np.random.default_rng(0)
    started = time.monotonic()
    assert len(ClassRows(1).scores([rng.random((5, 10**7), np.float32)], 0)) == 10**7
    assert time.monotonic() - started < 10
