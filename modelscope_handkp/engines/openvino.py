"""OpenVINO on the CPU."""

import functools
import io
import math
import threading
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import CheckpointError, InputError, MissingPackageError
from .onnx_model import MAX_VALUES, OnnxModel
from .openvino_model import OpenVINOModel
from .precision import BFLOAT16, FLOAT16, FLOAT32, NEEDS_CALIBRATION

INSTALL = "pip install 'modelscope-handkp[openvino]'"
HINTS = {FLOAT32: "f32", BFLOAT16: "bf16", FLOAT16: "f16"}
CAPABILITIES = {FLOAT32: "FP32", BFLOAT16: "BF16", FLOAT16: "FP16"}  # what OpenVINO says of a processor


class OpenVINOEngine:
    """Runs a graph with one input; threads may share it.

    Args:
        model: what is run, on as many threads as torch has at this moment.
        device: the CPU.
        precision: of the computation; float32, or what the processor computes natively. An int8 model keeps its own.
    Raises:
        MissingPackageError: openvino is not installed. InputError: another device, or a precision that the processor
            would only emulate. CheckpointError: it cannot run the model.
    """

    def __init__(self, model: OnnxModel | OpenVINOModel, device: torch.device, precision: str = FLOAT32) -> None:
        openvino = import_openvino()
        if precision not in HINTS:
            raise InputError(NEEDS_CALIBRATION)
        if device.type != "cpu":
            raise InputError(f"the engine openvino runs on the CPU, not on {device}: choose eager, compile or auto.")
        core = shared_core()
        if CAPABILITIES[precision] not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise InputError(f"this processor does not compute in {precision}, which would be slower: use float32.")
        options = {
            "INFERENCE_PRECISION_HINT": HINTS[precision],
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        try:
            graph = _read(openvino, core, model)
            _check_sizes(graph, model.name)
            self._model = core.compile_model(graph, "CPU", options)
        except CheckpointError:
            raise
        except Exception as error:  # its classes differ between versions
            raise CheckpointError(f"{model.name} cannot be run by OpenVINO: {str(error)[:300]}") from None
        if len(self._model.inputs) != 1:
            raise CheckpointError(f"{model.name} must take one batch of images, it takes {len(self._model.inputs)}.")
        self._name = model.name
        self._requests = threading.local()  # one is not to be used by two threads

    def __call__(self, images: Tensor) -> tuple[Any, ...]:
        """Images (N, 3, H, W) float32 on any device -> the outputs, float32 arrays (whole numbers keep their type).

        Raises:
            CheckpointError: the model does not run on such images.
        """
        if not hasattr(self._requests, "own"):
            self._requests.own = self._model.create_infer_request()
        request = self._requests.own
        try:
            request.infer([np.ascontiguousarray(images.detach().cpu().numpy())])
        except Exception as error:  # its classes differ between versions
            shape = tuple(images.shape)
            raise CheckpointError(f"{self._name} does not run on images {shape}: {str(error)[:300]}") from None
        return tuple(np.array(output.data) for output in request.output_tensors)


def _read(openvino: Any, core: Any, model: OnnxModel | OpenVINOModel) -> Any:
    """The model from memory, so that no other file is opened."""
    if isinstance(model, OnnxModel):
        return core.read_model(io.BytesIO(model.content))
    return core.read_model(model.xml, openvino.Tensor(np.frombuffer(model.weights, np.uint8)))


def _check_sizes(graph: Any, name: str) -> None:
    """Refuse tensors that would fill the memory, by the shapes that OpenVINO itself finds; what is not fixed counts as
    one."""
    for layer in graph.get_ops():
        for output in layer.outputs():
            shape = output.get_partial_shape()
            sides = [] if shape.rank.is_dynamic else [side.get_length() if side.is_static else 1 for side in shape]
            if math.prod(sides) > MAX_VALUES:
                raise CheckpointError(f"{name} makes a tensor of shape {sides}; at most {MAX_VALUES} are computed.")


@functools.cache
def shared_core() -> Any:
    """The one ``openvino.Core`` of this process, which stays until it ends.

    Each core's plugin for the CPU gives its thread a stack for signals, which it frees with itself (seen in OpenVINO
    2026.4). When two cores end in the order of their making, or one in another thread, the stack that is freed is the
    one in use, and the next signal ends the process.
    """
    return import_openvino().Core()


def import_openvino() -> Any:
    """The package.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import openvino
    except ImportError:
        raise MissingPackageError(f"the engine openvino needs its package: {INSTALL}") from None
    return openvino
