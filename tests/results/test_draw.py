"""Drawing."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from modelscope_handkp import Hands
from modelscope_handkp.errors import InputError, MissingFileError
from modelscope_handkp.results import DrawingStyle
from modelscope_handkp.results.draw import draw_hands, save_drawing
from modelscope_handkp.skeleton import FINGER_COLORS

YELLOW = (0, 215, 255)  # of boxes, BGR


def one_hand(keypoints: np.ndarray, box: list[float]) -> Hands:
    return Hands(keypoints[None], np.array([box], np.float32), np.array([0.9], np.float32))


def spread(score: float = 1.0) -> np.ndarray:
    """A finger a row, its joints side by side; the wrist at the left."""
    fingers = [[40 + 40 * joint, 20 + 40 * finger, score] for finger in range(5) for joint in range(4)]
    return np.array([[10, 100, score], *fingers], np.float32)


def has(image: np.ndarray, color: tuple[int, int, int]) -> bool:
    return bool((image == color).all(axis=-1).any())


def test_every_finger_its_colour_a_box_and_a_score() -> None:
    image = np.zeros((220, 220, 3), np.uint8)
    image.flags.writeable = False
    drawn = draw_hands(image, one_hand(spread(), [5, 5, 210, 210]))
    assert not image.any()
    assert drawn.flags.writeable
    assert (drawn.shape, drawn.dtype) == (image.shape, np.uint8)
    assert all(has(drawn[15 + 40 * i : 25 + 40 * i, 35:170], color) for i, color in enumerate(FINGER_COLORS))
    assert has(drawn[:8], YELLOW)
    for (x, y, _), color in zip(spread()[1:], [color for color in FINGER_COLORS for _ in range(4)]):
        assert tuple(drawn[int(y), int(x)]) == color


def test_keypoints_without_response_are_left_out() -> None:
    keypoints = spread()
    keypoints[1:5, 2] = [0, -1, 0, 0]  # no thumb
    drawn = draw_hands(np.zeros((220, 220, 3), np.uint8), one_hand(keypoints, [5, 5, 210, 210]))
    assert not has(drawn, FINGER_COLORS[0])
    assert has(drawn, FINGER_COLORS[1])
    nothing = draw_hands(np.zeros((220, 220, 3), np.uint8), one_hand(spread(0), [5, 5, 210, 210]))
    assert not any(has(nothing, color) for color in FINGER_COLORS)


def test_no_hands_gives_a_copy() -> None:
    image = np.full((4, 5, 3), 7, np.uint8)
    drawn = draw_hands(image, Hands.empty())
    assert drawn is not image
    np.testing.assert_array_equal(drawn, image)


@pytest.mark.parametrize("shift", [-1e9, -5000.0, 3e4, 1e9])
def test_far_outside_the_image(shift: float) -> None:
    keypoints = spread()
    keypoints[:10, :2] += shift
    drawn = draw_hands(np.zeros((100, 100, 3), np.uint8), one_hand(keypoints, [0, 0, 100, 100]))
    assert drawn.shape == (100, 100, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1)])
def test_odd_images_and_boxes_without_area(size: tuple[int, int]) -> None:
    image = np.zeros((*size, 3), np.uint8)
    for box in ([0, 0, *size[::-1]], [0, 0, 0, 0], [size[1], size[0], size[1], size[0]]):
        assert draw_hands(image, one_hand(spread(), box)).shape == image.shape


def black(height: int = 260, width: int = 260) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def thickness(drawn: np.ndarray, color: tuple[int, int, int], column: int) -> int:
    return int((drawn[:, column] == color).all(axis=-1).sum())


def test_lines_grow_with_the_box_and_bones_are_twice_as_wide() -> None:
    """A 120th of the box's longer side for the box, at least a pixel; the thumb's row is crossed between two joints."""
    for side, box_line in ((100, 1), (480, 4)):
        keypoints = np.zeros((21, 3), np.float32)
        keypoints[1:3] = [[20, 150, 1], [220, 150, 1]]  # one long bone
        drawn = draw_hands(black(600, 600), one_hand(keypoints, [10, 300, 10 + side, 300 + side / 4]))
        assert abs(thickness(drawn[295:310], YELLOW, 60) - box_line) <= 1
        assert abs(thickness(drawn[130:170], FINGER_COLORS[0], 120) - 2 * box_line) <= 1


def changed(drawn: np.ndarray, background: int = 128) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is drawn on an even image."""
    rows, columns = np.nonzero((drawn != background).any(axis=-1))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def label_of(box: list[float], confidence: float = 0.37, side: int = 600, **options: Any) -> np.ndarray:
    """An even image with nothing on it but a hand's label."""
    hands = Hands(spread(0)[None], [box], [0.9], [confidence], **options)
    return hands.draw(np.full((side, side, 3), 128, np.uint8), DrawingStyle(boxes=False))


def test_the_confidence_is_written_over_the_box() -> None:
    left, top, right, bottom = changed(label_of([20, 100, 200, 240]))
    assert 20 <= left <= 24 and 94 <= bottom <= 101  # with a base line 4 pixels above a box with a line of 2
    assert 12 <= bottom - top <= 22 and 30 <= right - left <= 60
    assert has(label_of([20, 100, 200, 240]), YELLOW)
    assert (label_of([20, 100, 200, 240], 0.37) != label_of([20, 100, 200, 240], 0.38)).any()
    small, large = changed(label_of([20, 100, 120, 200])), changed(label_of([20, 100, 500, 580]))
    assert large[3] - large[1] > 1.3 * (small[3] - small[1])  # it grows with the line of the box


def test_keypoints_have_a_black_rim() -> None:
    keypoints = np.zeros((21, 3), np.float32)
    keypoints[4] = [100, 100, 1]
    drawn = draw_hands(np.full((260, 260, 3), 128, np.uint8), one_hand(keypoints, [5, 5, 245, 245]))
    row = drawn[100, 90:111].astype(int).sum(axis=-1)
    assert tuple(drawn[100, 100]) == FINGER_COLORS[0]
    assert row[:10].min() < 250 and row[11:].min() < 250


def test_the_threshold_of_the_hands_decides_what_is_drawn() -> None:
    keypoints = spread()
    keypoints[1:5, 2] = 0.4
    hands = Hands(keypoints[None], [[5, 5, 210, 210]], [0.9], keypoint_threshold=0.4)
    assert not has(draw_hands(black(), hands), FINGER_COLORS[0])
    assert has(draw_hands(black(), hands), FINGER_COLORS[1])


def test_a_drawing_is_saved_by_its_ending(tmp_path: Path) -> None:
    hands, image = one_hand(spread(), [5, 5, 210, 210]), black()
    hands.save(tmp_path / "a.png", image)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "a.png")), hands.draw(image))
    for name in ("a", "a.xyz", "a.txt"):
        with pytest.raises(InputError, match=r"cannot be written"):
            save_drawing(tmp_path / name, image, hands)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("side", [100, 240, 480])
def test_the_confidence_has_a_black_rim(side: int) -> None:
    drawn = label_of([20, 100, 20 + side, 100 + side]).astype(int)
    text = np.abs(drawn - YELLOW).max(axis=-1) < 80
    around = cv2.dilate(text.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~text
    assert text.sum() > 20
    assert (drawn[around].sum(axis=-1) < 150).mean() > 0.25  # others are smooth edges of the letters


@pytest.mark.parametrize("box", [[20, 0, 170, 150], [240, 0, 390, 150], [-50, -50, 100, 100], [255, 200, 300, 350]])
def test_at_the_borders_the_confidence_is_written_inside_the_image(box: list[float]) -> None:
    whole = changed(label_of([50, 100, 200, 250], side=260))
    left, top, right, bottom = changed(label_of(box, side=260))
    assert right - left >= whole[2] - whole[0] - 2 and bottom - top >= whole[3] - whole[1] - 3  # but for the rim


def test_a_keypoint_is_a_disc_half_as_wide_again_as_its_bones() -> None:
    """Of 1.5 pixels more radius than the box's line, with a rim of one black pixel."""
    for side, radius in ((100, 2.5), (480, 5.5)):
        keypoints = np.zeros((21, 3), np.float32)
        keypoints[4] = [100, 100, 1]
        drawn = draw_hands(np.full((600, 600, 3), 128, np.uint8), one_hand(keypoints, [5, 300, 5 + side, 310]))
        expected = np.full((600, 600, 3), 128, np.uint8)
        cv2.circle(expected, (1600, 1600), round(16 * radius), FINGER_COLORS[0], cv2.FILLED, cv2.LINE_AA, 4)
        cv2.circle(expected, (1600, 1600), round(16 * radius), (0, 0, 0), 1, cv2.LINE_AA, 4)
        np.testing.assert_array_equal(drawn[80:120, 80:120], expected[80:120, 80:120])


def test_boxes_and_bones_lie_at_fractions_of_a_pixel() -> None:
    """To a sixteenth, with smooth edges."""
    keypoints = np.zeros((21, 3), np.float32)
    keypoints[1:3] = [[40.25, 150.5, 1], [160.5, 170.0625, 1]]
    box = [10.5, 20.25, 230.75, 200]
    drawn = draw_hands(black(), one_hand(keypoints, box))
    bone = black()
    cv2.line(bone, (644, 2408), (2568, 2721), FINGER_COLORS[0], 4, cv2.LINE_AA, 4)
    np.testing.assert_array_equal(drawn[140:180, 60:140], bone[140:180, 60:140])
    frame = black()
    cv2.rectangle(frame, (168, 324), (3692, 3200), YELLOW, 2, cv2.LINE_AA, 4)
    np.testing.assert_array_equal(drawn[30:130], frame[30:130])
    np.testing.assert_array_equal(drawn[190:], frame[190:])
    nudged = draw_hands(black(), one_hand(keypoints + np.array([1 / 16, 0, 0]), box))
    assert (nudged != drawn).any()


@pytest.mark.parametrize("away", [-16_000, -5000, 5000, 60_000])
def test_a_bone_to_a_keypoint_far_outside_keeps_its_direction(away: int) -> None:
    keypoints = np.zeros((21, 3), np.float32)
    keypoints[1:3] = [[130, 130, 1], [130 + away, 130 + away / 2, 1]]
    drawn = draw_hands(black(), one_hand(keypoints, [0, 0, 12, 12]))
    for step in (40, 80, 120) if away > 0 else (-40, -80, -120):
        assert drawn[130 + step // 2, 130 + step].any()
        assert not drawn[126 + step // 2, 130 + step].any() and not drawn[134 + step // 2, 130 + step].any()


def test_what_cannot_be_drawn_on_or_saved_is_named(tmp_path: Path) -> None:
    hands = one_hand(spread(), [5, 5, 210, 210])
    with pytest.raises(InputError, match="not a str"):
        hands.draw("hands.jpg")  # type: ignore[arg-type]
    with pytest.raises(MissingFileError, match=r"there is no folder .*nowhere"):
        hands.save(tmp_path / "nowhere" / "a.png", black())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_what_is_no_number_is_left_out(value: float) -> None:
    keypoints = spread()
    keypoints[3, :2] = keypoints[7, 1] = value
    keypoints[20, 2] = np.nan
    drawn = draw_hands(black(), one_hand(keypoints, [5, 5, 210, 210]))
    assert all(has(drawn, color) for color in FINGER_COLORS)
    boxes = [[5, 5, value, 210], [value] * 4, [-value, -value, value, value]]
    for box in boxes:
        hands = Hands(keypoints[None], [box], [value], [value])
        assert has(draw_hands(black(), hands, DrawingStyle(color="hand")), (0, 0, 0))


def test_an_image_without_pixels() -> None:
    for shape in ((0, 5, 3), (5, 0, 3)):
        assert draw_hands(np.zeros(shape, np.uint8), one_hand(spread(), [0, 0, 9, 9])).shape == shape


def test_far_from_the_origin_of_a_huge_image() -> None:
    near = draw_hands(black(300, 5000), one_hand(spread(), [5, 60, 210, 210]))
    keypoints = spread()
    keypoints[:, 0] += 90_000
    far = draw_hands(black(300, 100_000), one_hand(keypoints, [90_005, 60, 90_210, 210]))
    np.testing.assert_array_equal(far[:, 90_000:90_300], near[:, :300])


def test_a_box_that_is_larger_than_the_image_is_drawn_with_lines_of_the_image(tmp_path: Path) -> None:
    drawn = draw_hands(black(240, 240), one_hand(spread(), [-1e9, -1e9, 1e9, 1e9]))
    assert thickness(drawn[:40], FINGER_COLORS[0], 60) <= 5
