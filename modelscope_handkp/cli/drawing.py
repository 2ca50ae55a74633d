"""The arguments of commands that draw."""

import argparse
from pathlib import Path

from ..results.labels import font_of
from ..results.style import COLORS, LABELS, WORDS, DrawingStyle


def add_drawing_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that `style_of` reads."""
    drawing = parser.add_argument_group("drawing")
    drawing.add_argument("--color", default="finger", choices=COLORS, help="a colour a finger or a hand (%(default)s)")
    drawing.add_argument("--label", default="all", choices=LABELS, help="what is written at a hand (%(default)s)")
    drawing.add_argument("--language", choices=tuple(WORDS), help="of the words of labels (default: no words)")
    drawing.add_argument("--font", type=Path, metavar="FILE", help="a TrueType or OpenType font of labels")
    drawing.add_argument("--no-boxes", action="store_true", help="draw no boxes")
    drawing.add_argument("--line-width", type=int, metavar="PIXELS", help="of bones (default: by the size of the hand)")
    drawing.add_argument("--point-radius", type=float, metavar="PIXELS", help="of keypoints, 0 for none")


def style_of(arguments: argparse.Namespace) -> DrawingStyle:
    """How hands are drawn.

    Raises:
        InputError: a number that is out of range, or a font that is not found or read.
    """
    style = DrawingStyle(
        color=arguments.color,
        boxes=not arguments.no_boxes,
        label=arguments.label,
        language=arguments.language,
        font=arguments.font,
        line_width=arguments.line_width,
        point_radius=arguments.point_radius,
    )
    font_of(style.language, style.font)  # what is missing is said before any work
    return style
