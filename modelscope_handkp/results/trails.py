"""The ways that hands took, as fading lines."""

from collections import deque
from itertools import pairwise

import cv2
import numpy as np

from ..arrays import Array, Image
from ..checks import check_count
from ..errors import InputError, KeypointNameError
from ..hands import Hands
from ..skeleton import KEYPOINT_NAMES
from .draw import SUBPIXEL_BITS, check_canvas, fixed_point
from .style import MAX_PIXELS, hand_color

Place = Array | None  # (2,) x, y in image pixels; None where the keypoint was not seen


class Trails:
    """Draws behind each hand the way that one of its keypoints took in the last frames; older parts fade.

    Call `draw` once a frame, in order. A hand that was not seen for ``length`` frames is forgotten,
    so that memory is bounded.

    Args:
        length: frames.
        keypoint: its name, of `skeleton.KEYPOINT_NAMES`.
        width: of the line in pixels.
    Raises:
        InputError: ``length`` or ``width`` is not positive. KeypointNameError: no keypoint has this name.
    """

    def __init__(self, length: int = 30, keypoint: str = "wrist", width: int = 3) -> None:
        if keypoint not in KEYPOINT_NAMES:
            raise KeypointNameError(f"no keypoint is called {keypoint!r:.80}; they are {', '.join(KEYPOINT_NAMES)}.")
        self._length, self._width = check_count("length", length), check_count("width", width)
        if width > MAX_PIXELS:
            raise InputError(f"width must be at most {MAX_PIXELS} pixels, got {width}.")
        self._keypoint = KEYPOINT_NAMES.index(keypoint)
        self._places: dict[int, deque[Place]] = {}

    def draw(self, image: Image, hands: Hands) -> Image:
        """A copy of ``image`` (H, W, 3) uint8 BGR with the trails of this frame, in the hands' colours by id.

        Draw the hands on it: ``hands.draw(trails.draw(image, hands))``.

        Raises:
            InputError: ``image`` is no such array, or the hands have no ids, which a tracker gives them.
        """
        check_canvas(image)
        if hands.ids is None and len(hands):
            raise InputError("trails need hands with ids: take them from a tracker.")
        self._remember(hands)
        canvas = image.copy()
        if canvas.size:
            for identity, places in self._places.items():
                self._draw_trail(canvas, list(places), identity)
        return canvas

    def _remember(self, hands: Hands) -> None:
        now: dict[int, Place] = dict.fromkeys(self._places)
        for hand, seen in zip(hands, hands.visible[:, self._keypoint]):
            point = hand.keypoints[self._keypoint, :2]
            now[int(hand.id or 0)] = point if seen and np.isfinite(point).all() else None
        for identity, place in now.items():
            places = self._places.setdefault(identity, deque(maxlen=self._length))
            places.append(place)
            if all(known is None for known in places):
                del self._places[identity]

    def _draw_trail(self, canvas: Image, places: list[Place], identity: int) -> None:
        color = hand_color(identity)
        for age, (start, end) in enumerate(pairwise(places), self._length - len(places) + 1):
            if start is not None and end is not None:
                self._blend_line(canvas, np.stack([start, end]), color, age / self._length)

    def _blend_line(self, canvas: Image, ends: Array, color: tuple[int, int, int], alpha: float) -> None:
        """Paint a line between two points (2, 2), mixed with what is below by ``alpha``, 0 to 1."""
        height, width = canvas.shape[:2]
        margin = self._width + 1
        first = np.clip(np.floor(ends.min(axis=0)) - margin, 0, (width, height)).astype(int)
        last = np.clip(np.ceil(ends.max(axis=0)) + margin, 0, (width, height)).astype(int)
        below = canvas[first[1] : last[1], first[0] : last[0]]
        if not below.size:
            return
        painted = below.copy()
        start, end = fixed_point(ends - first)
        cv2.line(painted, start, end, color, self._width, cv2.LINE_AA, SUBPIXEL_BITS)
        below[...] = cv2.addWeighted(painted, alpha, below, 1 - alpha, 0)
