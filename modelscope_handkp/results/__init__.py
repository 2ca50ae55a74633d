"""Hands -> drawings and files, and files -> hands.

`open_results` writes the formats of `FORMATS`, and `read` reads them back.
"""

from .formats import FORMATS, open_results
from .reading import read
from .record import Record

__all__ = ["FORMATS", "Record", "open_results", "read"]
