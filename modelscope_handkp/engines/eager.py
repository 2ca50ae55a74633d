"""Getting a trained network ready to answer fast: folded batch norm, channels last."""

import copy
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class Network:
    """A network for answers only; the one it is made from stays as it was.

    Batch norms are folded into the convolutions before them, and memory is laid out channels last, which convolutions
    on a CPU prefer. Answers come as float32 tensors on the CPU.
    """

    def __init__(self, module: nn.Module, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        module = copy.deepcopy(module).eval()
        fold_batch_norms(module)
        self._module = module.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]

    def __call__(self, img: torch.Tensor, method: str = "__call__") -> Any:
        """``img`` (N, 3, H, W) on any device, through ``module`` or one of its methods."""
        with torch.inference_mode():
            img = img.to(self.device).contiguous(memory_format=torch.channels_last)
            return _to_cpu(getattr(self._module, method)(img))


def fold_batch_norms(module: nn.Module) -> None:
    """Fold every batch norm that follows a convolution in its parent's list of children, in place."""
    children = list(module.named_children())
    for _, child in children:
        fold_batch_norms(child)
    for (before, conv), (name, norm) in pairwise(children):
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            setattr(module, before, fuse_conv_bn_eval(conv, norm))
            setattr(module, name, nn.Identity())


def _to_cpu(answer: Any) -> Any:
    if isinstance(answer, torch.Tensor):
        return answer.float().cpu()
    return type(answer)(_to_cpu(part) for part in answer)
