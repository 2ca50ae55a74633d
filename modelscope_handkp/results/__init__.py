"""Hands -> drawings and files, and files -> hands.

`open_results` writes entries, which `entry_of` makes, in one of `FORMATS`, and `read` reads them back.
"""

from .draw import draw_hands
from .formats import FORMATS, open_results
from .json_report import entry_of
from .reading import read
from .record import Record
from .style import DrawingStyle
from .trails import Trails
from .video import VideoWriter

__all__ = [
    "FORMATS",
    "DrawingStyle",
    "Record",
    "Trails",
    "VideoWriter",
    "draw_hands",
    "entry_of",
    "open_results",
    "read",
]
