"""The 1 Euro filter: a low-pass whose cutoff rises with speed (Casiez, Roussel and Vogel, CHI 2012)."""

import math
from dataclasses import dataclass, field

import numpy as np

from ..arrays import Array
from ..checks import is_number
from ..errors import InputError

LEAST_STEP = 1 / 240  # seconds; frames that come in bursts are stamped closer than they were taken


@dataclass(frozen=True)
class OneEuro:
    """How strongly the points of a hand are smoothed. Lengths are those of the hand, so that its size does not matter.

    Attributes:
        min_cutoff: frequency in Hz above which a point at rest is smoothed; lower is steadier.
        beta: by how many Hz the cutoff rises for a speed of one hand length a second; higher lags less.
        speed_cutoff: in Hz, of the speed itself.
    Raises:
        InputError: a cutoff that is not above 0, or a negative beta.
    """

    min_cutoff: float = 1.0
    beta: float = 2.5
    speed_cutoff: float = 1.0

    def __post_init__(self) -> None:
        for name in ("min_cutoff", "beta", "speed_cutoff"):
            value = getattr(self, name)
            if not is_number(value) or value < 0 or (value == 0 and name != "beta"):
                raise InputError(f"OneEuro.{name} must be a number above 0 (beta also 0), got {value!r:.80}.")


@dataclass
class PointFilter:
    """The filter of one hand's points, over the frames of a video."""

    settings: OneEuro
    _points: Array | None = field(default=None, init=False)
    _speed: Array = field(default_factory=lambda: np.zeros(0, np.float32), init=False)
    _time: float = field(default=0.0, init=False)

    def __call__(self, points: Array, time: float, length: float) -> Array:
        """Points (K, 2), any unit, at a time in seconds -> (K, 2) smoothed; ``length`` of the hand, in the same unit.

        The first points come back as they are; so do points of a time that is not later than the one before.
        """
        step = max(time - self._time, LEAST_STEP)
        if self._points is None or time <= self._time:
            self._points, self._speed, self._time = points, np.zeros_like(points), time
            return points
        speed = (points - self._points) / (step * length)
        self._speed = self._speed + _share(step, self.settings.speed_cutoff) * (speed - self._speed)
        cutoff = self.settings.min_cutoff + self.settings.beta * np.linalg.norm(self._speed, axis=1, keepdims=True)
        self._points = self._points + _share(step, cutoff) * (points - self._points)
        self._time = time
        return self._points


def _share(step: float, cutoff: "float | Array") -> "float | Array":
    """Of the new value in an exponential average, for a time step in seconds and a cutoff in Hz."""
    turn = 2 * math.pi * cutoff * step
    return turn / (turn + 1)
