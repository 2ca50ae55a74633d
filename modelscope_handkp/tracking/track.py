"""One hand through the frames of a video."""

from dataclasses import dataclass

import numpy as np

from ..arrays import Array
from ..pose.refine import around
from .one_euro import LEAST_STEP, OneEuro, PointFilter

VELOCITY_SHARE = 0.5  # of the newest step in a track's velocity
COLOR_SHARE = 0.1  # of the newest colour in a track's
COAST_SECONDS = 0.15  # in which the velocity of a hidden hand falls to 1/e: hands seldom go straight on for longer
TINY = 1e-6  # keeps a division finite


@dataclass
class Observation:
    """What one frame shows of one hand: keypoints (21, 3) and box (4,) xyxy in image pixels, the score of the box that
    it was looked for in, its confidence, and its colour (3,)."""

    keypoints: Array
    box: Array
    score: float
    confidence: float
    color: Array


class Track:
    """The same hand in several frames.

    Attributes:
        id: its number; None until it was once surely a hand.
        seen: what was observed last. time: when, in seconds.
        visible: whether that was in the newest frame. count: of the frames that showed it.
        color: (3,), averaged over them.
        keypoints: (21, 3) as seen last, smoothed.
    """

    def __init__(self, seen: Observation, time: float, smoothing: OneEuro | None) -> None:
        self.id: int | None = None
        self.seen, self.time, self.visible = seen, time, True
        self.color, self.count = seen.color, 1
        self._smoothing = smoothing
        self._stand_still()
        self.keypoints = self._smoothed(seen, time)

    def predicted(self, time: float) -> Array:
        """Keypoints (21, 3) where the hand is expected at ``time``, image pixels; the faster it was, the further on."""
        passed = max(time - self.time, 0.0)
        reach = passed if self.visible else COAST_SECONDS * (1 - np.exp(-passed / COAST_SECONDS))
        keypoints = self.seen.keypoints.copy()
        keypoints[:, :2] += self._velocity * np.float32(reach)
        return keypoints

    def box(self, time: float, width: int, height: int) -> Array:
        """(4,) xyxy, image pixels: where to look for the hand at ``time``; without area where it has left the image."""
        box: Array = around(self.predicted(time)[None], width, height)[0]
        return box

    @property
    def length(self) -> float:
        """Of the hand as it was seen, pixels."""
        return length_of(self.seen.keypoints)

    def follow(self, seen: Observation, time: float) -> None:
        """The hand was observed anew."""
        passed = time - self.time
        if self.visible and passed > 0:
            moved = (seen.keypoints[:, :2] - self.seen.keypoints[:, :2]).mean(axis=0)
            step = np.float32(max(passed, LEAST_STEP))
            self._velocity += VELOCITY_SHARE * (moved / step - self._velocity)
        elif passed > 0:  # it was hidden: its speed is not known, and what was smoothed lies elsewhere
            self._stand_still()
        self.seen, self.time, self.visible = seen, time, True
        self.color = self.color + COLOR_SHARE * (seen.color - self.color)
        self.count += 1
        self.keypoints = self._smoothed(seen, time)

    def _stand_still(self) -> None:
        """Forget how the hand moved."""
        self._velocity = np.zeros(2, np.float32)  # pixels a second
        self._filter = None if self._smoothing is None else PointFilter(self._smoothing)

    def _smoothed(self, seen: Observation, time: float) -> Array:
        if self._filter is None:
            return seen.keypoints
        keypoints = seen.keypoints.copy()
        keypoints[:, :2] = self._filter(seen.keypoints[:, :2], time, length_of(seen.keypoints))
        return keypoints


def length_of(keypoints: Array) -> float:
    """The longer side of the extent of keypoints (21, 2 or more)."""
    return max(float((keypoints[:, :2].max(axis=0) - keypoints[:, :2].min(axis=0)).max()), TINY)
