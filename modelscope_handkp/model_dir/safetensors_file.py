"""Weights as safetensors: tensors and nothing else."""

import importlib.util
from typing import IO

from torch import Tensor

from ..errors import CheckpointError, MissingPackageError

MAX_HEADER_BYTES = 100_000_000  # the library's own limit


def is_safetensors(head: bytes) -> bool:
    """Whether a file begins as one of safetensors does: the length of a JSON object, 8 bytes, then that object."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= MAX_HEADER_BYTES


def read_safetensors(file: IO[bytes]) -> dict[str, Tensor]:
    """The tensors of a file, in memory of their own: the file is not mapped.

    Raises:
        CheckpointError: a header that is broken, or that tells of more or less than there is.
        MissingPackageError: safetensors is not installed.
    """
    _require()
    from safetensors import SafetensorError
    from safetensors.torch import load

    file.seek(0)
    try:
        return load(file.read())
    except SafetensorError as error:
        raise CheckpointError(
            f"it is a safetensors file that is broken or cut off ({error}); download it again."
        ) from None


def to_safetensors(state: dict[str, Tensor]) -> bytes:
    """The content of a file with these tensors, as Transformers and ModelScope write it for PyTorch.

    Raises:
        MissingPackageError: safetensors is not installed.
    """
    _require()
    from safetensors.torch import save

    # tensors that share memory or are strided cannot be written; a copy is neither
    return save({name: value.contiguous().clone() for name, value in state.items()}, metadata={"format": "pt"})


def has_safetensors() -> bool:
    """Whether the package is installed."""
    return importlib.util.find_spec("safetensors") is not None


def _require() -> None:
    if not has_safetensors():
        raise MissingPackageError("files of safetensors need the package: pip install safetensors")
