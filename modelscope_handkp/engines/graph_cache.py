"""Networks that were exported once are kept in the user's cache directory."""

import hashlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..errors import CheckpointError, HandkpError, MissingFileError
from ..files import write_atomically
from .base import Engine
from .onnx_export import OPSET, TOLERANCE, check_same, export_onnx, one_at_a_time
from .onnx_model import OnnxModel

logger = logging.getLogger(__name__)

MAX_CACHE_BYTES = 2 << 30  # of all files; the ones that were not used for the longest time go first
FORMAT = 1  # of the files; higher when `export_onnx` writes them otherwise


def cached_engine(
    network: nn.Module,
    size: tuple[int, int] | None,
    build: Callable[[OnnxModel], Engine],
    tolerance: float = TOLERANCE,
) -> Engine:
    """An engine for a network in evaluation mode, through ONNX and a cache of such files.

    A file is named after the weights, the layers, the size and the versions of torch and of this code; being ONNX, it
    does not hang on engine or processor. What is read is checked as a stranger's file and run once beside the network:
    a file that is damaged, or that is another network, is made anew.

    Args:
        size: as in `export_onnx`.
        build: ONNX model -> what runs it.
        tolerance: as in `check_same`.
    Raises:
        HandkpError: the network cannot be exported, or not be run by this engine; a package is not installed.
    """
    with one_at_a_time:
        return _cached_engine(network, size, build, tolerance)


def _cached_engine(
    network: nn.Module, size: tuple[int, int] | None, build: Callable[[OnnxModel], Engine], tolerance: float
) -> Engine:
    path = cache_dir() / f"{_digest(network, size)}.onnx"
    try:
        engine = build(OnnxModel.read(path))
        check_same(engine, network, size, tolerance)
        os.utime(path)
        return engine
    except MissingFileError:
        pass
    except CheckpointError as error:
        logger.warning("the cached network %s is made anew: %s", path, error)
    except OSError as error:
        logger.warning("the cached network %s is not used: %s", path, error)
    content = export_onnx(network, size)
    engine = build(OnnxModel.parse(content, "the exported network"))
    check_same(engine, network, size, tolerance)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content)
        _remove_oldest(path.parent)
    except (HandkpError, OSError) as error:
        logger.warning("the exported network is not cached: %s", error)
    return engine


def cache_dir() -> Path:
    """Where exported networks are kept: ``$XDG_CACHE_HOME/modelscope_handkp``, by default under ``~/.cache``."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111  Path.home() may raise
    return Path(home) / "modelscope_handkp"


def _digest(network: nn.Module, size: tuple[int, int] | None) -> str:
    digest = hashlib.sha256(f"{FORMAT} {torch.__version__} {OPSET} {size} {network}".encode())
    for name, value in network.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(np.ascontiguousarray(value.detach().cpu().numpy()).tobytes())
    return digest.hexdigest()


def _remove_oldest(folder: Path) -> None:
    """Keep the files that were used last, up to `MAX_CACHE_BYTES`; what a killed process left half-written counts."""
    files = sorted(((path.stat().st_mtime, path) for path in folder.iterdir() if path.is_file()), reverse=True)
    total = 0
    for _, path in files:
        total += path.stat().st_size
        if total > MAX_CACHE_BYTES:
            path.unlink(missing_ok=True)
