"""How hard a rendered image is: a dataclass of strengths and three named sets of them."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError


@dataclass(frozen=True)
class Level:
    """Strengths of the renderer, each from 0 (absent) to 1 (full) unless the name says otherwise.

    hand_px: smallest and largest long side of a hand's box, in pixels of the image.
    clutter: shapes, textures and skin-coloured things behind the hand.
    occlusion: chance that something covers a part of a hand; held: chance that it holds something.
    light: how far light may be hard, coloured, dim or too bright; camera: blur, noise, JPEG, resolution, colour.
    dress: chance of sleeves, rings, bracelets, gloves; pose: share of poses outside the plain, named ones and
    of views in which fingers point at the camera.
    """

    name: str
    hand_px: tuple[float, float] = (80.0, 320.0)
    clutter: float = 0.0
    occlusion: float = 0.0
    held: float = 0.0
    light: float = 0.0
    camera: float = 0.0
    dress: float = 0.0
    pose: float = 0.0


EASY = Level("easy", hand_px=(120.0, 320.0), light=0.15, pose=0.3)
MEDIUM = Level(
    "medium", (80.0, 320.0), clutter=0.5, occlusion=0.1, held=0.2, light=0.5, camera=0.5, dress=0.5, pose=0.6
)
HARD = Level("hard", (20.0, 320.0), clutter=1.0, occlusion=0.25, held=0.4, light=1.0, camera=1.0, dress=1.0, pose=1.0)
LEVELS: dict[str, Level] = {level.name: level for level in (EASY, MEDIUM, HARD)}


def get_level(level: str | Level) -> Level:
    """A `Level` itself, or the one of that name.

    Raises:
        InputError: no level has that name.
    """
    if isinstance(level, Level):
        return level
    if level not in LEVELS:
        raise InputError(f"unknown level {level!r}: use {', '.join(LEVELS)} or a Level of your own.")
    return LEVELS[level]
