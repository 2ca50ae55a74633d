"""Box conventions and arithmetic."""

import warnings
from typing import Any

import numpy as np
import pytest

from modelscope_handkp.errors import InputError
from modelscope_handkp.geometry.boxes import (
    PIXEL_STD,
    as_boxes,
    box_to_center_scale,
    clip_boxes,
    iou,
    nms,
    xywh_to_xyxy,
    xyxy_to_xywh,
)


def test_center_and_scale_are_easycvs(golden: Any) -> None:
    """golden/preprocess.npz, 1e-3."""
    arrays = golden("preprocess.npz")
    for box, center, scale in zip(arrays["box_xywh"], arrays["center"], arrays["scale"]):
        ours = box_to_center_scale(box)
        np.testing.assert_allclose(ours[0], center, atol=1e-3)
        np.testing.assert_allclose(ours[1], scale, atol=1e-3)


def test_the_crop_holds_the_box_padded_at_the_inputs_ratio() -> None:
    center, scale = box_to_center_scale([10, 20, 40, 60], aspect_ratio=2.0, padding=1.0)
    assert center.tolist() == [30, 50]
    np.testing.assert_allclose(scale * PIXEL_STD, [120, 60], rtol=1e-6)


def test_xyxy_and_xywh_are_inverse() -> None:
    boxes = np.array([[1, 2, 4, 6], [-3, 0, 5, 1]], np.float32)
    assert xyxy_to_xywh(boxes).tolist() == [[1, 2, 3, 4], [-3, 0, 8, 1]]
    np.testing.assert_array_equal(xywh_to_xyxy(xyxy_to_xywh(boxes)), boxes)
    np.testing.assert_array_equal(xywh_to_xyxy(xyxy_to_xywh(boxes[0])), boxes[0])


@pytest.mark.parametrize("convert", [xyxy_to_xywh, xywh_to_xyxy, lambda boxes: clip_boxes(boxes, 9, 9)])
def test_lists_and_other_numbers_become_float32(convert: Any) -> None:
    for boxes in ([[1, 2, 4, 6]], np.array([[1, 2, 4, 6]]), np.array([[1, 2, 4, 6]], np.float64)):
        assert convert(boxes).dtype == np.float32
        np.testing.assert_array_equal(convert(boxes), convert(np.float32(boxes)))


def test_clipping_leaves_the_caller_alone() -> None:
    boxes = np.array([[-5, 2, 50, 60], [100, 100, 200, 200]], np.float32)
    before = boxes.copy()
    assert clip_boxes(boxes, 40, 30).tolist() == [[0, 2, 40, 30], [40, 30, 40, 30]]
    np.testing.assert_array_equal(boxes, before)


def test_iou() -> None:
    overlaps = iou([[0, 0, 10, 10], [20, 20, 20, 20]], [[0, 0, 10, 10], [5, 0, 15, 10], [30, 30, 40, 40]])
    np.testing.assert_allclose(overlaps, [[1, 1 / 3, 0], [0, 0, 0]], atol=1e-6)


def test_nms_keeps_the_best_of_each_heap() -> None:
    boxes = [[0, 0, 10, 10], [1, 0, 11, 10], [30, 0, 40, 10], [0, 0, 10, 10]]
    assert nms(boxes, [0.5, 0.9, 0.7, 0.9], 0.45).tolist() == [1, 2]
    assert nms(boxes, [0.5, 0.9, 0.7, 0.9], 1.0).tolist() == [1, 3, 2, 0]
    assert nms(np.zeros((0, 4)), [], 0.5).tolist() == []


@pytest.mark.parametrize("empty", [[], np.zeros((0, 4)), ()])
def test_no_boxes(empty: Any) -> None:
    assert as_boxes(empty).shape == (0, 4)


def test_one_box_and_a_copy() -> None:
    given = np.array([[0, 0, 1, 1]], np.float32)
    checked = as_boxes(given)
    checked[0] = 5
    assert given.tolist() == [[0, 0, 1, 1]]
    assert as_boxes([1, 2, 3, 4]).tolist() == [[1, 2, 3, 4]]


def test_iou_of_oblong_boxes_away_from_the_corner() -> None:
    """200 px in common of 400 and 800."""
    one, other = [100, 20, 140, 30], [120, 20, 160, 40]
    np.testing.assert_allclose(iou([one], [other]), [[0.2]], rtol=1e-6)
    np.testing.assert_allclose(iou([other], [one]), [[0.2]], rtol=1e-6)
    np.testing.assert_allclose(iou([one, other], one), [[1], [0.2]], rtol=1e-6)


@pytest.mark.parametrize(("threshold", "kept"), [(0.19, [0]), (0.21, [0, 1])])
def test_nms_drops_what_overlaps_more(threshold: float, kept: list[int]) -> None:
    assert nms([[100, 20, 140, 30], [120, 20, 160, 40]], [0.9, 0.8], threshold).tolist() == kept


@pytest.mark.parametrize("box", [[0, 50, 10, 60], [50, 0, 60, 10], [-9, -5, -8, -4]])
def test_a_box_may_lie_anywhere(box: list[float]) -> None:
    assert as_boxes(box).tolist() == [box]


def test_boxes_may_reach_a_million_pixels_beyond_the_image() -> None:
    assert as_boxes([-1e6, -5, 1e6, 5]).tolist() == [[-1e6, -5, 1e6, 5]]
    with pytest.raises(InputError, match="box 0 reaches beyond 1e"):
        as_boxes([-1.001e6, -5, 1e6, 5])


@pytest.mark.parametrize(
    ("boxes", "named"),
    [
        ([[0, 0, np.nan, 5]], "box 0 is not finite"),
        ([[0, 0, 1, 1], [0, 0, np.inf, 5]], "box 1 is not finite"),
        ([[0, 0, 1e300, 1]], "box 0"),
        ([[0, 0, 1e30, 1]], "box 0 reaches"),
        ([[10, 0, 5, 5]], r"box 0 is empty or reversed: \[10"),
        ([[0, 0, 0, 5]], "empty or reversed"),
        ([[0, 5, 5, 5]], "empty or reversed"),
        ([[0, 6, 5, 5]], "empty or reversed"),
        ([[0, 50, 100, 50]], "empty or reversed"),
        ([[50, 0, 50, 100]], "empty or reversed"),
        ([[0, 0, 1]], r"\(1, 3\)"),
        (np.zeros((1, 2, 4)), r"\(1, 2, 4\)"),
        (5, r"\(\)"),
        ("hand", "'hand'"),
        ([["a", 0, 1, 2]], "'a'"),
        ([[1, 2], [3]], "shape"),
        ({"x": 1}, "'x'"),
        (object(), "object"),
        ("x" * 10**6, "xxx"),
    ],
)
def test_bad_boxes_are_named(boxes: Any, named: str) -> None:
    with warnings.catch_warnings(), pytest.raises(InputError, match=named) as caught:
        warnings.simplefilter("ignore")  # numpy's about overflow and ragged lists
        as_boxes(boxes)
    assert len(str(caught.value)) < 200
