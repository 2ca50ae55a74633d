"""A pickle is a program: here it may call only what is listed, and cannot turn what it makes against the reader."""

import collections
import pickle
import re
from collections.abc import Callable
from typing import IO, Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from ..errors import CheckpointError

STORAGES = {
    "Double": torch.float64, "Float": torch.float32, "Half": torch.float16, "BFloat16": torch.bfloat16,
    "Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8,
    "Bool": torch.bool, "ComplexFloat": torch.complex64, "ComplexDouble": torch.complex128,
    "QInt8": torch.int8, "QUInt8": torch.uint8, "QInt32": torch.int32, "Untyped": torch.uint8,
}  # fmt: skip
PLAIN_KINDS = "?biufcSU"  # of numpy dtypes: numbers and text, no Python objects and no records


class PickledDtype:
    """A numpy dtype as pickles describe it. Numpy's own would believe a pickle that calls objects plain bytes."""

    __slots__ = ("value",)

    def __init__(self, code: Any, *flags: Any) -> None:
        self.value = np.dtype(code)
        if self.value.kind not in PLAIN_KINDS:
            raise CheckpointError(f"its pickle holds numpy values of type {self.value}.")

    def __setstate__(self, state: Any) -> None:
        self.value = self.value.newbyteorder(state[1])


class PickledArray(np.ndarray):  # type: ignore[type-arg]
    """A numpy array as pickles make it: empty, then filled."""

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        array = np.frombuffer(content, _plain(dtype)).reshape(shape)
        super().__setstate__((1, array.shape, array.dtype, fortran, content))


def _plain(dtype: Any) -> Any:
    if not isinstance(dtype, PickledDtype):
        raise CheckpointError("its pickle holds numpy values without a type.")
    return dtype.value


def _numpy_scalar(dtype: Any, content: bytes) -> Any:
    return np.frombuffer(content, _plain(dtype), count=1)[0]


def _numpy_reconstruct(*_: Any) -> Any:
    return PickledArray((0,), np.int8)


def _numpy_from_buffer(content: bytes, dtype: Any, shape: Any, order: str) -> Any:
    """An array in pickles of protocol 5."""
    return np.frombuffer(content, _plain(dtype)).reshape(shape, order="F" if order == "F" else "C")


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """What protocol 2 pickles call to make bytes."""
    if encoding != "latin1":
        raise CheckpointError(f"its pickle encodes text as {encoding!r}.")
    return text.encode("latin1")


def _tensor(storage: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    """A view of the flat ``storage``; torch checks that it stays inside."""
    return storage.as_strided(size, stride, offset)


def _tensor_of_type(
    storage: Tensor, offset: int, size: Any, stride: Any, _: Any, __: Any, dtype: Any, *___: Any
) -> Tensor:
    """A tensor of a type that has no storage of its own, such as float8: a view of bytes."""
    if not isinstance(dtype, torch.dtype):  # this torch does not know it: as whole numbers, which are no weights
        return torch.zeros(1, dtype=torch.uint8).expand(size)
    return storage.view(dtype).as_strided(size, stride, offset)


def _sparse_tensor(_: Any, data: Any) -> Tensor:
    """An empty tensor of that size: a stranger's indices are not believed, and no network here has sparse weights."""
    size = next(part for part in data if isinstance(part, tuple))
    return torch.sparse_coo_tensor(torch.empty((len(size), 0), dtype=torch.int64), torch.empty(0), size)


def _tensor_without_memory(dtype: torch.dtype, size: Any, *_: Any) -> Tensor:
    return torch.empty(size, dtype=dtype, device="meta")


def _parameter(data: Tensor, *_: Any) -> Tensor:
    return data


class _Call:
    """A function that a pickle may call. The pickle gets this throw-away face, whose attributes it can spoil."""

    __slots__ = ("function",)

    def __init__(self, function: Any) -> None:
        self.function = function

    def __call__(self, *arguments: Any) -> Any:
        return self.function(*arguments)


_FUNCTIONS: dict[tuple[str, str], Any] = {
    ("_codecs", "encode"): _encode,
    ("collections", "Counter"): collections.Counter,
    ("numpy", "dtype"): PickledDtype,
    ("numpy.core.numeric", "_frombuffer"): _numpy_from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _numpy_from_buffer,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_of_type,
    ("torch._utils", "_rebuild_qtensor"): _tensor,  # without its scale
    ("torch._utils", "_rebuild_sparse_tensor"): _sparse_tensor,
    ("torch._utils", "_rebuild_sparse_csr_tensor"): _sparse_tensor,  # of torch before 1.13
    ("torch._utils", "_rebuild_meta_tensor_no_storage"): _tensor_without_memory,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
    **{(module, name): function
       for module in ("numpy.core.multiarray", "numpy._core.multiarray")
       for name, function in (("scalar", _numpy_scalar), ("_reconstruct", _numpy_reconstruct))},
}  # fmt: skip
# Types of C only: a pickle can set attributes of a Python class.
_VALUES: dict[tuple[str, str], Any] = {
    **{("collections", kind.__name__): kind
       for kind in (collections.OrderedDict, collections.defaultdict, collections.deque)},
    **{(module, kind.__name__): kind
       for module in ("builtins", "__builtin__") for kind in (set, frozenset, slice, complex, list, dict)},
    **{(module, f"{name}Storage"): dtype for module in ("torch", "torch.storage") for name, dtype in STORAGES.items()},
    ("numpy", "ndarray"): None,  # said to _reconstruct, which knows
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
}  # fmt: skip


# What training tools put beside the weights: options, paths, times, histories of the loss. Its content is left out.
# Of the builtins so are those that make much of little (a range of 10**18) and types, as defaultdict(float) has one.
_LEFT_OUT = frozenset({
    ("argparse", "Namespace"),
    ("types", "SimpleNamespace"),
    *((module, f"{kind}Path") for module in ("pathlib", "pathlib._local")
      for kind in ("", "Posix", "Windows", "PurePosix", "PureWindows")),
    *(("datetime", kind) for kind in ("datetime", "date", "time", "timedelta", "timezone")),
    ("zoneinfo", "ZoneInfo"),
    *((module, kind) for module in ("builtins", "__builtin__")
      for kind in ("range", "xrange", "bytearray", "bytes", "str", "unicode", "int", "long", "float", "bool", "tuple",
                   "object")),
    ("decimal", "Decimal"),
    ("fractions", "Fraction"),
    ("uuid", "UUID"),
    *(("numpy.random._pickle", f"__{kind}_ctor") for kind in ("randomstate", "generator", "bit_generator")),
    *((f"numpy.random._{kind.lower()}", kind) for kind in ("MT19937", "PCG64", "Philox", "SFC64")),
    *(("numpy.random.bit_generator", kind) for kind in ("SeedSequence", "__pyx_unpickle_SeedSequence")),
    ("torch.torch_version", "TorchVersion"),
    ("torch.serialization", "_get_layout"),
    *(("torch", f"per_{kind}") for kind in ("tensor_affine", "channel_affine")),
    *((module, "ConfigDict") for module in ("mmcv.utils.config", "mmengine.config.config")),
    ("addict.addict", "Dict"),
    ("easydict", "EasyDict"),
    ("yacs.config", "CfgNode"),
    *((module, "AttributeDict") for module in ("pytorch_lightning.utilities.parsing", "lightning.fabric.utilities.data",
                                               "lightning_fabric.utilities.data")),
    ("mmengine.logging.history_buffer", "HistoryBuffer"),
})  # fmt: skip
_NEWER_DTYPE = re.compile(r"(u?int|b?float|complex)\d+\w*")


class LeftOut:
    """Stands for an object of a class that is not made here: takes whatever a pickle does to it, and keeps nothing."""

    __slots__ = ()

    def __new__(cls, *_: Any, **__: Any) -> "LeftOut":  # noqa: D102  a constructor
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, *_: Any) -> None:
        pass

    def __call__(self, *_: Any) -> "LeftOut":  # noqa: D102  a method of its class, called
        return self


def _getattr(owner: Any, _: str) -> Any:
    """How pickles before protocol 4 name a method. mmengine's history of the loss has some of its own class."""
    if owner is not LeftOut:
        raise CheckpointError("its pickle calls builtins.getattr, which a checkpoint has no need of.")
    return LeftOut()


_FUNCTIONS |= {(module, "getattr"): _getattr for module in ("builtins", "__builtin__")}


class SafeUnpickler(pickle._Unpickler):  # type: ignore[name-defined,misc]  # in C a few bytes can ask for gigabytes of memo
    """Reads one pickle of ``file``.

    Args:
        storage: called with each persistent id, ("storage", dtype, key, location, count, ...), to give a flat tensor.
    Raises:
        CheckpointError: it calls anything that is not listed here; refused before that call.
    """

    def __init__(self, file: IO[bytes], storage: Callable[..., Tensor] | None = None) -> None:
        super().__init__(file)
        self._storage = storage

    def load_bytearray8(self) -> None:
        """As bytes, of which no more are made than the file has: pickle's own believes any length."""
        self.load_binbytes8()  # type: ignore[attr-defined]

    dispatch: ClassVar[dict[int, Any]] = {
        **pickle._Unpickler.dispatch,  # type: ignore[attr-defined]
        pickle.BYTEARRAY8[0]: load_bytearray8,
    }

    def persistent_load(self, pid: Any) -> Any:
        """The storage of a tensor."""
        if self._storage is None:
            raise CheckpointError("its pickle has tensors where none belong.")
        return self._storage(*pid)

    def find_class(self, module: str, name: str) -> Any:
        """What the pickle may call under that name."""
        if (module, name) in _FUNCTIONS:
            return _Call(_FUNCTIONS[module, name])
        if (module, name) in _VALUES:
            return _VALUES[module, name]
        if module == "torch" and isinstance(getattr(torch, name, None), torch.dtype):
            return getattr(torch, name)
        if (module, name) in _LEFT_OUT or (module == "torch" and _NEWER_DTYPE.fullmatch(name)):
            return LeftOut  # its __setstate__ keeps a pickle from setting attributes of the class itself
        raise CheckpointError(
            f"its pickle calls {module}.{name}, which a checkpoint has no need of; if it holds a whole model or its "
            "training, save model.state_dict() alone."
        )
