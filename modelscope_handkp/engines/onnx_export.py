"""A network of torch -> an ONNX model."""

import copy
import io
import threading
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from .base import Engine
from .eager import EagerEngine, flat, fold_batch_norms

OPSET = 17
INPUT = "images"
ANY_SIZE = (64, 64)  # of the example for a network that takes images of any size, pixels
TOLERANCE = 1e-4  # of the largest value: how far an exported network in float32 may be from torch
TINY = 1e-12  # keeps a division finite
one_at_a_time = threading.RLock()  # torch's exporter keeps its state in globals, which running a network reads


def export_onnx(network: nn.Module, size: tuple[int, int] | None, outputs: list[str] | None = None) -> bytes:
    """A network in evaluation mode as an ONNX file, for batches of any number of images.

    Args:
        size: width and height of its images, pixels; None: any.
        outputs: their names; None: ``output0``, ``output1``, ...
    Raises:
        CheckpointError: torch cannot export it.
    """
    example = example_of(size, 2)
    with torch.inference_mode():
        count = len(list(flat(network(example))))
    names = outputs or [f"output{index}" for index in range(count)]
    axes = {name: {0: "batch"} for name in [INPUT, *names]}
    if size is None:
        axes = {name: {0: "batch", 2: f"{name}_height", 3: f"{name}_width"} for name in axes}
    file: Any = io.BytesIO()  # torch says that it needs a path
    options: dict[str, Any] = {
        "input_names": [INPUT],
        "output_names": names,
        "dynamic_axes": axes,
        "opset_version": OPSET,
    }
    if hasattr(torch.onnx, "ONNXProgram"):  # torch 2.5: there are two exporters; this one takes seconds, and no package
        options["dynamo"] = False
    try:
        with one_at_a_time, warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.onnx.export(network, (example,), file, **options)
    except Exception as error:  # whatever the exporter meets
        raise CheckpointError(f"torch cannot export the network: {type(error).__name__}: {error!s:.300}") from None
    content: bytes = file.getvalue()
    return content


def check_same(engine: Engine, network: nn.Module, size: tuple[int, int] | None, tolerance: float = TOLERANCE) -> float:
    """Run an engine and the network that it was made from on an image of noise.

    Returns:
        their largest difference as a share of the largest value.
    Raises:
        CheckpointError: it cannot run that image, gives other outputs, or a difference above ``tolerance``.
    """
    example = example_of(size, 1)
    difference = largest_difference(engine(example), EagerEngine(network, fold=False)(example))
    if not difference <= tolerance:
        raise CheckpointError(f"it differs from its network by {difference:.1e} of the largest value.")
    return difference


def largest_difference(found: Sequence[Any], expected: Sequence[Any]) -> float:
    """Of outputs, arrays or tensors, as a share of the largest value expected in each.

    Raises:
        CheckpointError: other shapes.
    """
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in zip(found, expected)]
    if len(found) != len(expected) or any(a.shape != b.shape or a.dtype.kind not in "fiu" for a, b in pairs):
        raise CheckpointError("it has other outputs than its network.")
    return float(np.max([np.abs(a - b).max() / max(np.abs(b).max(), TINY) for a, b in pairs]))  # NaN where one is


def example_of(size: tuple[int, int] | None, count: int) -> Tensor:
    """A batch (count, 3, H, W) of noise."""
    width, height = size or ANY_SIZE
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


def folded_copy(network: nn.Module) -> nn.Module:
    """A float32 copy in evaluation mode on the CPU, with folded batch norms; the network itself is left alone."""
    copied = copy.deepcopy(network).cpu().float().eval()
    fold_batch_norms(copied)
    return copied
