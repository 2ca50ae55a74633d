"""How hands and cameras move: smooth joint angles, turns, places and distances over time, from a seed.

Everything that moves is a uniform cubic B-spline: it has continuous accelerations and stays between the knots that
are drawn for it, so what holds for the knots, such as the limits of joints, holds at every time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from .kinematics import Figures, collision, pose_hand, sample_poses
from .poses import Angles
from .rng import Rng

HAND_S, SHAKE_S = 0.25, 0.12  # seconds between the knots of hands and of the camera's shake
MOST_SHAKE = 3.0  # standard deviations
_ORDER = 4  # knots that shape one moment
_NEW_POSE, _NEW_TURN, _NEW_DISTANCE = 0.2, 0.25, 0.15  # chance a knot that a hand begins to change it
_TURN = (0.35, 0.8, 0.35)  # radians about the hand's x, y, z: bends the wrist, turns the palm over, deviates
_MOST_TURN = 2.5  # radians
_NEARER, _MOST_NEARER = 0.15, 0.35  # logarithm of the distance's changes
_COLLIDES_MM2 = 150.0  # what fingers may run through one another more half way between two poses than in them
_PACE, _PACE_PER_LENGTH, _MOST_PACE = (0.4, 1.6), 0.3, 5.0  # hand lengths a second; far goals are reached faster
_SLOWS = 0.7  # share of the way to its goal that a hand goes in one knot at most
_ARRIVED = 0.15  # hand lengths
_PASSES, _LEAVES = 0.35, 0.2  # chance that a goal lies beyond another hand, and outside the image
_BORDER = 0.1  # share of the image's sides that goals keep from its borders
_CALM = 0.8  # share of a shake that is left at its next knot


class Spline:
    """A uniform cubic B-spline over time through `knots`, one each `interval` seconds.

    Knots are drawn when they are needed and forgotten soon after, so a spline has no end: times may go back by one
    interval, no more. The first time is 0, or up to one interval before it.
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


def shake_knots(rng: Rng, strength: float) -> Iterator[Tensor]:
    """Knots (2,) of a hand-held camera's shake in x and y, px, of a standard deviation of `strength` px, and at
    most `MOST_SHAKE` times as much."""
    place = torch.zeros(2, device=rng.device)
    while True:
        yield place.clamp(-MOST_SHAKE * strength, MOST_SHAKE * strength)
        place = place * _CALM + rng.normal(strength * (1 - _CALM**2) ** 0.5, 2)


class HandMotion:
    """N hands that move about an image; see `at`."""

    def __init__(self, rng: Rng, figures: Figures, place: Tensor, length: Tensor, size: tuple[int, int],
                 away: Tensor, variety: float) -> None:  # fmt: skip
        """figures: the hands at first; place (N, 2) px and length (N,) px in the image of `size` (width, height);
        away (N, 2): direction in which each one's arm leads, along which it leaves the image; variety: see
        `sample_angles`."""
        self._figures = figures
        self._base = figures.view
        self._spline = Spline(_knots(rng, figures, place, length, size, away, variety), HAND_S)

    def at(self, time: float) -> tuple[Figures, Tensor, Tensor]:
        """The figures, the places (N, 2) px of their palms, and factors (N,) of their distances, at `time` seconds."""
        place, nearer, turn, angles = self._spline.at(time).split((2, 1, 3, 20), 1)
        figures = replace(
            self._figures, angles=_unpacked(angles), view=self._base @ torch.linalg.matrix_exp(_cross(turn))
        )
        return figures, place, nearer[:, 0].exp()


def _cross(vector: Tensor) -> Tensor:
    """Matrices (N, 3, 3) whose exponentials are rotations about `vector` (N, 3) by its length, radians."""
    x, y, z = vector.unbind(1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).reshape(-1, 3, 3)


def _packed(angles: Angles) -> Tensor:
    """All angles in one row (N, 20), degrees."""
    return torch.cat([angles.flex.flatten(1), angles.spread, angles.thumb], 1)


def _unpacked(row: Tensor) -> Angles:
    flex, spread, thumb = row.split((12, 4, 4), 1)
    return Angles(flex.reshape(-1, 4, 3), spread, thumb)


def _knots(rng: Rng, figures: Figures, place: Tensor, length: Tensor, size: tuple[int, int], away: Tensor,
           variety: float) -> Iterator[Tensor]:  # fmt: skip
    """Knots (N, 26): place, logarithm of the distance's factor, turn against the first view, and angles."""
    count, device = len(place), rng.device
    goal, pace = place, torch.ones(count, 1, device=device)
    nearer, turn = torch.zeros(count, 1, device=device), torch.zeros(count, 3, device=device)
    angles = _packed(figures.angles)
    spread = torch.tensor(_TURN, device=device)
    while True:
        yield torch.cat([place, nearer, turn, angles], 1)
        other = rng.normal(_NEARER, count, 1).clamp(-_MOST_NEARER, _MOST_NEARER)
        nearer = torch.where(rng.chance(_NEW_DISTANCE, count, 1), other, nearer)
        turned = rng.normal(1.0, count, 3) * spread
        turned = turned * (_MOST_TURN / turned.norm(dim=1, keepdim=True)).clamp(max=1)
        turn = torch.where(rng.chance(_NEW_TURN, count, 1), turned, turn)
        angles = _next_angles(rng, figures, angles, variety)

        gap = goal - place
        arrived = gap.norm(dim=1, keepdim=True) < _ARRIVED * length[:, None]
        goal = torch.where(arrived, _goals(rng, place, length, size, away), goal)
        gap = goal - place
        far = gap.norm(dim=1, keepdim=True) / length[:, None]
        fresh = (rng.log_uniform(*_PACE, count, 1) + _PACE_PER_LENGTH * far).clamp(max=_MOST_PACE)
        pace = torch.where(arrived, fresh, pace)
        place = place + gap * (pace * HAND_S / far.clamp(min=1e-3)).clamp(max=_SLOWS)


def _next_angles(rng: Rng, figures: Figures, angles: Tensor, variety: float) -> Tensor:
    """`angles` (N, 20), some of them changed to new poses that can be reached without fingers running into others."""
    count = len(angles)
    drawn, _ = sample_poses(rng, figures.bones, figures.width, variety)
    new = _packed(drawn)
    costs = []
    for row in (angles, (angles + new) / 2, new):
        joints = pose_hand(_unpacked(row), figures.bones, figures.width)[0]
        costs.append(collision(joints, torch.zeros(count, device=rng.device)))
    free = costs[1] < torch.maximum(costs[0], costs[2]) + _COLLIDES_MM2
    return torch.where((rng.chance(_NEW_POSE, count) & free)[:, None], new, angles)


def _goals(rng: Rng, place: Tensor, length: Tensor, size: tuple[int, int], away: Tensor) -> Tensor:
    """Where hands go next (N, 2), px: anywhere in the image, past another hand, or out of the image; hands that are
    outside come back."""
    count = len(place)
    limit = torch.tensor(size, device=rng.device, dtype=torch.float32)
    low, high = limit * _BORDER, limit * (1 - _BORDER)
    goal = low + rng.uniform(0, 1, count, 2) * (high - low)
    beyond = 2 * torch.roll(place, 1, 0) - place
    passes = rng.chance(_PASSES, count, 1) & (count > 1)
    goal = torch.where(passes, torch.minimum(torch.maximum(beyond, low), high), goal)
    room = torch.where(away > 0, limit - place, place) / away.abs().clamp(min=1e-3)
    outside = place + away * (room.amin(1, keepdim=True) + length[:, None])
    inside_now = ((place > 0) & (place < limit)).all(1, keepdim=True)
    return torch.where(rng.chance(_LEAVES, count, 1) & inside_now, outside, goal)
