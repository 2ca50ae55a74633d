"""What runs a network. A new engine is one file, its import and one line in `ENGINES`."""

from collections.abc import Callable

import torch
from torch import nn

from ..errors import InputError
from .base import Engine
from .eager import CompiledEngine, EagerEngine

# name -> (network in evaluation mode, device, may the network be changed) -> engine
ENGINES: dict[str, Callable[[nn.Module, torch.device, bool], Engine]] = {
    "eager": EagerEngine,
    "compile": CompiledEngine,
}


def build_engine(name: str, network: nn.Module, device: torch.device, fold: bool = True) -> Engine:
    """The engine of that name for a network.

    Args:
        fold: the engine may change the network; False for one that somebody else keeps using.
    Raises:
        InputError: an unknown name, or an engine that cannot run here.
    """
    if name not in ENGINES:
        raise InputError(f"engine {name!r} is not known; known are {', '.join(sorted(ENGINES))}.")
    return ENGINES[name](network, device, fold)
