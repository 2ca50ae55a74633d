"""ONNX Runtime."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import CheckpointError, InputError, MissingPackageError
from .onnx_model import INSTALL, OnnxModel
from .precision import FLOAT32

SPINNING = "session.intra_op.allow_spinning"  # threads that wait for work burn a core
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}  # of the input


class OnnxRuntimeEngine:
    """Runs an ONNX model with one input; threads may share it.

    Args:
        model: what is run.
        device: the CPU, on as many threads as torch has at this moment, or a GPU.
        precision: float32; the model's own weights decide what is computed in int8 or float16.
    Raises:
        MissingPackageError: onnxruntime is not installed. InputError: another precision, or it cannot use that device.
        CheckpointError: it cannot run the model, or the model takes something else than one batch of images.
    """

    def __init__(self, model: OnnxModel, device: torch.device, precision: str = FLOAT32) -> None:
        runtime = _runtime()
        if precision != FLOAT32:
            raise InputError(
                f"the engine onnxruntime does not compute a float32 network in {precision}: choose eager or openvino, "
                "or export it with --precision int8."
            )
        provider = PROVIDERS.get(device.type)
        if provider not in runtime.get_available_providers():
            raise InputError(
                f"the onnxruntime installed here has no provider for {device}: choose cpu, or another engine."
            )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.add_session_config_entry(SPINNING, "0")  # two networks, and torch, share the cores
        options.log_severity_level = 4  # it would print what it then raises
        chosen = [(provider, {"device_id": device.index or 0})] if device.type == "cuda" else [provider]
        try:
            self._session = runtime.InferenceSession(model.content, options, providers=chosen)
        except Exception as error:  # its classes are not public
            raise CheckpointError(f"{model.name} cannot be run by ONNX Runtime: {str(error)[:300]}") from None
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in TYPES:
            found = ", ".join(f"{value.name} {value.type}" for value in inputs)
            raise CheckpointError(f"{model.name} must take one batch of images in floating point, it takes {found}.")
        self._model, self._name, self._type = model.name, inputs[0].name, TYPES[inputs[0].type]

    def __call__(self, images: Tensor) -> tuple[Any, ...]:
        """Images (N, 3, H, W) float32 on any device -> the outputs, float32 arrays (others keep their type).

        Raises:
            CheckpointError: the model does not run on such images.
        """
        feed = {self._name: np.ascontiguousarray(images.detach().cpu().numpy().astype(self._type, copy=False))}
        try:
            outputs = self._session.run(None, feed)
        except Exception as error:  # its classes are not public
            shape = tuple(images.shape)
            raise CheckpointError(f"{self._model} does not run on images {shape}: {str(error)[:300]}") from None
        return tuple(x.astype(np.float32) if x.dtype == np.float16 else x for x in outputs)


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingPackageError(f"the engine onnxruntime needs its package: {INSTALL}") from None
    return onnxruntime
