"""How errors, logs and reports call a source."""

import os
import reprlib
from typing import Any

import numpy as np
import PIL.Image
import torch

from .encoded import is_data_url, is_file_object

SHOWN_OF_DATA_URL = 48  # characters


def source_name(source: Any) -> str:
    """A short text for what `load_image` takes.

    A path or URL is its own name; a data URL is shortened; what has no name is described: ``<array (480, 640, 3)
    uint8>``, ``<12345 bytes>``.
    """
    if isinstance(source, str):
        shortened = f"{source[:SHOWN_OF_DATA_URL]}... ({len(source)} characters)"
        return shortened if is_data_url(source) and len(source) > SHOWN_OF_DATA_URL else source
    return os.fsdecode(source) if isinstance(source, os.PathLike) else _description(source)


def has_name(source: Any) -> bool:
    """Whether errors that call it by its `source_name` tell it from others: it is a path, a URL or a file's object."""
    if isinstance(source, str):
        return not is_data_url(source)
    if isinstance(source, PIL.Image.Image):
        return bool(getattr(source, "filename", ""))
    named = is_file_object(source) and isinstance(getattr(source, "name", None), str)
    return isinstance(source, os.PathLike) or bool(named and source.name)


def _description(source: Any) -> str:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return f"<{memoryview(source).nbytes} bytes>"
    if isinstance(source, np.ndarray):
        return f"<array {source.shape} {source.dtype}>"
    if isinstance(source, torch.Tensor):
        return f"<tensor {tuple(source.shape)} {source.dtype}>"
    if isinstance(source, PIL.Image.Image):
        return f"<PIL image {getattr(source, 'filename', '') or f'{source.width} x {source.height}'}>"
    if is_file_object(source):
        name = getattr(source, "name", None)  # a number for a file without a name
        return name if isinstance(name, str) and name else f"<{type(source).__name__}>"
    return reprlib.repr(source)
