"""How hands show gestures in turn: each in its place, palm or back toward the camera, from a seed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .figures import Figures, rolled, sample_poses, thumb_degrees
from .motion import HAND_S, RESTLESS_DEGREES, RESTLESS_LENGTH, Spline, packed, unpacked
from .poses import THUMB_UPRIGHT
from .rng import Rng

GESTURE_SECONDS = 2.0  # that each gesture is shown; about half a second of them is the change from the one before


def gesture_at(gestures: Sequence[str], time: float) -> str:
    """The one of `gestures` that is shown at `time`, seconds; after the last comes the first."""
    return gestures[int(max(time, 0.0) / GESTURE_SECONDS) % len(gestures)]


class GestureMotion:
    """N hands, the `figures`, that stay at `place` (N, 2) px and show `gestures` in turn; length (N,) px.

    Raises:
        InputError: no gesture has one of the names.
    """

    def __init__(self, rng: Rng, figures: Figures, place: Tensor, length: Tensor, gestures: Sequence[str]) -> None:
        self._figures = figures
        self._spline = Spline(_knots(rng, figures, place, length[:, None], gestures), HAND_S)

    def at(self, time: float) -> tuple[Figures, Tensor, Tensor]:
        """As `HandMotion.at`: figures, places (N, 2) px and factors (N,) of the distance, at `time` seconds."""
        now = self._spline.at(time)
        figures = rolled(replace(self._figures, angles=unpacked(now[:, 3:])), now[:, 2])
        return figures, now[:, :2], torch.ones_like(now[:, 0])


def _knots(rng: Rng, figures: Figures, place: Tensor, length: Tensor, gestures: Sequence[str]) -> Iterator[Tensor]:
    """Knots (N, 23): place, degrees by which the hand is rotated in the image, and angles."""
    count, shown = len(place), ""
    roll = torch.zeros(count, device=rng.device)
    for index in itertools.count():
        name = gesture_at(gestures, (index - 2) * HAND_S)  # where the spline is nearest to this knot
        if name != shown:
            shown, (new, _) = name, sample_poses(rng, figures.bones, figures.width, gesture=name)
            angles, roll = packed(new), torch.zeros_like(roll)
            if name in THUMB_UPRIGHT:
                turn = THUMB_UPRIGHT[name] - thumb_degrees(replace(figures, angles=new))
                roll = torch.remainder(turn + 180, 360) - 180
        restless = packed(unpacked(angles + rng.normal(RESTLESS_DEGREES, *angles.shape)))
        yield torch.cat([place + rng.normal(RESTLESS_LENGTH, count, 2) * length, roll[:, None], restless], 1)
