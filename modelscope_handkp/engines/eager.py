"""PyTorch itself: folded batch norm and channels last, compiled if asked."""

import copy
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ..errors import InputError
from .precision import FLOAT32, torch_type


class EagerEngine:
    """Runs a module in evaluation mode; memory is laid out channels last, which convolutions prefer.

    Args:
        network: it is not copied; the engine moves it to its device.
        device: where it runs.
        fold: take the network over and fold its batch norms into the convolutions before them, which saves a tenth of
            the time and cannot be undone. False leaves it to somebody who may train it in between: its mode is as
            before after each call.
        precision: in which it computes; but for float32 a network that is not taken over is copied.
    Raises:
        InputError: the device does not compute in that precision, or slowly.
    """

    def __init__(
        self,
        network: nn.Module,
        device: str | torch.device = "cpu",
        fold: bool = True,
        precision: str = FLOAT32,
    ) -> None:
        self.device, self._shared = torch.device(device), not fold
        self._type = torch_type(precision, self.device)
        if self._shared and precision != FLOAT32:
            network, self._shared = copy.deepcopy(network), False
        if not self._shared:
            fold_batch_norms(network.eval())
        self._network = network.to(self.device, self._type).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._run: Any = self._network

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """Images (N, 3, H, W) float32 on any device -> the network's outputs, float32 on the engine's device."""
        training = [module for module in self._network.modules() if module.training] if self._shared else []
        for module in training:
            module.training = False
        try:
            with torch.inference_mode():
                images = images.to(self.device, self._type).contiguous(memory_format=torch.channels_last)
                return tuple(output.float() for output in flat(self._run(images)))
        finally:
            for module in training:
                module.training = True


class CompiledEngine(EagerEngine):
    """`EagerEngine` through ``torch.compile``: compiling takes a minute or more, later images less time.

    On a GPU each size of batch is a CUDA graph of its own, which spares the CPU its hundreds of launches.

    Raises:
        InputError: this version of torch cannot compile; as `EagerEngine`.
    """

    def __init__(
        self,
        network: nn.Module,
        device: str | torch.device = "cpu",
        fold: bool = True,
        precision: str = FLOAT32,
    ) -> None:
        if not hasattr(torch, "compile"):
            raise InputError(
                f"torch {torch.__version__} cannot compile; install torch 2 or newer, or leave compile out."
            )
        super().__init__(network, device, fold, precision)
        on_gpu = self.device.type == "cuda"
        options: dict[str, Any] = {"mode": "reduce-overhead", "dynamic": False} if on_gpu else {"dynamic": True}
        self._run = torch.compile(self._network, **options)


def fold_batch_norms(module: nn.Module) -> None:
    """Fold every batch norm that follows a convolution in its parent's list of children, in place."""
    children = list(module.named_children())
    for _, child in children:
        fold_batch_norms(child)
    for (before, conv), (name, norm) in pairwise(children):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, before, fuse_conv_bn_eval(conv, norm))
            setattr(module, name, nn.Identity())


def flat(output: Any) -> Iterator[Tensor]:
    """The tensors of nested lists and tuples, in their order."""
    if isinstance(output, Tensor):
        yield output
    else:
        for part in output:
            yield from flat(part)
