"""Drawing `Hands` on an image."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..arrays import Array, Image
from ..errors import InputError, MissingFileError
from ..files import write_atomically
from ..hands import Hands
from ..skeleton import KEYPOINT_COLORS, LINK_COLORS, LINKS

BOX_COLOR = (0, 215, 255)  # BGR
LINE_WIDTH = 1 / 120  # of a box, as a share of its longer side; bones are twice as wide
KEYPOINT_MARGIN = 1.5  # pixels by which a keypoint's radius exceeds the line
FONT_SCALE, FONT_SCALE_PER_LINE = 0.4, 0.12
FONT_HEIGHT = 22  # pixels at scale 1
MAX_COORDINATE = 1 << 14  # OpenCV draws with 16 bits and 15 more behind the point
SUBPIXEL_BITS = 4


def draw_hands(image: Image, hands: Hands) -> Image:
    """A copy of ``image`` (H, W, 3) uint8 BGR with each hand's box, confidence and skeleton, one colour a finger.

    Keypoints that are not `Hands.visible`, and the links to them, are left out.

    Raises:
        InputError: ``image`` is no such array.
    """
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        got = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else f"a {type(image).__name__}"
        raise InputError(f"an image to draw on is an array (H, W, 3) uint8 BGR, not {got}.")
    canvas = image.copy()
    for keypoints, box, confidence, seen in zip(hands.keypoints, hands.boxes, hands.confidence, hands.visible):
        line = max(1, round(float((box[2:] - box[:2]).max()) * LINE_WIDTH))
        _draw_box(canvas, box, float(confidence), line)
        points = _fixed_point(keypoints[:, :2])
        for (start, end), color in zip(LINKS, LINK_COLORS):
            if seen[start] and seen[end]:
                cv2.line(canvas, points[start], points[end], color, line * 2, cv2.LINE_AA, SUBPIXEL_BITS)
        radius = round((line + KEYPOINT_MARGIN) * (1 << SUBPIXEL_BITS))
        for point, color in zip(np.array(points)[seen].tolist(), np.array(KEYPOINT_COLORS)[seen].tolist()):
            cv2.circle(canvas, point, radius, color, -1, cv2.LINE_AA, SUBPIXEL_BITS)
            cv2.circle(canvas, point, radius, (0, 0, 0), 1, cv2.LINE_AA, SUBPIXEL_BITS)
    return canvas


def save_drawing(path: str | Path, image: Image, hands: Hands) -> None:
    """`draw_hands`, written to an image file whose ending says the format; whole or not at all.

    Raises:
        InputError: a format that OpenCV cannot write, or an image that does not fit it.
        MissingFileError: the folder is not there. OSError: it is not writable, or the disk is full.
    """
    path, drawn = Path(path), draw_hands(image, hands)
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


def _draw_box(canvas: Image, box: Array, confidence: float, line: int) -> None:
    corners = _fixed_point(box.reshape(2, 2))
    cv2.rectangle(canvas, corners[0], corners[1], BOX_COLOR, line, cv2.LINE_AA, SUBPIXEL_BITS)
    scale = FONT_SCALE + FONT_SCALE_PER_LINE * line
    anchor = (int(box[0]) + line, max(int(box[1]) - 2 * line, int(FONT_HEIGHT * scale)))  # inside at the upper border
    for color, thickness in (((0, 0, 0), line + 2), (BOX_COLOR, line)):
        cv2.putText(canvas, f"{confidence:.2f}", anchor, cv2.FONT_HERSHEY_SIMPLEX, scale, color, thickness, cv2.LINE_AA)


def _fixed_point(points: NDArray[np.float32]) -> list[tuple[int, int]]:
    """(M, 2) image pixels -> pairs of integers with `SUBPIXEL_BITS` behind the point."""
    fixed = np.rint(np.clip(points, -MAX_COORDINATE, 4 * MAX_COORDINATE) * (1 << SUBPIXEL_BITS)).astype(int)
    return [(int(x), int(y)) for x, y in fixed]
