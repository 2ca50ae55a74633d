"""Shapes that an ONNX graph computes, computed without running it."""

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx", reason="ONNX files need the extra onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
node = helper.make_node


def folded(*nodes: Any, shapes: Any = (), **constants: Any) -> dict[str, Any]:
    """The constants of a graph of these operators when its shapes are folded."""
    from modelscope_handkp.engines.onnx_shapes import fold_shapes

    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(list(nodes), "graph", [], [], weights)
    fold_shapes(graph, dict(shapes))
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}


TWO, FIVE = np.array([6, 7]), np.array([1, 2, 3, 4, 5])


@pytest.mark.parametrize(
    ("given", "options", "inputs"),
    [
        ("Identity", {}, [TWO]),
        ("Cast", {"to": 1}, [TWO]),
        ("Gather", {"axis": 0}, [FIVE, np.array([3, 0])]),
        ("Concat", {"axis": 0}, [TWO, FIVE]),
        ("Slice", {}, [FIVE, np.array([1]), np.array([-1]), np.array([0]), np.array([2])]),
        ("Slice", {}, [FIVE, np.array([-2]), np.array([99])]),
        ("Unsqueeze", {}, [TWO, np.array([0])]),
        ("Squeeze", {}, [TWO[None], np.array([0])]),
        ("Squeeze", {}, [TWO[None]]),
        ("Reshape", {}, [TWO, np.array([2, -1])]),
        ("ConstantOfShape", {}, [TWO]),
        ("ConstantOfShape", {"value": numpy_helper.from_array(np.array([4]))}, [TWO]),
        ("Div", {}, [np.array([7, -7]), np.array([2, 2])]),
        ("Div", {}, [np.array([7.0]), np.array([2.0])]),
        ("Pow", {}, [TWO, np.array([2])]),
        ("Min", {}, [TWO, np.array([7, 1])]),
        ("Max", {}, [TWO, np.array([7, 1])]),
        *((name, {}, [TWO, np.array([7, 2])]) for name in ("Add", "Sub", "Mul", "Mod", "Equal", "Less", "Greater")),
        *((name, {}, [np.array([2.5, -1.5])]) for name in ("Neg", "Abs", "Floor", "Ceil", "Round", "Exp")),
        ("Sqrt", {}, [np.array([2.0])]),
        ("Where", {}, [np.array([True, False]), TWO, np.array([0, 1])]),
        ("ReduceProd", {}, [FIVE]),
        ("ReduceSum", {"keepdims": 0}, [FIVE, np.array([0])]),
        ("ReduceMax", {"axes": [0]}, [FIVE]),
        ("ReduceMin", {}, [FIVE]),
    ],
)
def test_operators_give_what_onnx_says(given: str, options: Any, inputs: Any) -> None:
    from onnx.reference import ReferenceEvaluator

    names = [f"x{index}" for index in range(len(inputs))]
    kinds = [helper.np_dtype_to_tensor_dtype(value.dtype) for value in inputs]
    values = [helper.make_tensor_value_info(name, kind, None) for name, kind in zip(names, kinds)]
    operator = node(given, names, ["y"], **options)
    graph = helper.make_graph([operator], "graph", values, [helper.make_tensor_value_info("y", 0, None)])
    reference = ReferenceEvaluator(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))
    (expected,) = reference.run(None, dict(zip(names, inputs)))
    result = folded(operator, **dict(zip(names, inputs)))["y"]
    np.testing.assert_allclose(result, expected)
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape


def test_shapes_that_are_known_are_followed_in_their_order() -> None:
    found = folded(
        node("Shape", ["images"], ["s"]),
        node("Shape", ["images"], ["last"], start=2),
        node("Constant", [], ["two"], value=numpy_helper.from_array(np.array([2]))),
        node("Constant", [], ["three"], value_ints=[3]),
        node("Mul", ["last", "two"], ["twice"]),
        shapes={"images": (1, 3, 8, 9)},
    )
    assert {name: value.tolist() for name, value in found.items()} == {
        "s": [1, 3, 8, 9], "last": [8, 9], "two": [2], "three": [3], "twice": [16, 18],
    }  # fmt: skip


@pytest.mark.parametrize(
    "operator",
    [
        node("Shape", ["images"], ["y"]),
        node("Add", ["a", "unknown"], ["y"]),
        node("Reshape", ["a", "a"], ["y"]),
        node("Concat", ["a"], ["y"]),
        node("Constant", [], ["y"]),
        node("Concat", ["a"] * 40, ["y"], axis=0),
        node("ConstantOfShape", ["long"], ["y"]),
        node("NonZero", ["a"], ["y"]),
    ],
)
def test_what_is_not_known_long_or_wrong_stays(operator: Any) -> None:
    assert "y" not in folded(operator, shapes={"images": (1, None)}, a=TWO, long=np.array([1 << 20, 1 << 20]))
