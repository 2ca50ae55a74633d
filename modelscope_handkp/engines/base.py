"""The protocol of what runs a network."""

from typing import Any, Protocol

from torch import Tensor


class Engine(Protocol):
    """Runs one network for inference. Nothing else: no flip test, no method names, no training.

    An engine is called with a tensor (N, 3, H, W) float32 on any device and returns a tuple of float32 arrays, tensors
    or numpy's: the network's outputs in their order, however they are nested. Threads may share one.
    """

    def __call__(self, images: Tensor, /) -> tuple[Any, ...]:
        """Images (N, 3, H, W) float32 -> the network's outputs, float32."""
        ...
