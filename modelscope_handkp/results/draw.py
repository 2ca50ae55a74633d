"""Drawing `Hands` on an image."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..arrays import Array, Image
from ..errors import InputError, MissingFileError
from ..files import write_atomically
from ..hands import Hand, Hands
from ..skeleton import KEYPOINT_COLORS, LINK_COLORS, LINKS, NUM_KEYPOINTS
from .labels import draw_text, font_of
from .style import Color, DrawingStyle, hand_color

BOX_COLOR = (0, 215, 255)  # BGR
LINE_WIDTH = 1 / 120  # of a box, as a share of its longer side; bones are twice as wide
KEYPOINT_MARGIN = 1.5  # pixels by which a keypoint's radius exceeds the box's line
MAX_COORDINATE = 1 << 14  # OpenCV draws with 16 bits and 15 more behind the point
SUBPIXEL_BITS = 4
WINDOW_MARGIN = 4096  # pixels, for lines and labels
DEFAULT_STYLE = DrawingStyle()


def draw_hands(image: Image, hands: Hands, style: DrawingStyle | None = None) -> Image:
    """A copy of ``image`` (H, W, 3) uint8 BGR with each hand's box, label and skeleton.

    Keypoints that are not `Hands.visible`, and the links to them, are left out, as is what is no number.

    Args:
        style: how they are drawn; None: a colour a finger, and the confidence, behind the id where that is known.
    Raises:
        InputError: ``image`` is no such array, or a font that ``style`` needs is not found or read.
    """
    check_canvas(image)
    style = style or DEFAULT_STYLE
    font = font_of(style.language, style.font) if style.label != "none" else None
    canvas = image.copy()
    if not canvas.size:
        return canvas
    for index, (hand, visible) in enumerate(zip(hands, hands.visible)):
        color = hand_color(index if hand.id is None else hand.id) if style.color == "hand" else None
        seen = visible & np.isfinite(hand.keypoints[:, :2]).all(axis=1)
        window, origin = _window(canvas, hand, seen)
        points, box = hand.keypoints[:, :2] - origin, hand.box - np.tile(origin, 2)
        line = _line(box, canvas, style)
        if np.isfinite(box).all():
            _draw_box(window, box, style.label_of(hand), line, color or BOX_COLOR, style, font)
        _draw_skeleton(window, points, seen, line, color, style)
    return canvas


def check_canvas(image: Image) -> None:
    """Refuse what cannot be drawn on.

    Raises:
        InputError: ``image`` is no array (H, W, 3) uint8.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else f"a {type(image).__name__}"
        raise InputError(f"an image to draw on is an array (H, W, 3) uint8 BGR, not {got}.")


def save_drawing(path: str | Path, image: Image, hands: Hands, style: DrawingStyle | None = None) -> None:
    """`draw_hands`, written to an image file whose ending says the format; whole or not at all.

    Raises:
        InputError: a format that OpenCV cannot write, an image that does not fit it, or a font that is not found.
        MissingFileError: the folder is not there. OSError: it is not writable, or the disk is full.
    """
    path, drawn = Path(path), draw_hands(image, hands, style)
    if not path.parent.is_dir():
        raise MissingFileError(f"{path} cannot be written: there is no folder {path.parent}.")
    height, width = image.shape[:2]
    try:
        encoded, content = cv2.imencode(path.suffix, drawn)
    except cv2.error:
        encoded = False
    if not encoded:
        raise InputError(f"{path}: {width} x {height} pixels cannot be written as {path.suffix!r}; try .png or .jpg.")
    write_atomically(path, content.tobytes())


def _line(box: Array, canvas: Image, style: DrawingStyle) -> int:
    """The width of a box's line in pixels."""
    if style.line_width is not None:
        return max(1, style.line_width // 2)
    if not np.isfinite(box).all():
        return 1
    left, top, right, bottom = (float(value) for value in box)
    side: float = min(max(right - left, bottom - top), max(canvas.shape[:2]))
    return max(1, round(side * LINE_WIDTH))


def _window(canvas: Image, hand: Hand, seen: NDArray[np.bool_]) -> tuple[Image, Array]:
    """The part of an image from where a hand begins, and where that is: OpenCV does not draw far from the origin."""
    height, width = canvas.shape[:2]
    corners = np.concatenate([hand.keypoints[seen, :2], hand.box.reshape(2, 2)])
    corners = corners[np.isfinite(corners).all(axis=1)]
    if max(height, width) <= MAX_COORDINATE or not len(corners):
        return canvas, np.zeros(2, np.float32)
    left, top = np.clip(np.floor(corners.min(axis=0)) - WINDOW_MARGIN, 0, (width - 1, height - 1)).astype(int)
    return canvas[top:, left:], np.array([left, top], np.float32)


def _draw_box(
    canvas: Image, box: Array, text: str, line: int, color: Color, style: DrawingStyle, font: str | Path | None
) -> None:
    if style.boxes:
        first, last = fixed_point(box.reshape(2, 2))
        cv2.rectangle(canvas, first, last, color, line, cv2.LINE_AA, SUBPIXEL_BITS)
    if text:
        draw_text(canvas, text, box, line, color, font)


def _draw_skeleton(
    canvas: Image, keypoints: Array, seen: NDArray[np.bool_], line: int, color: Color | None, style: DrawingStyle
) -> None:
    points = fixed_point(np.where(seen[:, None], keypoints, 0))
    bone = style.line_width or 2 * line
    for (start, end), link_color in zip(LINKS, LINK_COLORS):
        if seen[start] and seen[end]:
            cv2.line(canvas, points[start], points[end], color or link_color, bone, cv2.LINE_AA, SUBPIXEL_BITS)
    pixels = line + KEYPOINT_MARGIN if style.point_radius is None else style.point_radius
    radius = round(pixels * (1 << SUBPIXEL_BITS))
    for number in range(NUM_KEYPOINTS):
        if seen[number] and radius:
            fill = color or KEYPOINT_COLORS[number]
            cv2.circle(canvas, points[number], radius, fill, -1, cv2.LINE_AA, SUBPIXEL_BITS)
            cv2.circle(canvas, points[number], radius, (0, 0, 0), 1, cv2.LINE_AA, SUBPIXEL_BITS)


def fixed_point(points: NDArray[np.float32]) -> list[tuple[int, int]]:
    """(M, 2) image pixels, finite -> pairs of integers with `SUBPIXEL_BITS` behind the point."""
    fixed = np.rint(np.clip(points, -MAX_COORDINATE, 4 * MAX_COORDINATE) * (1 << SUBPIXEL_BITS)).astype(int)
    return [(int(x), int(y)) for x, y in fixed]
