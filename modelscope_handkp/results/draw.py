"""Drawing `Hands` on a picture."""

import cv2
import numpy as np

from ..arrays import Image
from ..hands import Hands
from ..skeleton import KEYPOINT_COLORS, LINK_COLORS, LINKS

BOX_COLOR = (0, 215, 255)
LINE_OF_BOX = 1 / 120  # thickness of a bone, as a share of the box's longer side
MAX_COORDINATE = 1 << 14  # OpenCV draws with 16 bits and 15 more behind the point
SUBPIXEL_BITS = 4


def draw_hands(picture: Image, hands: Hands) -> Image:
    """A copy of ``picture`` (H, W, 3) BGR with each hand's box, score and skeleton, one colour a finger.

    Keypoints without any response (score 0 or less) and the links to them are left out.
    """
    canvas = picture.copy()
    for keypoints, box, score in zip(hands.keypoints, hands.boxes, hands.scores):
        line = max(1, round(float((box[2:] - box[:2]).max()) * LINE_OF_BOX))
        _draw_box(canvas, box, float(score), line)
        points, seen = _fixed_point(keypoints[:, :2]), keypoints[:, 2] > 0
        for (start, end), color in zip(LINKS, LINK_COLORS):
            if seen[start] and seen[end]:
                cv2.line(canvas, points[start], points[end], color, line * 2, cv2.LINE_AA, SUBPIXEL_BITS)
        for point, color in zip(np.array(points)[seen], np.array(KEYPOINT_COLORS)[seen].tolist()):
            radius = round((line + 1.5) * (1 << SUBPIXEL_BITS))
            cv2.circle(canvas, point.tolist(), radius, color, -1, cv2.LINE_AA, SUBPIXEL_BITS)
            cv2.circle(canvas, point.tolist(), radius, (0, 0, 0), 1, cv2.LINE_AA, SUBPIXEL_BITS)
    return canvas


def _draw_box(canvas: Image, box: np.ndarray, score: float, line: int) -> None:  # type: ignore[type-arg]
    corners = _fixed_point(box.reshape(2, 2))
    cv2.rectangle(canvas, corners[0], corners[1], BOX_COLOR, line, cv2.LINE_AA, SUBPIXEL_BITS)
    scale = 0.4 + 0.12 * line
    anchor = (int(box[0]) + line, max(int(box[1]) - 2 * line, int(22 * scale)))
    for color, thickness in (((0, 0, 0), line + 2), (BOX_COLOR, line)):
        cv2.putText(canvas, f"{score:.2f}", anchor, cv2.FONT_HERSHEY_SIMPLEX, scale, color, thickness, cv2.LINE_AA)


def _fixed_point(points: np.ndarray) -> list[tuple[int, int]]:  # type: ignore[type-arg]
    """(M, 2) picture pixels -> pairs of integers with `SUBPIXEL_BITS` behind the point."""
    fixed = np.rint(np.clip(points, -MAX_COORDINATE, 4 * MAX_COORDINATE) * (1 << SUBPIXEL_BITS)).astype(int)
    return [(int(x), int(y)) for x, y in fixed]
