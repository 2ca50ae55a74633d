"""Checkpoints from strangers -> tensors: the two containers that torch.save has written since 0.4.

EasyCV's and mmcv's with meta, optimizer state and numpy scalars, ModelScope's, and plain state dicts. torch.load is not
asked: before 2.6 it runs what a pickle says, and old versions read beyond the end of a file that lies about its sizes.
"""

import io
import logging
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor, nn

from ..errors import CheckpointError, MissingFileError
from .unpickle import SafeUnpickler

logger = logging.getLogger(__name__)

MAX_CHECKPOINT_BYTES = 2 * 1024**3
MAX_LISTED = 5  # names in one error message
LEGACY_HEAD = (0x1950A86A20F9469CFC6C, 1001)  # torch.save's magic number and protocol before 1.6
LEGACY_COUNT_BYTES = 8


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
    # dict's own methods: a pickle can give an OrderedDict attributes that hide them
    state = dict.get(content, "state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict):
        raise CheckpointError(f"{path} holds no state dict but a {type(content).__name__}.")
    tensors = {name: value for name, value in dict.items(state) if isinstance(name, str) and isinstance(value, Tensor)}
    if not tensors:
        raise CheckpointError(f"{path} holds no tensors.")
    if all(name.startswith("module.") for name in tensors):
        tensors = {name[len("module.") :]: value for name, value in tensors.items()}
    if 4 * sum(value.numel() for value in tensors.values()) > MAX_CHECKPOINT_BYTES:  # views can be larger than the file
        raise CheckpointError(f"{path} is refused: its tensors take more than {MAX_CHECKPOINT_BYTES} bytes.")
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def read_checkpoint(path: str | Path) -> Any:
    """Everything in a checkpoint, under the rules of `read_state_dict`; tensors that shared memory still do."""
    path = Path(path)
    if not os.path.isfile(path):  # noqa: PTH113  Path.is_file raises on a name that is too long
        raise MissingFileError(f"{path} does not exist.")
    try:
        with path.open("rb") as file:
            _check_size(path.stat().st_size)
            return _read_zip(file) if zipfile.is_zipfile(file) else _read_legacy(file)
    except CheckpointError as error:
        raise CheckpointError(f"{path} is refused: {error}") from None
    except Exception as error:  # a hostile file makes a decoder raise anything
        raise CheckpointError(f"{path} is not a readable checkpoint: {type(error).__name__}: {error}") from None


def _read_zip(file: IO[bytes]) -> Any:
    """Since torch 1.6: an archive of ``data.pkl`` and one record of raw memory for each storage."""
    with zipfile.ZipFile(file) as archive:
        _check_size(sum(entry.file_size for entry in archive.infolist()))
        names = archive.namelist()
        if any(Path(name).name == "constants.pkl" for name in names):
            raise CheckpointError("it is a TorchScript archive, which holds code.")
        root = next(name for name in names if name.endswith("/data.pkl"))[: -len("data.pkl")]
        _check_order(f"{root}byteorder" not in names or archive.read(f"{root}byteorder") == b"little")
        storages: dict[Any, Tensor] = {}

        def storage(_: str, dtype: torch.dtype, key: str, *rest: Any) -> Tensor:
            if (key, dtype) not in storages:
                storages[key, dtype] = _from_memory(archive.read(f"{root}data/{key}"), dtype)
            return storages[key, dtype]

        return SafeUnpickler(io.BytesIO(archive.read(f"{root}data.pkl")), storage).load()


def _read_legacy(file: IO[bytes]) -> Any:
    """Before torch 1.6: five pickles, then for each storage a count and its raw memory."""
    unpickle: Callable[..., Any] = lambda *storage: SafeUnpickler(file, *storage).load()  # noqa: E731
    file.seek(0)
    if (unpickle(), unpickle()) != LEGACY_HEAD:
        raise CheckpointError("torch.save has not written it.")
    _check_order(unpickle()["little_endian"])
    storages: dict[str, Tensor] = {}

    def storage(_: str, dtype: torch.dtype, key: str, location: str, count: int, view: Any = None) -> Tensor:
        if key not in storages:
            _check_size(count * torch.empty(0, dtype=dtype).element_size())
            storages[key] = torch.zeros(count, dtype=dtype)
        return storages[key] if view is None else storages[key][view[1] : view[1] + view[2]]

    content = unpickle(storage)
    for key in unpickle():
        count, flat = int.from_bytes(file.read(LEGACY_COUNT_BYTES), "little"), storages[key]
        if count != flat.numel():
            raise CheckpointError(f"storage {key!r} should have {flat.numel()} elements and has {count}.")
        flat.copy_(_from_memory(file.read(count * flat.element_size()), flat.dtype))
    return content


def _from_memory(content: bytes, dtype: torch.dtype) -> Tensor:
    return torch.frombuffer(bytearray(content), dtype=dtype) if content else torch.empty(0, dtype=dtype)


def _check_size(size: int) -> None:
    """Called before anything of that size is made."""
    if size > MAX_CHECKPOINT_BYTES:
        raise CheckpointError(f"it takes {size} bytes, more than {MAX_CHECKPOINT_BYTES}.")


def _check_order(little_endian: bool) -> None:
    if not little_endian:
        raise CheckpointError("it was written on a big-endian machine.")


def load_weights(module: nn.Module, state: dict[str, Tensor], source: str | Path) -> None:
    """Put ``state`` into ``module``; tensors that the module does not have are logged and left out.

    Raises:
        CheckpointError: missing or misshaped tensors, or some that are not finite, named; the module is left as it was.
    """
    expected = module.state_dict()
    # batch norm's counter of steps plays no part in inference, and old checkpoints have none
    missing = [name for name in expected if name not in state and not name.endswith("num_batches_tracked")]
    misshaped = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in state and state[name].shape != tensor.shape
    ]
    broken = [f"{name} with NaN or infinity" for name in expected if name in state and not state[name].isfinite().all()]
    found = (("lacks", missing), ("has", misshaped + broken))
    problems = [f"{what} {_listed(names)}" for what, names in found if names]
    if problems:
        raise CheckpointError(f"{source} does not fit the configured network: it {' and '.join(problems)}.")
    extra = [name for name in state if name not in expected]
    if extra:
        logger.warning("%s has tensors that the network does not use: %s", source, _listed(extra))
    module.load_state_dict(state, strict=False)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return ", ".join(names[:MAX_LISTED]) + more
