"""What runs a network, by name. A new engine is one file and one line in `ENGINES`."""

import importlib.util
import logging
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from ..errors import InputError
from .base import Engine
from .eager import CompiledEngine, EagerEngine
from .graph_cache import cached_engine
from .onnx_export import TOLERANCE, folded_copy
from .onnx_model import OnnxModel
from .onnxruntime import OnnxRuntimeEngine
from .openvino import OpenVINOEngine
from .openvino_model import OpenVINOModel
from .precision import FLOAT32, check_precision

logger = logging.getLogger(__name__)

Size = tuple[int, int] | None  # width and height of the images, pixels; None: any
Builder = Callable[[nn.Module, torch.device, bool, str, Size], Engine]
GraphBuilder = Callable[[OnnxModel, torch.device, str], Engine]

AUTO, EAGER = "auto", "eager"
FASTEST = {"cpu": ("openvino", "onnxruntime")}  # by type of device, the fastest first: benchmarks/peers.py
LOW_PRECISION_TOLERANCE = 0.1  # of the largest value: bfloat16 has 8 bits, and a network many layers


def _from_torch(engine: type[EagerEngine]) -> Builder:
    return lambda network, device, fold, precision, size: engine(network, device, fold, precision)


def _from_graph(engine: GraphBuilder) -> Builder:
    def build(network: nn.Module, device: torch.device, fold: bool, precision: str, size: Size) -> Engine:
        tolerance = TOLERANCE if precision == FLOAT32 else LOW_PRECISION_TOLERANCE
        return cached_engine(folded_copy(network), size, lambda model: engine(model, device, precision), tolerance)

    return build


# name -> (ONNX model, device, precision) -> engine
GRAPH_ENGINES: dict[str, GraphBuilder] = {"onnxruntime": OnnxRuntimeEngine, "openvino": OpenVINOEngine}
# name -> (network in evaluation mode, device, may the network be changed, precision, size) -> engine
ENGINES: dict[str, Builder] = {
    EAGER: _from_torch(EagerEngine),
    "compile": _from_torch(CompiledEngine),
    **{name: _from_graph(engine) for name, engine in GRAPH_ENGINES.items()},
}


def build_engine(
    name: str,
    network: nn.Module,
    device: torch.device,
    fold: bool = True,
    precision: str = FLOAT32,
    size: Size = None,
) -> Engine:
    """The engine of that name for a network.

    Args:
        name: one of `ENGINES`, or "auto": the fastest that is installed for the device.
        fold: the engine may change the network; False for one that somebody else keeps using. The engines that are not
            torch's keep the weights of this moment.
        precision: in which the network computes, one of `engines.precision.PRECISIONS`.
        size: width and height of the images, pixels; None: any.
    Raises:
        InputError: an unknown name or precision, or one that is not possible on this device.
        MissingPackageError: the engine's package is not installed. CheckpointError: the network cannot be exported.
    """
    check_precision(precision)
    if name == AUTO:
        name = fastest(device, EAGER)
    if not isinstance(name, str) or name not in ENGINES:
        raise InputError(f"engine {name!r:.80} is not known; known are {', '.join(sorted([*ENGINES, AUTO]))}.")
    return ENGINES[name](network, device, fold, precision, size)


def fastest(device: torch.device, otherwise: str) -> str:
    """The fastest engine that is installed for a device, or ``otherwise``; which one is written to the log."""
    installed = (name for name in FASTEST.get(device.type, ()) if _is_installed(name) and _is_installed("onnx"))
    name = next(installed, otherwise)
    logger.info("engine auto on %s: %s", device, name)
    return name


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def open_graph(name: str, path: str | Path, device: torch.device, precision: str = FLOAT32) -> Engine:
    """The engine of that name for an exported network.

    Args:
        name: "onnxruntime" or "openvino", or "auto": the fastest of those that run the file here.
        path: an ``.onnx`` file, or OpenVINO's ``.xml``, which only OpenVINO runs.
        precision: as in `build_engine`; of a network that was exported in int8 or float16, float32.
    Raises:
        InputError: an engine that does not run such a file. HandkpError: the file cannot be run.
    """
    check_precision(precision)
    path = Path(path)
    if path.suffix == ".xml":
        if name not in (AUTO, "openvino"):
            raise InputError(f"the engine {name!r:.80} does not run {path.name}; openvino does.")
        return OpenVINOEngine(OpenVINOModel.read(path), device, precision)
    if path.suffix != ".onnx":
        raise InputError(
            f"{path.name} is not run here, as torch.export.load executes what is in it: load it yourself if the file "
            "is yours, or export to onnx or openvino."
        )
    if name == AUTO:
        name = fastest(device, "onnxruntime")
    if not isinstance(name, str) or name not in GRAPH_ENGINES:
        raise InputError(f"the engine {name!r:.80} does not run {path.name}; {' and '.join(GRAPH_ENGINES)} do.")
    return GRAPH_ENGINES[name](OnnxModel.read(path), device, precision)
