"""ONNX files of strangers: what is refused before anything runs."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelscope_handkp.engines.onnx_model import OnnxModel
from modelscope_handkp.errors import CheckpointError, HandkpError, MissingFileError

onnx = pytest.importorskip("onnx", reason="ONNX files need the extra onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
node, BIG = helper.make_node, 3 << 28
SIDES = [1, 3, 8, 8]


def constant(name: str, value: Any, kind: type = np.int64) -> Any:
    return numpy_helper.from_array(np.array(value, kind), name)


def graph_of(nodes: list[Any], output: str, weights: list[Any], shape: list[Any] | None = None) -> Any:
    given = [] if shape is None else [helper.make_tensor_value_info("images", 1, shape)]
    return helper.make_graph(nodes, "graph", given, [helper.make_tensor_value_info(output, 1, None)], weights)


def model(*nodes: Any, weights: list[Any] | None = None, shape: list[Any] = SIDES, **more: Any) -> Any:
    graph = graph_of(list(nodes), "out", weights or [], shape)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, **more)


def summed(*nodes: Any, weights: list[Any] | None = None, shape: list[Any] = SIDES) -> Any:
    """A model that gives the sum of ``big``, so that no output is large."""
    return model(*nodes, node("ReduceSum", ["big"], ["out"]), weights=weights, shape=shape)


def branching(*nodes: Any, weights: list[Any] | None = None) -> Any:
    """A model with these operators in a branch; the last one gives ``r``."""
    other = graph_of([node("ReduceSum", ["images"], ["s"])], "s", [])
    choice = constant("choice", True, np.bool_)
    chosen = node("If", ["choice"], ["out"], then_branch=graph_of(list(nodes), "r", []), else_branch=other)
    return model(chosen, weights=[choice, *(weights or [])])


def loop() -> Any:
    body = helper.make_graph(
        [node("Identity", ["go"], ["on"])],
        "body",
        [helper.make_tensor_value_info("turn", 7, []), helper.make_tensor_value_info("go", 9, [])],
        [helper.make_tensor_value_info("on", 9, [])],
    )
    return node("Loop", ["turns", "on"], [], body=body)


def sparse() -> Any:
    tensor = onnx.SparseTensorProto()
    tensor.values.CopyFrom(constant("big", [1], np.float32))
    tensor.indices.CopyFrom(constant("", [0]))
    tensor.dims[:] = [BIG]
    return tensor


def claimed(dims: list[int]) -> Any:
    tensor = constant("big", [1], np.float32)
    tensor.dims[:] = dims
    return tensor


def elsewhere() -> Any:
    tensor = onnx.TensorProto(name="weight", data_type=1, dims=[4], data_location=1)
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return tensor


def in_place_of_relu() -> Any:
    inner = [node("ConstantOfShape", ["x"], ["y"])]
    return helper.make_function("", "Relu", ["x"], ["y"], inner, [helper.make_opsetid("", 17)])


SCAN = helper.make_graph(
    [node("Identity", ["a"], ["b"])], "body",
    [helper.make_tensor_value_info("a", 1, None)], [helper.make_tensor_value_info("b", 1, None)],
)  # fmt: skip
LARGE = {
    "a constant": lambda: summed(node("ConstantOfShape", ["s"], ["big"]), weights=[constant("s", [BIG])]),
    "the output": lambda: model(node("ConstantOfShape", ["s"], ["out"]), weights=[constant("s", [BIG])]),
    "expanded": lambda: summed(
        node("Expand", ["images", "s"], ["big"]), weights=[constant("s", [1, 3, 1 << 15, 1 << 15])], shape=[1, 3, 1, 1]
    ),
    "tiled": lambda: summed(node("Tile", ["images", "s"], ["big"]), weights=[constant("s", [1, 1, 1 << 12, 1 << 12])]),
    "padded": lambda: summed(
        node("Pad", ["images", "s"], ["big"]), weights=[constant("s", [0] * 6 + [1 << 15, 1 << 15])]
    ),
    "resized": lambda: summed(
        node("Resize", ["images", "", "f"], ["big"]), weights=[constant("f", [1, 1, 5000, 5000], np.float32)]
    ),
    "counted": lambda: summed(
        node("Range", ["a", "b", "c"], ["big"]), weights=[constant(*x) for x in zip("abc", (0, BIG, 1))]
    ),
    "one hot": lambda: summed(
        node("OneHot", ["i", "d", "v"], ["big"]),
        weights=[constant("i", [1]), constant("d", BIG), constant("v", [0, 1], np.float32)],
    ),
    "computed": lambda: summed(
        node("Pow", ["a", "b"], ["s"]),
        node("ConstantOfShape", ["s"], ["big"]),
        weights=[constant("a", [1 << 16]), constant("b", [2])],
    ),
    "by any size": lambda: summed(
        node("Shape", ["images"], ["s0"]),
        node("Mul", ["s0", "f"], ["s"]),
        node("ConstantOfShape", ["s"], ["big"]),
        weights=[constant("f", [1, 1, 1 << 10, 1 << 10])],
        shape=["n", 3, "height", "width"],
    ),
    "in a branch": lambda: branching(
        node("ConstantOfShape", ["s"], ["big"]), node("ReduceSum", ["big"], ["r"]), weights=[constant("s", [BIG])]
    ),
    "claimed": lambda: summed(weights=[claimed([BIG])]),
    "claimed twice": lambda: summed(weights=[claimed([-1, -BIG])]),
    "a sparse constant": lambda: summed(node("Constant", [], ["big"], sparse_value=sparse())),
    "joined": lambda: summed(
        *(node("ConstantOfShape", ["s"], [f"z{index}"]) for index in range(20)),
        node("Concat", [f"z{index}" for index in range(20)], ["big"], axis=0),
        weights=[constant("s", [1 << 27])],
    ),
    "long shapes": lambda: summed(
        node("ConstantOfShape", ["s"], ["z"]),
        node("Cast", ["z"], ["c"], to=7),
        node("Concat", ["c"] * 9, ["big"], axis=0),
        weights=[constant("s", [1 << 27])],
    ),
}


@pytest.mark.parametrize("how", LARGE)
def test_tensors_that_would_fill_the_memory_are_refused_before_there_is_one(how: str) -> None:
    content = LARGE[how]().SerializeToString()
    start = time.perf_counter()
    with pytest.raises(CheckpointError, match=r"hand\.onnx makes a tensor .* of shape"):
        OnnxModel.parse(content, "hand.onnx")
    assert time.perf_counter() - start < 2


def test_sparse_weights_that_would_are_refused() -> None:
    proto = summed()
    proto.graph.sparse_initializer.append(sparse())
    with pytest.raises(CheckpointError, match=f"of shape .{BIG}"):
        OnnxModel.parse(proto.SerializeToString(), "hand.onnx")


TURNS = [constant("turns", 9), constant("on", True, np.bool_)]
REFUSED = {
    "has the operator 'FusedConv' of 'com.microsoft'; only ONNX's own": lambda: model(
        node("FusedConv", ["images"], ["out"], domain="com.microsoft")
    ),
    "has the operator 'Own' of 'my.own'": lambda: model(node("Own", ["images"], ["out"], domain="my.own")),
    "has a Loop": lambda: model(loop(), node("ReduceSum", ["images"], ["out"]), weights=TURNS),
    "has a Loop, whose": lambda: branching(loop(), node("ReduceSum", ["images"], ["r"]), weights=TURNS),
    "has a Scan": lambda: model(node("Scan", ["images"], ["out"], body=SCAN, num_scan_inputs=1)),
    "has a function in place of ONNX's own 'Relu'": lambda: model(
        node("Relu", ["images"], ["out"]), functions=[in_place_of_relu()]
    ),
    r"has weights in another file \('../../etc/passwd'\), which is not opened": lambda: model(
        node("Add", ["images", "weight"], ["out"]), weights=[elsewhere()]
    ),
    "it has no operators": model,
}


@pytest.mark.parametrize("named", REFUSED)
def test_what_is_no_plain_graph_is_refused(named: str) -> None:
    with pytest.raises(CheckpointError, match=f"^hand.onnx .*{named}"):
        OnnxModel.parse(REFUSED[named]().SerializeToString(), "hand.onnx")


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x08\x12", b"\xff" * 999])
def test_what_is_no_onnx_is_refused(content: bytes) -> None:
    with pytest.raises(CheckpointError, match=r"hand\.onnx is no"):
        OnnxModel.parse(content, "hand.onnx")


def plain() -> bytes:
    weight = constant("w", np.random.default_rng(0).random((4, 3, 3, 3)), np.float32)
    proto = model(node("Conv", ["images", "w"], ["out"], pads=[1] * 4), weights=[weight], shape=["n", 3, 8, "width"])
    helper.set_model_props(proto, {"made": "here"})
    return bytes(proto.SerializeToString())


@pytest.mark.parametrize("seed", range(8))
def test_files_with_damage_are_taken_or_refused_by_name(seed: int) -> None:
    """Bytes that are changed, and files that end early."""
    rng, whole = np.random.default_rng(seed), plain()
    for _ in range(25):
        content = bytearray(whole[: rng.integers(1, len(whole))] if rng.random() < 0.3 else whole)
        for place in rng.integers(0, min(len(content), 120), rng.integers(1, 6)):
            content[place] = rng.integers(0, 256)
        try:
            OnnxModel.parse(bytes(content), "hand.onnx")
        except HandkpError as error:
            assert "hand.onnx" in str(error)


def test_a_plain_graph_is_taken_with_its_names_and_shapes(tmp_path: Path) -> None:
    (tmp_path / "hand.onnx").write_bytes(plain())
    taken = OnnxModel.read(tmp_path / "hand.onnx")
    assert taken.inputs == {"images": (None, 3, 8, None)}
    assert list(taken.outputs) == ["out"]
    assert taken.metadata == {"made": "here"}
    assert taken.content == plain()
    assert taken.name == str(tmp_path / "hand.onnx")


def test_branches_and_functions_of_others_that_nobody_calls_are_taken() -> None:
    own = helper.make_function("my.own", "F", ["x"], ["y"], [node("Relu", ["x"], ["y"])], [helper.make_opsetid("", 17)])
    OnnxModel.parse(model(node("Relu", ["images"], ["out"]), functions=[own]).SerializeToString(), "hand.onnx")
    OnnxModel.parse(branching(node("ReduceSum", ["images"], ["r"])).SerializeToString(), "hand.onnx")


def test_files_that_are_not_there_or_too_large_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.onnx", tmp_path):
        with pytest.raises(MissingFileError, match=f"{path} is not there or is no file"):
            OnnxModel.read(path)
    with (tmp_path / "hand.onnx").open("wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(CheckpointError, match="has 1073741825 bytes"):
        OnnxModel.read(tmp_path / "hand.onnx")
