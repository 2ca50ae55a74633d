"""Rendered clips: frames of moving hands with exact keypoints and identities, one at a time, from a seed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from numbers import Real
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ..arrays import Array, Image
from ..errors import InputError
from .appearance import sample_light
from .batches import LEAST_SHOWN, scatter_hands, to_bgr
from .camera import capture
from .figures import facing, sample_figures, stand
from .gesture_motion import GestureMotion, gesture_at
from .kinematics import KNUCKLES, Hands3D
from .levels import Level, get_level
from .limits import MOST, MOST_HANDS, check_range, check_size
from .motion import MOST_SHAKE, HandMotion, Stay, camera_shake
from .paint import skin_tones
from .poses import get_gesture_poses
from .rng import Rng
from .scene import (
    Cameras,
    Layer,
    Rendered,
    annotate,
    cast_on_wall,
    draw_hands,
    draw_scenery,
    dress,
    gather,
    look,
    project,
    sample_distances,
    sample_shoulders,
    without_hands,
)
from .surface import Spheres, hand_spheres

_PALM = [0, *KNUCKLES]  # joints
_LENGTH_MM = 160.0  # long side of the box of a hand in a usual pose
_NEAREST_MM = 400.0  # distance from the camera at which hands begin; they may come nearer
_SHAKE = 0.012  # standard deviation of a bad camera's shake, as a share of the image's longer side
_HAND_HELD = 0.7  # share of the clips whose camera shakes
_EXPOSURE, _LONGEST_EXPOSURE = (0.2, 1.0), 1 / 30  # shares of a frame's time for a bad camera; seconds
_FITS, _PALM_DOWN = 0.55, 0.6  # shares of its room that a hand fills when hands stay side by side, and above its palm
_SUB_FRAME_PX, _MOST_SUB_FRAMES = 2.0, 12  # how far hands move between two sub-frames; how many there are at most


class ClipFrame(NamedTuple):
    """One frame of a clip and the annotations of its N hands.

    index of the frame, from 0; time in seconds; image (H, W, 3) uint8 BGR; keypoints (N, 21, 3): x, y px and 0
    outside, 1 hidden, 2 visible, as in `Rendered`, at the middle of the exposure; boxes (N, 4) xyxy px, clipped;
    ids (N,) int64: a hand keeps its id for the whole clip, also when it leaves the image and comes back; gesture:
    that all hands show, or come to show, if the clip was asked for some.
    """

    index: int  # type: ignore[assignment]  # a tuple has a method of that name
    time: float
    image: Image
    keypoints: Array
    boxes: Array
    ids: Array
    gesture: str | None = None


def render_clip(
    seed: int,
    frames: int = 100,
    size: tuple[int, int] = (640, 480),
    hands: int = 1,
    level: str | Level = "medium",
    rate: float = 30.0,
    gestures: Sequence[str] = (),
) -> Iterator[ClipFrame]:
    """Render moving hands, a frame when it is asked for; a clip may be as long as one likes.

    size (width, height) px; hands: how many there are, at times outside the image or behind one another; rate:
    frames a second. Hands with higher ids are in front. A frame has annotations of those hands of which a quarter
    shows (`render_batch`). Looks, light, background, held objects and the camera's faults are those of one image at
    `level`; `Level.camera` also rules shake and exposure, and so motion blur. Same seed, same frames; fewer frames
    are the beginning of more.

    gestures: names of `poses.GESTURE_POSES`. All hands show them in turn, `GESTURE_SECONDS` each, from the first again
    after the last. They stay side by side inside the image, palm or back toward the camera, fingers or thumbs upright.

    Raises:
        InputError: no level or gesture has that name, or a number is out of its range.
    """
    level = get_level(level)
    check_range("seed", seed, 0, MOST)
    check_range("frames", frames, 1, MOST)
    check_range("hands", hands, 0, MOST_HANDS)
    check_size(size)
    if not (isinstance(rate, Real) and math.isfinite(rate) and rate > 0):
        raise InputError(f"rate must be a number of frames a second above 0, got {rate!r:.80}.")
    for gesture in gestures:
        get_gesture_poses(gesture)
    stage = _Stage(seed, size, hands, level, rate, tuple(gestures))
    return (stage.frame(index) for index in range(frames))


class _Seen(NamedTuple):
    """Hands at one moment, their spheres, and the cameras that see them."""

    hands: Hands3D
    spheres: Spheres
    cameras: Cameras


class _Stage:
    """What stays the same in a clip, and the ways of its hands and its camera.

    Each of the parts has a seed of its own, and what is drawn anew for each frame starts from it, so that the same
    comes out. Levels that differ in their camera show the same hands before the same scenery.
    """

    def __init__(
        self, seed: int, size: tuple[int, int], hands: int, level: Level, rate: float, gestures: tuple[str, ...]
    ) -> None:
        self._size, self._level, self._rate, self._gestures = size, level, rate, gestures
        seeds = (int(part) for part in Rng(seed).integers(0, MOST, 10))
        self._arms, self._things, self._wall, self._camera = (next(seeds) for _ in range(4))
        self._grain = Rng(next(seeds))
        rng = Rng(next(seeds))
        shake = float(rng.uniform(0, 1, 1) * rng.chance(_HAND_HELD, 1)) * _SHAKE * max(size) * level.camera
        self._exposure = float(rng.uniform(*_EXPOSURE, 1)) * level.camera * min(1 / rate, _LONGEST_EXPOSURE)
        self._shake = camera_shake(Rng(next(seeds)), shake)
        rng = Rng(next(seeds))
        self._margin = math.ceil(MOST_SHAKE * _SHAKE * max(size)) + 1
        tones = skin_tones(rng, 1)
        self._light = sample_light(rng, 1, level.light)
        shape = (1, size[1] + 2 * self._margin, size[0] + 2 * self._margin)
        self._scenery = draw_scenery(rng, level, shape, self._light, tones)
        rng = Rng(next(seeds))
        self._image_index, place, length = scatter_hands(rng, level, size, [hands])
        self._looks = dress(rng, level, tones[self._image_index])
        self._distance = sample_distances(rng, hands).clamp(min=_NEAREST_MM)
        figures, moves = sample_figures(rng, hands, level.pose), Rng(next(seeds))
        self._hands: HandMotion | GestureMotion
        if gestures:
            place, length = _side_by_side(size, length)
            self._hands = GestureMotion(moves, facing(rng, figures), place, length, gestures)
        else:
            away = F.normalize(stand(figures).elbow[:, :2], dim=1)
            self._hands = HandMotion(moves, figures, Stay(size, place, length, away), level.pose)
        self._scale = length / _LENGTH_MM * self._distance

    def frame(self, index: int) -> ClipFrame:
        """The frame of that index; they are taken in order."""
        time = index / self._rate
        labels = self._exposed(time) if len(self._image_index) else without_hands(self._background(time))
        kept = labels.shown >= LEAST_SHOWN
        gesture = gesture_at(self._gestures, time) if self._gestures else None
        image = capture(Rng(self._camera), labels.images, self._level.camera, grain=self._grain)
        return ClipFrame(index, time, to_bgr(image)[0], labels.keypoints[kept].numpy(), labels.boxes[kept].numpy(),
                         torch.nonzero(kept)[:, 0].numpy(), gesture)  # fmt: skip

    def _exposed(self, time: float) -> Rendered:
        """The light (1, 3, H, W), linear RGB, that falls on the camera around `time` seconds, and what it shows."""
        now = self._seen(time)
        moments = self._moments(time, now)
        scenery, flesh, cover = (torch.zeros(()) for _ in range(3))
        for moment in moments:
            layer = self._drawn(now if moment == time else self._seen(moment))
            flesh, cover = flesh + layer.flesh * layer.cover, cover + layer.cover
            scenery = scenery + self._background(moment)
            if moment <= time:
                nearest = layer
        scenery, flesh, cover = scenery / len(moments), flesh / len(moments), cover / len(moments)
        scenery = cast_on_wall(Rng(self._wall), scenery, cover, self._light)
        return annotate(flesh + scenery * (1 - cover), nearest, now.hands, now.cameras, self._image_index)

    def _seen(self, time: float) -> _Seen:
        """The hands at `time` seconds, as the camera sees them."""
        figures, place, farther = self._hands.at(time)
        hands = stand(figures)
        spheres = hand_spheres(hands, sample_shoulders(Rng(self._arms), hands.elbow))
        offset = -hands.joints[:, _PALM].mean(1)
        offset[:, 2] += self._distance * farther
        return _Seen(hands, spheres, look(spheres, offset, self._scale, place + self._shake.at(time)))

    def _moments(self, time: float, now: _Seen) -> list[float]:
        """Times of the sub-frames around `time`: the more the farther joints in the image move while
        the shutter is open."""
        if not self._exposure:
            return [time]
        before = self._seen(time - self._exposure / 2)
        here, there = (project(seen.hands, seen.cameras)[..., :2] for seen in (now, before))
        inside = ((here > 0) & (here < torch.tensor(self._size))).all(-1)
        moved = 2 * float(((here - there).norm(dim=-1) * inside).max())
        count = min(max(round(moved / _SUB_FRAME_PX), 1), _MOST_SUB_FRAMES)
        return [time + self._exposure * (2 * i + 1 - count) / (2 * count) for i in range(count)]

    def _drawn(self, seen: _Seen) -> Layer:
        """The hands and what they hold, without the scenery."""
        cloud = gather(Rng(self._things), self._level, seen.hands, seen.spheres, self._looks)
        shape = (1, self._size[1], self._size[0])
        return draw_hands(cloud, seen.hands, self._looks, seen.cameras, self._light, self._image_index, shape)

    def _background(self, time: float) -> Tensor:
        """The part of the scenery (1, 3, H, W) that the shaking camera sees."""
        width, height = self._size
        x, y = (self._margin - float(shift) for shift in self._shake.at(time))
        left, top = math.floor(x), math.floor(y)
        part = self._scenery[..., top : top + height + 1, left : left + width + 1]
        part = torch.lerp(part[..., :-1], part[..., 1:], x - left)
        return torch.lerp(part[..., :-1, :], part[..., 1:, :], y - top)


def _side_by_side(size: tuple[int, int], length: Tensor) -> tuple[Tensor, Tensor]:
    """Places (N, 2) px in a row across the image, and lengths (N,) px with which hands fit there."""
    count, (width, height) = len(length), size
    share = width / max(count, 1)
    x = (torch.arange(count) + 0.5) * share
    return torch.stack([x, torch.full_like(x, height * _PALM_DOWN)], 1), length.clamp(max=_FITS * min(share, height))
