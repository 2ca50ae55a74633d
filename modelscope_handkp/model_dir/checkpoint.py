"""Checkpoints from strangers -> tensors, and tensors -> a network.

EasyCV's and mmcv's with meta, optimizer state and numpy scalars, mmengine's, ModelScope's, and plain state dicts, as
torch.save and safetensors write them. Nothing in a file is executed.
"""

import logging
import os
from pathlib import Path
from typing import IO, Any

from torch import Tensor, nn

from ..errors import CheckpointError, MissingFileError, MissingPackageError
from ..file_kind import HEAD_BYTES, TEXT, ZIP, file_kind
from .foreign import CHECKPOINT_ENDINGS, describe
from .mismatch import describe_mismatch, is_hollow, listed, without_prefix
from .safetensors_file import has_safetensors, is_safetensors, read_safetensors
from .state_dict import find_state_dict
from .torch_file import check_size, read_legacy, read_zip

logger = logging.getLogger(__name__)

MAX_CHECKPOINT_BYTES = 2 * 1024**3
SAFETENSORS_WEIGHTS, TORCH_WEIGHTS = "model.safetensors", "pytorch_model.pt"  # of a model directory
WEIGHT_FILES = (SAFETENSORS_WEIGHTS, TORCH_WEIGHTS, "pytorch_model.bin")
SAME_TIME_SECONDS = 5.0  # within which a download writes the files of a model


def find_weights(folder: str | Path) -> Path:
    """The file with the weights of a model directory.

    ``model.safetensors`` goes before ``pytorch_model.pt`` and that before ``pytorch_model.bin``, as in Transformers.
    Where the safetensors package is not installed, ``model.safetensors`` is taken only if it is alone.

    Raises:
        MissingFileError: there is none.
    """
    found = [path for name in WEIGHT_FILES if (path := Path(folder) / name).is_file()]
    if not found:
        others = sorted(file.name for file in Path(folder).glob("*") if file.name.endswith(CHECKPOINT_ENDINGS))
        hint = f"; rename {others[0]} if these are the weights" if others else ""
        raise MissingFileError(f"{folder} has no {', '.join(WEIGHT_FILES[:-1])} or {WEIGHT_FILES[-1]}{hint}.")
    if found[0].name == SAFETENSORS_WEIGHTS and len(found) > 1 and not has_safetensors():
        logger.warning("%s is read in place of %s: safetensors is not installed", found[1], SAFETENSORS_WEIGHTS)
        return found[1]
    return found[0]


def warn_of_newer_weights(path: Path) -> None:
    """Log that beside the weights that are read lies a file of weights that is newer, if one does.

    Args:
        path: what `find_weights` has found.
    """
    beside = [other for name in WEIGHT_FILES if (other := path.with_name(name)).is_file()]
    newest = max(beside, key=_modified, default=path)
    if _modified(newest) > _modified(path) + SAME_TIME_SECONDS:
        logger.warning("%s is read, although %s beside it is newer; remove the one that is stale", path, newest.name)


def _modified(path: Path) -> float:
    return path.stat().st_mtime


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint under EasyCV's names, on the CPU, floating point of 16 and 64 bits as float32.

    Args:
        path: a file of ``torch.save`` or safetensors, whatever its name. `find_state_dict` says where the state dict
            may lie in it, and which one is taken of several. The names of wrappers before those of the network
            (``module.``, ``_orig_mod.``, ``model.`` ...) are taken off, and mmpose 1.x's names become EasyCV's.
    Raises:
        MissingFileError: no such file.
        CheckpointError: too large, broken, another kind of file, without tensors, or a pickle that calls anything
            beyond tensors, numpy values and plain containers; it is refused before that call.
        MissingPackageError: a file of safetensors where that is not installed.
    """
    return state_dict_of(read_checkpoint(path), path)


def state_dict_of(content: Any, source: str | Path) -> dict[str, Tensor]:
    """`read_state_dict` from what `read_checkpoint` has read from ``source``."""
    tensors = find_state_dict(content)
    if not tensors:
        keys = [f"{key!r:.40}" for key in dict.keys(content)] if isinstance(content, dict) else []
        holds = f"its keys are {listed(keys)}" if keys else f"it is a {type(content).__name__}"
        raise CheckpointError(f"{source} holds no state dict with tensors: {holds}.")
    plain = [value for value in tensors.values() if not is_hollow(value)]
    if 4 * sum(value.numel() for value in plain) > MAX_CHECKPOINT_BYTES:  # views can be larger than the file
        raise CheckpointError(f"{source} is refused: its tensors take more than {MAX_CHECKPOINT_BYTES} bytes.")
    return {name: _widened(value) for name, value in tensors.items()}


def _widened(value: Tensor) -> Tensor:
    # 8 bits and fewer stay: they are too coarse to compute with, and `load_weights` says so
    return value.float() if value.is_floating_point() and value.element_size() > 1 else value


def read_checkpoint(path: str | Path) -> Any:
    """Everything in a checkpoint, under the rules of `read_state_dict`; tensors that shared memory still do."""
    path = Path(path)
    _check_is_file(path)
    try:
        with path.open("rb") as file:
            return _read(file)
    except CheckpointError as error:
        raise CheckpointError(f"{path} is refused: {error}") from None
    except MissingPackageError as error:
        raise MissingPackageError(f"{path} cannot be read: {error}") from None
    except PermissionError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from None
    except Exception as error:  # a hostile file makes a decoder raise anything
        raise CheckpointError(
            f"{path} is a damaged checkpoint ({type(error).__name__}: {error!s:.200}); download or save it again."
        ) from None


def _check_is_file(path: Path) -> None:
    # Path's own methods raise on a name that is too long
    if os.path.isfile(path):  # noqa: PTH113
        return
    if os.path.isdir(path):  # noqa: PTH112
        raise MissingFileError(f"{path} is a folder, not a checkpoint; name a file in it.")
    if os.path.islink(path) and not os.path.exists(path):  # noqa: PTH110, PTH114
        target = os.readlink(path)  # noqa: PTH115
        raise MissingFileError(f"{path} is a link to {target}, which does not exist; fetch that file.")
    raise MissingFileError(f"{path} {'is no regular file' if os.path.exists(path) else 'does not exist'}.")  # noqa: PTH110


def _read(file: IO[bytes]) -> Any:
    size = os.fstat(file.fileno()).st_size
    check_size(size, MAX_CHECKPOINT_BYTES)
    head = file.read(HEAD_BYTES)
    if is_safetensors(head):  # first, as the length of its header may be what another format begins with
        return read_safetensors(file)
    kind = file_kind(head)
    if kind == ZIP:
        return read_zip(file, MAX_CHECKPOINT_BYTES)
    if kind and not kind.startswith(TEXT):  # a pickle may be text
        raise CheckpointError(describe(head))
    return read_legacy(file, size, MAX_CHECKPOINT_BYTES)


def load_weights(module: nn.Module, state: dict[str, Tensor], source: str | Path) -> None:
    """Put ``state`` into ``module``; tensors that the module does not have are logged and left out.

    Where the module's names stand under one prefix (``net.``, ``_forward_module.`` ...), it is taken off.

    Raises:
        CheckpointError: missing or misshaped tensors, or some that are not finite, named; the module is left as it was.
    """
    expected = module.state_dict()
    state = without_prefix(expected, state)
    problem = describe_mismatch(expected, state)
    if problem:
        raise CheckpointError(f"{source} does not fit the configured network: {problem}.")
    extra = [name for name in state if name not in expected]
    if extra:
        logger.warning("%s has tensors that the network does not use: %s", source, listed(extra))
    module.load_state_dict(state, strict=False)
