"""ONNX files, which may be anybody's: read once, checked, and run from memory, so that no other file is opened."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, MissingFileError, MissingPackageError
from .onnx_shapes import SHAPE_VALUES, fold_shapes

MAX_BYTES = 1 << 30  # of a file; HRNetV2-W18 has 39 MB
MAX_VALUES = 1 << 28  # of one tensor while the network runs on one image: 1 GiB in float32
MAX_OPERATORS = 50_000  # HRNetV2-W18 has about 1,000
EXAMPLE_SIDE = 640  # of images of any size, pixels, for which the sizes of tensors are computed
SHAPE_ROUNDS = 16  # a shape that is computed from a shape that is computed ...
STANDARD_DOMAINS = ("", "ai.onnx")
LOOPS = ("Loop", "Scan", "SequenceMap")  # whose work no shape bounds
VALUE_FIELDS = ("raw_data", "float_data", "int32_data", "string_data", "int64_data", "double_data", "uint64_data")
INSTALL = "pip install 'modelscope-handkp[onnx]'"

Shape = tuple[int | None, ...]  # None: any


@dataclass(frozen=True)
class OnnxModel:
    """A graph of standard operators with all its weights.

    name: what errors call it. content: the whole file. inputs, outputs: names and shapes. metadata: what the exporter
    wrote beside the graph.
    """

    name: str
    content: bytes = field(repr=False)
    inputs: dict[str, Shape]
    outputs: dict[str, Shape]
    metadata: dict[str, str]

    @classmethod
    def read(cls, path: str | Path) -> "OnnxModel":
        """A file, checked.

        Raises:
            MissingFileError, CheckpointError: the file, named, with what keeps it from being run.
            MissingPackageError: onnx is not installed.
        """
        path = Path(path)
        if not path.is_file():
            raise MissingFileError(f"{path} is not there or is no file.")
        if path.stat().st_size > MAX_BYTES:
            raise CheckpointError(f"{path} has {path.stat().st_size} bytes; more than {MAX_BYTES} are not read.")
        return cls.parse(path.read_bytes(), str(path))

    @classmethod
    def parse(cls, content: bytes, name: str) -> "OnnxModel":
        """`read` for the content of a file."""
        onnx = _onnx()
        try:
            proto = onnx.load_model_from_string(content)
        except Exception as error:  # protobuf's own
            raise CheckpointError(f"{name} is no ONNX model: {type(error).__name__}.") from None
        if not proto.graph.node:
            raise CheckpointError(f"{name} is no ONNX model: it has no operators.")
        _check_operators(proto, name)
        weights = {tensor.name for tensor in proto.graph.initializer}
        inputs = {value.name: _shape(value) for value in proto.graph.input if value.name not in weights}
        outputs = {value.name: _shape(value) for value in proto.graph.output}
        metadata = {entry.key: entry.value for entry in proto.metadata_props}
        _check_sizes(proto, name)
        return cls(name, content, inputs, outputs, metadata)


def _onnx() -> Any:
    try:
        import onnx
        import onnx.shape_inference
    except ImportError:
        raise MissingPackageError(f"ONNX files need the package onnx: {INSTALL}") from None
    return onnx


def _check_operators(proto: Any, name: str) -> None:
    """Refuse operators that are not ONNX's own, loops, and weights in other files."""
    for tensor in _tensors(proto):
        if tensor.external_data or tensor.data_location:
            place = next((entry.value for entry in tensor.external_data if entry.key == "location"), "elsewhere")
            raise CheckpointError(
                f"{name} has weights in another file ({place!r:.80}), which is not opened; "
                "save it as one file (onnx.save_model without save_as_external_data)."
            )
    for count, node in enumerate(_nodes(proto), 1):
        if count > MAX_OPERATORS:
            raise CheckpointError(f"{name} has more than {MAX_OPERATORS} operators.")
        if node.domain not in STANDARD_DOMAINS:
            raise CheckpointError(
                f"{name} has the operator {node.op_type!r:.80} of {node.domain!r:.80}; only ONNX's own are run."
            )
        if node.op_type in LOOPS:
            raise CheckpointError(f"{name} has a {node.op_type}, whose work has no bound; it is not run.")
    for function in proto.functions:  # those of other domains are called by nobody
        if function.domain in STANDARD_DOMAINS:
            raise CheckpointError(f"{name} has a function in place of ONNX's own {function.name!r:.80}; it is not run.")


def _check_sizes(proto: Any, name: str) -> None:
    """Refuse tensors that would fill the memory, as far as shapes tell without running the graph; changes ``proto``."""
    for tensor in proto.graph.initializer:
        if math.prod(tensor.dims) > SHAPE_VALUES:  # a weight, whose values say nothing of shapes
            for kind in VALUE_FIELDS:
                tensor.ClearField(kind)
    for value in proto.graph.input:
        for side, example in zip(value.type.tensor_type.shape.dim, (1, None, EXAMPLE_SIDE, EXAMPLE_SIDE)):
            if example and not side.dim_value:
                side.dim_value = example
    _check_claims([(tensor.name, tensor.dims) for tensor in _tensors(proto)], name)
    for _ in range(SHAPE_ROUNDS):
        shapes = _inferred_shapes(proto, name)
        _check_claims(shapes, name)
        if not fold_shapes(proto.graph, dict(shapes)):
            return


def _inferred_shapes(proto: Any, name: str) -> list[tuple[str, Shape]]:
    try:
        # data_prop=True would follow shapes, too, and fill the memory where they are long
        inferred = _onnx().shape_inference.infer_shapes(proto)
    except Exception as error:  # what the C++ checker finds
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{name} is no valid ONNX model: {reason:.200}") from None
    return [
        (value.name, _shape(value))
        for graph in _graphs(inferred)
        for value in (*graph.value_info, *graph.input, *graph.output)
    ]


def _check_claims(shapes: Iterable[tuple[str, Sequence[int | None]]], name: str) -> None:
    for tensor, shape in shapes:
        if math.prod(1 if side is None else side for side in shape) > MAX_VALUES:
            raise CheckpointError(
                f"{name} makes a tensor {tensor!r:.80} of shape {list(shape)!s:.80}; more than {MAX_VALUES} "
                "values are not computed."
            )


def _graphs(proto: Any) -> Iterator[Any]:
    """The graph, and those within its operators (If has two)."""
    waiting = [proto.graph]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                waiting += [attribute.g] if attribute.HasField("g") else []
                waiting += attribute.graphs


def _nodes(proto: Any) -> Iterator[Any]:
    for graph in _graphs(proto):
        yield from graph.node


def _tensors(proto: Any) -> Iterator[Any]:
    """Weights and constants; of sparse ones the whole."""
    for graph in _graphs(proto):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from _parts(sparse)
    for node in _nodes(proto):
        for attribute in node.attribute:
            yield from [attribute.t] if attribute.HasField("t") else []
            yield from attribute.tensors
            for sparse in [attribute.sparse_tensor, *attribute.sparse_tensors]:
                yield from _parts(sparse)


def _parts(sparse: Any) -> Iterator[Any]:
    whole = type(sparse.values)()
    whole.dims.extend(sparse.dims)
    yield from (sparse.values, sparse.indices, whole)


def _shape(value: Any) -> Shape:
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in dims)
