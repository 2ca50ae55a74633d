"""How hands are drawn."""

import colorsys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..hands import Hand

Color = tuple[int, int, int]  # BGR, 0 to 255

COLORS = ("finger", "hand")
LABELS = ("all", "id", "confidence", "none")
WORDS = {  # by language: an unknown hand, a left one, a right one
    "en": ("hand", "left hand", "right hand"),
    "zh": ("手", "左手", "右手"),
}
MAX_PIXELS = 1000  # of a line or a radius
GOLDEN = (5**0.5 - 1) / 2  # steps of this share of a circle never come close to each other
HUES = 1 << 32
SATURATION, BRIGHTNESS = 0.75, 1.0


@dataclass(frozen=True)
class DrawingStyle:
    """How hands are drawn.

    Attributes:
        color: "finger": a colour a finger, and yellow boxes; "hand": a colour a hand, by its id where that is known, so
            that it keeps its colour through a video, else by its place among the hands.
        boxes: whether boxes are drawn.
        label: what is written at a box: "id" where it is known, "confidence", "all" of these, or "none".
        language: words are added to the label, such as "left hand 3 0.93": "en" or "zh". None: no words.
        font: a TrueType or OpenType file that the label is written in. None: for "zh", a font of the system that has
            Chinese characters; else OpenCV's.
        line_width: of the bones, in pixels; boxes have half of it. None: by the size of the box.
        point_radius: of the keypoints, in pixels; 0 draws none. None: by the width of the bones.
    Raises:
        InputError: a value that is none of these, named.
    """

    color: str = "finger"
    boxes: bool = True
    label: str = "all"
    language: str | None = None
    font: str | Path | None = None
    line_width: int | None = None
    point_radius: float | None = None

    def __post_init__(self) -> None:
        for name, value, known in (
            ("color", self.color, COLORS),
            ("label", self.label, LABELS),
            ("language", self.language, (None, *WORDS)),
            ("boxes", self.boxes, (True, False)),
        ):
            if not any(value is choice or (isinstance(value, str) and value == choice) for choice in known):
                raise InputError(f"{name} must be one of {', '.join(map(str, known))}, got {value!r:.80}.")
        if self.font is not None and not isinstance(self.font, (str, Path)):
            raise InputError(f"font must be the path of a font's file, got {self.font!r:.80}.")
        _check_pixels("line_width", self.line_width, 1, (int,))
        _check_pixels("point_radius", self.point_radius, 0, (int, float))

    def label_of(self, hand: Hand) -> str:
        """What is written at a hand's box; "" for nothing."""
        if self.label == "none":
            return ""
        words = [] if self.language is None else [WORDS[self.language][{None: 0, True: 1, False: 2}[hand.is_left]]]
        if hand.id is not None and self.label in ("all", "id"):
            words.append(str(hand.id))
        if self.label in ("all", "confidence"):
            words.append(f"{hand.confidence:.2f}")
        return " ".join(words)


def hand_color(number: int) -> Color:
    """The colour of a hand by its id, or by its place: the same for the same number, and well apart for near ones."""
    hue = (number % HUES) * GOLDEN % 1
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(hue, SATURATION, BRIGHTNESS))
    return blue, green, red


def _check_pixels(name: str, value: Any, least: int, kinds: tuple[type, ...]) -> None:
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    if value is not None and not (is_number and least <= value <= MAX_PIXELS):
        kind = "a whole number of" if float not in kinds else "a number of"
        raise InputError(f"{name} must be {kind} pixels from {least} to {MAX_PIXELS}, got {value!r:.80}.")
