"""Checkpoints from strangers -> tensors. A pickle is a program; here it may call only what is listed.

Reads what torch.save has written since 0.4: EasyCV and mmcv checkpoints with meta, optimizer state and numpy scalars,
ModelScope's, and plain state dicts.
"""

import collections
import inspect
import logging
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .errors import CheckpointError, MissingFileError

logger = logging.getLogger(__name__)

MAX_CHECKPOINT_BYTES = 2 * 1024**3
MAX_LISTED = 5  # names in one error message


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint, on the CPU, half precision widened to float32.

    Args:
        path: a ``torch.save`` file holding a state dict, or a dict with one under ``state_dict``. A ``module.`` before
            every key (DataParallel) is taken off.
    Raises:
        MissingFileError: no such file.
        CheckpointError: too large, broken, without tensors, or a pickle that calls anything beyond tensors, numpy
            values and plain containers; it is refused before that call.
    """
    content = read_checkpoint(path)
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds no state dict but a {type(content).__name__}.")
    tensors = {name: value for name, value in state.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors.")
    if all(name.startswith("module.") for name in tensors):
        tensors = {name[len("module.") :]: value for name, value in tensors.items()}
    if 4 * sum(value.numel() for value in tensors.values()) > MAX_CHECKPOINT_BYTES:  # views can be larger than the file
        raise CheckpointError(f"{path} is refused: its tensors take more than {MAX_CHECKPOINT_BYTES} bytes.")
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def read_checkpoint(path: str | Path) -> Any:
    """Everything in a checkpoint, under the rules of `read_state_dict`."""
    path = Path(path)
    _check_container(path)
    try:
        return torch.load(str(path), map_location="cpu", **_SAFE_PICKLE)
    except CheckpointError as error:
        raise CheckpointError(f"{path} is refused: {error}") from None
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError, AttributeError, TypeError,
            IndexError, AssertionError, ImportError, MemoryError, OverflowError, UnicodeError) as error:  # fmt: skip
        raise CheckpointError(f"{path} is not a readable checkpoint: {type(error).__name__}: {error}") from None


def load_weights(module: nn.Module, state: dict[str, Tensor], source: str | Path) -> None:
    """Put ``state`` into ``module``; tensors that the module does not have are logged and left out.

    Raises:
        CheckpointError: missing or misshaped tensors, named; the module is left as it was.
    """
    expected = module.state_dict()
    # batch norm's counter of steps plays no part in an answer, and old checkpoints have none
    missing = [name for name in expected if name not in state and not name.endswith("num_batches_tracked")]
    misshaped = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    problems = [f"{what} {_listed(names)}" for what, names in (("lacks", missing), ("has", misshaped)) if names]
    if problems:
        raise CheckpointError(f"{source} does not fit the configured network: it {' and '.join(problems)}.")
    extra = [name for name in state if name not in expected]
    if extra:
        logger.warning("%s has tensors that the network does not use: %s", source, _listed(extra))
    module.load_state_dict(state, strict=False)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more


def _check_container(path: Path) -> None:
    """Bound the size before reading, also unpacked; refuse TorchScript, which is code by nature."""
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist.")
    size = path.stat().st_size
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, ValueError, OSError) as error:
            raise CheckpointError(f"{path} is not a readable checkpoint: {error}") from None
        if any(Path(entry.filename).name == "constants.pkl" for entry in entries):
            raise CheckpointError(f"{path} is refused: it is a TorchScript archive, which holds code.")
        size = max(size, sum(entry.file_size for entry in entries))
    if size > MAX_CHECKPOINT_BYTES:
        raise CheckpointError(f"{path} is refused: it unpacks to {size} bytes, more than {MAX_CHECKPOINT_BYTES}.")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """What protocol 2 pickles call to make bytes."""
    if encoding != "latin1":
        raise CheckpointError(f"its pickle encodes text as {encoding!r}.")
    return text.encode("latin1")


def _numpy_scalar(dtype: Any, data: Any) -> Any:
    dtype = np.dtype(dtype)
    if dtype.hasobject or not isinstance(data, bytes):
        raise CheckpointError("its pickle holds a numpy scalar of Python objects.")
    return np.frombuffer(data, dtype=dtype, count=1)[0]


def _numpy_reconstruct(kind: Any, shape: Any, code: Any) -> Any:
    return np.empty((0,), np.int8)  # numpy's own pickles call it so, then set shape, dtype and data


class _Call:
    """A function that a pickle may call. The pickle gets this throw-away face, whose attributes it can spoil."""

    __slots__ = ("function",)

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)


_FUNCTIONS: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _encode,
    **{("torch._utils", name): getattr(torch._utils, name)
       for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")},
    **{(module, name): function
       for module in ("numpy.core.multiarray", "numpy._core.multiarray")
       for name, function in (("scalar", _numpy_scalar), ("_reconstruct", _numpy_reconstruct))},
}  # fmt: skip
# Types of C only: a pickle can set attributes of a Python class.
_TYPES: dict[tuple[str, str], type] = {
    **{("collections", kind.__name__): kind
       for kind in (collections.OrderedDict, collections.defaultdict, collections.deque)},
    **{(module, kind.__name__): kind
       for module in ("builtins", "__builtin__") for kind in (set, frozenset, slice, complex, list, dict)},
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
}  # fmt: skip


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _FUNCTIONS:
            return _Call(_FUNCTIONS[module, name])
        if (module, name) in _TYPES:
            return _TYPES[module, name]
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        raise CheckpointError(f"its pickle calls {module}.{name}, which a checkpoint has no need of.")


class _SafePickle:
    """The part of the pickle module that torch.load asks for."""

    __name__ = "pickle"
    Unpickler = _Unpickler

    @staticmethod
    def load(file: Any, **options: Any) -> Any:
        return _Unpickler(file, **options).load()

    @staticmethod
    def loads(data: bytes, **options: Any) -> Any:
        raise CheckpointError("its container asks for a second pickle.")


_SAFE_PICKLE: dict[str, Any] = {"pickle_module": _SafePickle}
if "weights_only" in inspect.signature(torch.load).parameters:
    _SAFE_PICKLE["weights_only"] = False  # torch's own reader takes no pickle_module and refuses numpy scalars
