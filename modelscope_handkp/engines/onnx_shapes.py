"""The operators of an ONNX graph that compute shapes, computed: what they give is known without running the graph."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

SHAPE_VALUES = 64  # of a tensor that may be a shape
Value = Any  # an array of a few numbers
Operator = Callable[[Sequence[Value], Mapping[str, Any]], Value]  # inputs, attributes -> output


def fold_shapes(
    graph: Any, shapes: Mapping[str, Sequence[int | None]], outer: Mapping[str, Value] | None = None
) -> bool:
    """Put constants in place of operators that compute shapes, where all that they take is known.

    Args:
        graph: of an ``onnx.ModelProto``, which is changed, with the graphs within its operators (If has two).
        shapes: of its tensors, as far as they are known; None: any.
        outer: what the graph around it knows.
    Returns:
        whether there were any.
    """
    from onnx import numpy_helper

    known = {tensor.name: value for tensor in graph.initializer if (value := _array(tensor)) is not None}
    taken = {name: (outer or {})[name] for node in graph.node for name in node.input if name in (outer or {})}
    folded = {name: value for name, value in taken.items() if name not in known}
    known, within, kept = {**known, **folded}, False, []
    for node in graph.node:
        value = _value(node, known, shapes)
        if value is None or value.size > SHAPE_VALUES:
            kept.append(node)
        else:
            known[node.output[0]] = folded[node.output[0]] = value
        for inner in (part for attribute in node.attribute for part in (attribute.g, *attribute.graphs) if part.node):
            within |= fold_shapes(inner, shapes, {**(outer or {}), **known})
    if len(kept) < len(graph.node):
        del graph.node[:]
        graph.node.extend(kept)
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in folded.items())
    return within or bool(folded)


def _array(tensor: Any) -> Value | None:
    """A tensor of few values; None for one of many, or whose values are not there."""
    from onnx import numpy_helper

    if not 0 <= math.prod(tensor.dims) <= SHAPE_VALUES:
        return None
    try:
        return numpy_helper.to_array(tensor)
    except Exception:  # whatever a wrong tensor makes of it; what runs the graph refuses it
        return None


def _value(node: Any, known: Mapping[str, Value], shapes: Mapping[str, Sequence[int | None]]) -> Value | None:
    """What a node gives, where that is known."""
    from onnx import helper

    try:
        options = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        if node.op_type == "Constant":
            (kind, value), *_ = options.items()
            return _array(value) if kind == "value" else np.array(value) if kind.startswith("value_") else None
        if node.op_type == "Shape":
            shape = shapes.get(node.input[0], ())
            found = None if None in shape or not shape else shape[options.get("start", 0) : options.get("end")]
            return None if found is None else np.array(found, np.int64)
        if node.op_type not in OPERATORS or not all(name in known for name in node.input):
            return None
        with np.errstate(all="ignore"):
            return np.asarray(OPERATORS[node.op_type]([known[name] for name in node.input], options))
    except Exception:  # as above
        return None


def _axes(values: Sequence[Value], options: Mapping[str, Any]) -> tuple[int, ...] | None:
    """Of the second input, or of the attribute that older operators have instead."""
    given = values[1] if len(values) > 1 else options.get("axes")
    return None if given is None else tuple(int(axis) for axis in np.ravel(given))


def _slice(values: Sequence[Value], options: Mapping[str, Any]) -> Value:
    if len(values) < 3:
        values = [values[0], options["starts"], options["ends"], options.get("axes", range(len(options["starts"])))]
    data, starts, ends, *more = values
    axes = more[0] if more else range(len(starts))
    steps = more[1] if len(more) > 1 else [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps):
        data = data[(slice(None),) * (int(axis) % data.ndim) + (slice(int(start), int(end), int(step)),)]
    return data


def _filled(values: Sequence[Value], options: Mapping[str, Any]) -> Value:
    from onnx import numpy_helper

    shape = [int(side) for side in values[0]]
    if math.prod(shape) > SHAPE_VALUES:
        raise ValueError("no shape")
    return np.full(shape, np.ravel(numpy_helper.to_array(options["value"]))[0] if "value" in options else np.float32(0))


def _cast(values: Sequence[Value], options: Mapping[str, Any]) -> Value:
    from onnx import helper

    return values[0].astype(helper.tensor_dtype_to_np_dtype(options["to"]))


def _divide(values: Sequence[Value], _: Mapping[str, Any]) -> Value:
    one, other = values
    return np.trunc(one / other).astype(one.dtype) if one.dtype.kind in "iu" else one / other


def _reduce(function: Callable[..., Value]) -> Operator:
    def reduce(values: Sequence[Value], options: Mapping[str, Any]) -> Value:
        return function(values[0], axis=_axes(values, options), keepdims=bool(options.get("keepdims", 1)))

    return reduce


def _plain(function: Callable[..., Value]) -> Operator:
    return lambda values, options: function(*values)


OPERATORS: dict[str, Operator] = {
    "Identity": lambda values, options: values[0],
    "Cast": _cast,
    "Gather": lambda values, options: np.take(values[0], values[1].astype(np.int64), options.get("axis", 0)),
    "Concat": lambda values, options: np.concatenate(values, options["axis"]),
    "Slice": _slice,
    "Unsqueeze": lambda values, options: np.expand_dims(values[0], _axes(values, options) or ()),
    "Squeeze": lambda values, options: np.squeeze(values[0], _axes(values, options)),
    "Reshape": lambda values, options: values[0].reshape([int(side) for side in values[1]]),
    "ConstantOfShape": _filled,
    "Div": _divide,
    "Pow": lambda values, options: np.power(*values).astype(values[0].dtype),
    "Min": lambda values, options: np.minimum.reduce(np.broadcast_arrays(*values)),
    "Max": lambda values, options: np.maximum.reduce(np.broadcast_arrays(*values)),
    "Add": _plain(np.add), "Sub": _plain(np.subtract), "Mul": _plain(np.multiply), "Mod": _plain(np.mod),
    "Neg": _plain(np.negative), "Abs": _plain(np.abs), "Sqrt": _plain(np.sqrt), "Exp": _plain(np.exp),
    "Floor": _plain(np.floor), "Ceil": _plain(np.ceil), "Round": _plain(np.round), "Where": _plain(np.where),
    "Equal": _plain(np.equal), "Less": _plain(np.less), "Greater": _plain(np.greater),
    "ReduceProd": _reduce(np.prod), "ReduceSum": _reduce(np.sum), "ReduceMax": _reduce(np.max),
    "ReduceMin": _reduce(np.min),
}  # fmt: skip
