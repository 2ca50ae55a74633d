"""The frames of a visitor's camera -> hands with identities and gestures, one session for each visitor."""

import time
from collections import deque
from typing import Any

from ..arrays import Image
from ..estimator import HandEstimator
from ..gestures import GestureStream
from ..tracking import HandTracker
from .answers import fitted, to_jpeg
from .tables import live_status

SIDE = 960  # pixels of a frame; larger ones are made smaller
LEAST_STEP = 1e-3  # seconds between two frames
RATE_OVER = 10  # frames
FEW = 5  # frames, before which no rate is told
SLOW = 4.0  # frames a second


class Live:
    """The hands before one camera.

    Args:
        estimator: finds them. settings: what it was made from; a session with others begins anew.
    """

    def __init__(self, estimator: HandEstimator, settings: tuple[Any, ...]) -> None:
        self.settings = settings
        self._tracker, self._gestures = HandTracker(estimator), GestureStream()
        self._begun, self._time = time.monotonic(), -1.0
        self._times: deque[float] = deque(maxlen=RATE_OVER)
        self._shown: dict[int, str] = {}

    def answer(self, image: Image, language: str) -> tuple[bytes, str]:
        """The content of a JPEG and the words for the next frame (H, W, 3) uint8 BGR.

        Raises:
            InputError: the frame cannot be used.
        """
        image = fitted(image, SIDE)
        self._time = max(time.monotonic() - self._begun, self._time + LEAST_STEP)
        hands = self._tracker.update(image, self._time)
        for event in self._gestures.update(hands, self._time):
            if event.kind == "ended":
                self._shown.pop(event.id, None)
            else:
                self._shown[event.id] = event.name
        self._times.append(self._time)
        rate = self._rate()
        status = live_status(hands, self._shown, rate, rate is not None and rate < SLOW, language)
        return to_jpeg(hands.draw(image)), status

    def _rate(self) -> float | None:
        """Frames a second; None: not known yet."""
        if len(self._times) < FEW:
            return None
        return (len(self._times) - 1) / (self._times[-1] - self._times[0])
