"""The two containers that torch.save has written since 0.4.

torch.load is not asked: before 2.6 it runs what a pickle says, and old versions read beyond the end of a file that lies
about its sizes.
"""

import io
import zipfile
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import IO, Any

import torch
from torch import Tensor

from ..errors import CheckpointError
from ..file_kind import HEAD_BYTES
from .foreign import CUT_OFF, WRITE, describe, describe_zip
from .unpickle import SafeUnpickler

LEGACY_MAGIC, LEGACY_PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # how torch.save began files before 1.6
LEGACY_COUNT_BYTES = 8


def read_zip(file: IO[bytes], limit: int) -> Any:
    """Since torch 1.6: an archive of ``data.pkl`` and one record of raw memory for each storage.

    Args:
        limit: the most bytes that the records may take together, unpacked.
    Raises:
        CheckpointError: cut off, too large, another kind of archive, or what `SafeUnpickler` refuses. Whatever else
            zipfile, pickle and torch raise on a broken file.
    """
    if not zipfile.is_zipfile(file):  # its directory stands at the end
        raise CheckpointError(CUT_OFF)
    with zipfile.ZipFile(file) as archive:
        check_size(sum(entry.file_size for entry in archive.infolist()), limit)
        names = archive.namelist()
        pickles = [name for name in names if PurePosixPath(name).name == "data.pkl"]
        if not pickles or any(PurePosixPath(name).name == "constants.pkl" for name in names):
            raise CheckpointError(describe_zip(names))
        root = pickles[0][: -len("data.pkl")]
        _check_order(f"{root}byteorder" not in names or archive.read(f"{root}byteorder") == b"little")
        storages: dict[Any, Tensor] = {}

        def storage(_: str, dtype: torch.dtype, key: str, *rest: Any) -> Tensor:
            if (key, dtype) not in storages:
                storages[key, dtype] = _from_memory(archive.read(f"{root}data/{key}"), dtype)
            return storages[key, dtype]

        return SafeUnpickler(io.BytesIO(archive.read(pickles[0])), storage).load()


def read_legacy(file: IO[bytes], size: int, limit: int) -> Any:
    """Before torch 1.6: five pickles, then for each storage a count and its raw memory.

    Args:
        size: of the file, bytes.
        limit: the most bytes that one storage may take.
    Raises:
        CheckpointError: cut off, too large, nothing that torch.save has written, or what `SafeUnpickler` refuses.
            Whatever else pickle and torch raise on a broken file.
    """
    _check_magic(file)
    try:
        return _read_legacy_content(file, limit)
    except CheckpointError:
        raise
    except Exception as error:
        if file.tell() >= size:
            raise CheckpointError(CUT_OFF) from error
        raise


def _check_magic(file: IO[bytes]) -> None:
    file.seek(0)
    try:
        first = SafeUnpickler(file).load()
    except CheckpointError:
        raise
    except Exception:  # it is no pickle
        file.seek(0)
        raise CheckpointError(describe(file.read(HEAD_BYTES))) from None
    if not isinstance(first, int) or first != LEGACY_MAGIC:
        raise CheckpointError(f"it is a plain pickle of {type(first).__name__}, not a checkpoint; {WRITE}.")


def _read_legacy_content(file: IO[bytes], limit: int) -> Any:
    unpickle: Callable[..., Any] = lambda *storage: SafeUnpickler(file, *storage).load()  # noqa: E731
    if unpickle() != LEGACY_PROTOCOL:
        raise CheckpointError("torch.save has not written it.")
    _check_order(unpickle()["little_endian"])
    storages: dict[str, Tensor] = {}

    def storage(_: str, dtype: torch.dtype, key: str, location: str, count: int, view: Any = None) -> Tensor:
        if key not in storages:
            check_size(count * torch.empty(0, dtype=dtype).element_size(), limit)
            storages[key] = torch.zeros(count, dtype=dtype)
        return storages[key] if view is None else storages[key][view[1] : view[1] + view[2]]

    content = unpickle(storage)
    for key in unpickle():
        count, flat = int.from_bytes(_exactly(file, LEGACY_COUNT_BYTES), "little"), storages[key]
        if count != flat.numel():
            raise CheckpointError(f"storage {key!r} should have {flat.numel()} elements and has {count}.")
        flat.copy_(_from_memory(_exactly(file, count * flat.element_size()), flat.dtype))
    return content


def _exactly(file: IO[bytes], count: int) -> bytes:
    content = file.read(count)
    if len(content) < count:
        raise EOFError
    return content


def _from_memory(content: bytes, dtype: torch.dtype) -> Tensor:
    return torch.frombuffer(bytearray(content), dtype=dtype) if content else torch.empty(0, dtype=dtype)


def check_size(size: int, limit: int) -> None:
    """Called before anything of that size is made.

    Raises:
        CheckpointError: ``size`` bytes are more than ``limit``.
    """
    if size > limit:
        raise CheckpointError(f"it takes {size} bytes, more than {limit}.")


def _check_order(little_endian: bool) -> None:
    if not little_endian:
        raise CheckpointError("it was written on a big-endian machine.")
