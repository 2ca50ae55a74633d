"""How hands and cameras move: smooth joint angles, turns, places and distances over time, from a seed.

Everything that moves is a uniform cubic B-spline: it has continuous accelerations and stays between the knots that
are drawn for it, so what holds for the knots, such as the limits of joints, holds at every time.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .figures import Figures, sample_poses
from .poses import FLEX_LIMITS, SPREAD_LIMIT, THUMB_LIMITS, Angles, limited
from .rng import Rng

MOST_SHAKE = 3.0  # standard deviations
HAND_S, _SHAKE_S = 0.25, 0.12  # seconds between the knots of hands, and of the camera's shake
_ORDER = 4  # knots that shape one moment
_CALM = 0.8  # share of a shake that is left at its next knot
_NEW_POSE, _NEW_TURN, _NEW_DISTANCE = 0.2, 0.25, 0.15  # chance at a knot that a hand begins to change it
# Radians about a hand's x (wrist bends), y (palm turns over) and z (wrist deviates); standard deviations at most.
_TURN, _MOST_TURN = (0.35, 0.8, 0.35), 2.0
_ARM_STAYS = (0.6, 0.0, 0.6)  # share of these turns that the forearm does not follow
_FARTHER, _MOST_FARTHER = 0.15, 0.35  # of the distance's logarithm
RESTLESS_DEGREES, RESTLESS_LENGTH = 2.0, 0.015  # what a hand at rest still moves its joints and its place
_PACE, _PACE_PER_LENGTH, _MOST_PACE = (0.4, 1.6), 0.3, 5.0  # hand lengths a second; far goals are reached faster
_SLOWS = 0.7  # share of the way to its goal that a hand goes from knot to knot at most
_ARRIVED = 0.15  # hand lengths
_PASSES, _LEAVES = 0.35, 0.2  # chance that a goal lies beyond another hand, and outside the image
_BORDER = 0.1  # share of the image's sides that goals keep from its borders


class Spline:
    """A uniform cubic B-spline over time through `knots`, one each `interval` seconds.

    Knots are drawn when they are needed and forgotten soon after, so a spline has no end. Times start at 0; they may
    go back by one interval, no more.
    """

    def __init__(self, knots: Iterator[Tensor], interval: float) -> None:
        self._source, self._interval = knots, interval
        self._knots: deque[Tensor] = deque(maxlen=_ORDER + 1)
        self._drawn = 0

    def at(self, time: float) -> Tensor:
        """The value at `time`, seconds; of the shape of a knot."""
        place = time / self._interval + 1
        index = int(place)
        while self._drawn < index + _ORDER:
            self._knots.append(next(self._source))
            self._drawn += 1
        first = index - (self._drawn - len(self._knots))
        s = place - index
        weights = ((1 - s) ** 3, 3 * s**3 - 6 * s**2 + 4, 3 * s * (1 + s - s**2) + 1, s**3)
        return sum((self._knots[first + k] * (w / 6) for k, w in enumerate(weights)), torch.zeros(()))


def camera_shake(rng: Rng, strength: float) -> Spline:
    """A hand-held camera's shake (2,) in x and y, px, over time: of a standard deviation of up to `strength` px, and
    nowhere more than `MOST_SHAKE` times as far."""

    def knots() -> Iterator[Tensor]:
        place = torch.zeros(2, device=rng.device)
        while True:
            yield place.clamp(-MOST_SHAKE * strength, MOST_SHAKE * strength)
            place = place * _CALM + rng.normal(strength * (1 - _CALM**2) ** 0.5, 2)

    return Spline(knots(), _SHAKE_S)


@dataclass(frozen=True)
class Stay:
    """Where N hands are at first and may be: size (width, height) px of the image; place (N, 2) px; length (N,) px of
    the hands; away (N, 2): unit direction in which each one's arm leads, along which it leaves the image."""

    size: tuple[int, int]
    place: Tensor
    length: Tensor
    away: Tensor


class HandMotion:
    """N hands that move about an image and change their poses: `figures` at first, then as `at` says.

    `variety` (0 to 1): see `sample_angles`.
    """

    def __init__(self, rng: Rng, figures: Figures, stay: Stay, variety: float) -> None:
        self._figures = figures
        self._spline = Spline(_knots(rng, figures, stay, variety), HAND_S)

    def at(self, time: float) -> tuple[Figures, Tensor, Tensor]:
        """The figures, the places (N, 2) px of their palms, and factors (N,) of their distances, at `time` seconds.

        `Figures.pose` is the one at first.
        """
        now, first = self._spline.at(time), self._figures
        place, farther, turn = now[:, :2], now[:, 2], now[:, 3:6]
        stays = turn * torch.tensor(_ARM_STAYS, device=turn.device)
        arms = torch.stack([first.elbow, first.arm_along, first.arm_back], 1) @ _rotations(stays)
        elbow, arm_along, arm_back = arms.unbind(1)
        view = first.view @ _rotations(turn * _mirrored(first.is_left))
        moved = replace(first, angles=unpacked(now[:, 6:]), view=view, elbow=elbow, arm_along=arm_along,
                        arm_back=arm_back)  # fmt: skip
        return moved, place, farther.exp()


def _mirrored(is_left: Tensor) -> Tensor:
    """Factors (N, 3) of rotation vectors in the frame of a right hand, for left hands, which are its mirror images."""
    sign = 1 - 2 * is_left.float()
    return torch.stack([torch.ones_like(sign), sign, sign], 1)


def _rotations(vector: Tensor) -> Tensor:
    """Rotations (N, 3, 3) about `vector` (N, 3) by its length, radians, by Rodrigues' formula."""
    angle = vector.norm(dim=1)[:, None, None]
    x, y, z = vector.unbind(1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).reshape(-1, 3, 3)
    half = torch.sinc(angle / (2 * math.pi))
    turned: Tensor = (
        torch.eye(3, device=vector.device) + torch.sinc(angle / math.pi) * cross + half**2 / 2 * cross @ cross
    )
    return turned


def packed(angles: Angles) -> Tensor:
    """All angles in one row (N, 20), degrees, within the limits."""
    flex, thumb = limited(angles.flex, FLEX_LIMITS), limited(angles.thumb, THUMB_LIMITS)
    return torch.cat([flex.flatten(1), angles.spread.clamp(-SPREAD_LIMIT, SPREAD_LIMIT), thumb], 1)


def unpacked(row: Tensor) -> Angles:
    """The angles of a row (N, 20)."""
    return Angles(row[:, :12].reshape(-1, 4, 3), row[:, 12:16], row[:, 16:])


def _knots(rng: Rng, figures: Figures, stay: Stay, variety: float) -> Iterator[Tensor]:
    """Knots (N, 26): place, logarithm of the distance's factor, turn against the first view, and angles."""
    count, length = len(stay.place), stay.length[:, None]
    place = goal = stay.place
    farther, turn, pace = (torch.zeros(count, columns, device=rng.device) for columns in (1, 3, 1))
    angles = packed(figures.angles)
    while True:
        restless = packed(unpacked(angles + rng.normal(RESTLESS_DEGREES, *angles.shape)))
        yield torch.cat([place + rng.normal(RESTLESS_LENGTH, count, 2) * length, farther, turn, restless], 1)
        other = rng.normal(_FARTHER, count, 1).clamp(-_MOST_FARTHER, _MOST_FARTHER)
        farther = torch.where(rng.chance(_NEW_DISTANCE, count, 1), other, farther)
        other = rng.normal(1.0, count, 3).clamp(-_MOST_TURN, _MOST_TURN) * torch.tensor(_TURN, device=rng.device)
        turn = torch.where(rng.chance(_NEW_TURN, count, 1), other, turn)
        changed = rng.chance(_NEW_POSE, count).nonzero()[:, 0]
        new, _ = sample_poses(rng, figures.bones[changed], figures.width[changed], variety)
        angles = angles.index_put((changed,), packed(new))
        arrived = (goal - place).norm(dim=1, keepdim=True) < _ARRIVED * length
        goal = torch.where(arrived, _goals(rng, stay, place), goal)
        gap = goal - place
        far = gap.norm(dim=1, keepdim=True) / length
        other = (rng.log_uniform(*_PACE, count, 1) + _PACE_PER_LENGTH * far).clamp(max=_MOST_PACE)
        pace = torch.where(arrived, other, pace)
        place = place + gap * (pace * HAND_S / far.clamp(min=1e-3)).clamp(max=_SLOWS)


def _goals(rng: Rng, stay: Stay, place: Tensor) -> Tensor:
    """Where hands at `place` (N, 2) go next, px: anywhere in the image, past another hand, or out of the image; hands
    that are outside come back."""
    count = len(place)
    limit = torch.tensor(stay.size, device=rng.device, dtype=torch.float32)
    low, high = limit * _BORDER, limit * (1 - _BORDER)
    goal = low + rng.uniform(0, 1, count, 2) * (high - low)
    beyond = 2 * torch.roll(place, 1, 0) - place
    passes = rng.chance(_PASSES, count, 1) & (count > 1)
    goal = torch.where(passes, torch.minimum(torch.maximum(beyond, low), high), goal)
    room = torch.where(stay.away > 0, limit - place, place) / stay.away.abs().clamp(min=1e-3)
    outside = place + stay.away * (room.amin(1, keepdim=True) + stay.length[:, None])
    inside = ((place > 0) & (place < limit)).all(1, keepdim=True)
    return torch.where(rng.chance(_LEAVES, count, 1) & inside, outside, goal)
