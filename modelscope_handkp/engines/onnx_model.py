"""ONNX files, which may be anybody's: read once, checked, and run from memory, so that no other file is opened."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import CheckpointError, MissingFileError, MissingPackageError

MAX_BYTES = 1 << 30  # of a file; HRNetV2-W18 has 39 MB
MAX_VALUES = 1 << 28  # of one tensor while the network runs on one image: 1 GiB in float32
SHAPE_BYTES = 1024  # of a tensor that may be a shape
STANDARD_DOMAINS = ("", "ai.onnx")
LOOPS = ("Loop", "Scan", "SequenceMap")  # whose work no shape bounds
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
    for node in _nodes(proto):
        if node.domain not in STANDARD_DOMAINS:
            raise CheckpointError(
                f"{name} has the operator {node.op_type!r:.80} of {node.domain!r:.80}; only ONNX's own are run."
            )
        if node.op_type in LOOPS:
            raise CheckpointError(f"{name} has a {node.op_type}, whose work has no bound; it is not run.")


def _check_sizes(proto: Any, name: str) -> None:
    """Refuse tensors that would fill the memory, as far as shapes tell without running the graph; changes ``proto``."""
    for tensor in proto.graph.initializer:
        if len(tensor.raw_data) > SHAPE_BYTES:  # a weight, whose values say nothing of shapes
            tensor.ClearField("raw_data")
    for value in proto.graph.input:
        dims = value.type.tensor_type.shape.dim
        if dims and not dims[0].dim_value:
            dims[0].dim_value = 1
    try:
        inferred = _onnx().shape_inference.infer_shapes(proto, data_prop=True)
    except Exception as error:  # what the C++ checker finds
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{name} is no valid ONNX model: {reason:.200}") from None
    shapes = [(value.name, _shape(value)) for value in [*inferred.graph.value_info, *inferred.graph.input]]
    shapes += [(tensor.name, tuple(tensor.dims)) for tensor in _tensors(proto)]
    for tensor_name, shape in shapes:
        count = 1
        for side in shape:
            count *= 1 if side is None else side
        if count > MAX_VALUES:
            raise CheckpointError(
                f"{name} makes a tensor {tensor_name!r:.80} of shape {list(shape)!s:.80}; more than {MAX_VALUES} "
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
    for function in proto.functions:
        yield from function.node


def _tensors(proto: Any) -> Iterator[Any]:
    """Weights and constants."""
    for graph in _graphs(proto):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in _nodes(proto):
        for attribute in node.attribute:
            yield from [attribute.t] if attribute.HasField("t") else []
            yield from attribute.tensors


def _shape(value: Any) -> Shape:
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") and dim.dim_value > 0 else None for dim in dims)
