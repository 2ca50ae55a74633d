"""Images in inputs, as YOLOX, mmdet and ultralytics put them there."""

import numpy as np
import pytest

from modelscope_handkp.detection.letterbox import Letterbox

GREY = 114


def image(height: int, width: int, value: int = 7) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def extent(found: np.ndarray) -> list[int]:
    """Left, top, right and lower end of what is not grey."""
    rows, columns = (np.flatnonzero((found[..., 0] != GREY).any(axis)) for axis in (1, 0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


@pytest.mark.parametrize(
    ("sides", "centred", "step", "shape", "where"),
    [
        ((99, 201), False, None, (160, 320), [0, 0, 320, 157]),  # 157.6 is cut off
        ((99, 201), True, None, (160, 320), [0, 1, 320, 159]),  # and rounded to 158
        ((201, 99), True, None, (160, 320), [120, 0, 199, 160]),  # of an odd margin, the smaller half goes first
        ((99, 201), True, 32, (160, 320), [0, 1, 320, 159]),
        ((80, 201), True, 32, (128, 320), [0, 0, 320, 127]),
        ((10, 20), False, None, (160, 320), [0, 0, 320, 160]),
        ((1, 9000), False, None, (160, 320), [0, 0, 320, 1]),
        ((1, 9000), True, 32, (32, 320), [0, 15, 320, 16]),
    ],
)
def test_where_an_image_lies(
    sides: tuple[int, int], centred: bool, step: int | None, shape: tuple[int, int], where: list[int]
) -> None:
    placed = Letterbox(160, 320, centred, step)(image(*sides))
    assert placed.input.shape == (*shape, 3)
    assert placed.input.dtype == np.uint8
    assert extent(placed.input) == where


@pytest.mark.parametrize("centred", [False, True])
def test_boxes_return_to_the_image(centred: bool) -> None:
    placed = Letterbox(100, 100, centred)(image(150, 200))
    top = 12 if centred else 0
    np.testing.assert_allclose(placed.in_image(np.array([[0, top, 50, top + 25]])), [[0, 0, 100, 50]], atol=1e-4)


def test_a_centred_image_has_a_scale_for_each_side() -> None:
    """99 x 201 rounds to 158 x 320; the lower edge lies at 159."""
    placed = Letterbox(160, 320, centred=True)(image(99, 201))
    np.testing.assert_allclose(placed.in_image(np.array([[0, 1, 320, 159]])), [[0, 0, 201, 99]], atol=1e-4)
    cut = Letterbox(160, 320, centred=False)(image(99, 201))
    np.testing.assert_allclose(cut.in_image(np.array([[0, 0, 320, 320 * 99 / 201]])), [[0, 0, 201, 99]], atol=1e-4)


def test_the_image_is_left_alone() -> None:
    given = image(160, 320)
    placed = Letterbox(160, 320, centred=False)(given)
    placed.input[:] = 0
    assert (given == 7).all()
