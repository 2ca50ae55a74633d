"""Checkpoint files that torch.save would not write."""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch


class Calls:
    """Pickles as a call of ``function``."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.function, self.arguments, self.state = function, arguments, state

    def __reduce__(self) -> Any:
        return self.function, self.arguments, self.state


class Storage:
    """Pickles as torch.save writes a storage."""

    def __init__(self, count: int, key: str = "0", kind: Any = torch.FloatStorage) -> None:
        self.id = ("storage", kind, key, "cpu", count)


class Pickler(pickle._Pickler):  # type: ignore[name-defined,misc]
    """Writes any global by name, also what pickle itself would check first."""

    def persistent_id(self, obj: Any) -> Any:
        return obj.id if isinstance(obj, Storage) else None


def tensor(count: int, offset: int = 0, size: tuple[int, ...] = (4,), stride: tuple[int, ...] = (1,)) -> Calls:
    """A tensor whose storage is said to hold ``count`` floats."""
    return Calls(torch._utils._rebuild_tensor_v2, Storage(count), offset, size, stride, False, OrderedDict())


def dumped(content: Any) -> bytes:
    buffer = io.BytesIO()
    Pickler(buffer, protocol=2).dump(content)
    return buffer.getvalue()


def write_archive(path: Path, pickled: bytes, memory: bytes = b"\0" * 16, **more: bytes) -> Path:
    """torch.save's archive around a pickle, with one storage of ``memory``."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {"data.pkl": pickled, "data/0": memory, "version": b"3\n", **more}.items():
            archive.writestr(f"archive/{name}", content)
    return path


def write_legacy(path: Path, pickled: bytes, keys: Any = ("0",), memory: bytes | None = None) -> Path:
    """torch.save's file before 1.6 around a pickle, with one storage of four floats."""
    head = [dumped(part) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
    raw = (4).to_bytes(8, "little") + b"\0" * 16 if memory is None else memory
    path.write_bytes(b"".join([*head, pickled, dumped(list(keys)), raw]))
    return path
