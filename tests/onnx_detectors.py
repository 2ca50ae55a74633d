"""Small detectors in ONNX files, as mmdeploy, ultralytics and YOLOX export them, and images on which they find boxes.

Each level is one seeded convolution of the pixels of a place, so that boxes and scores depend on what is seen there.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

STRIDES = (8, 16, 32)
SIZES = [(96, 160), (160, 96), (50, 171), (300, 470), (31, 23), (128, 128), (413, 117)]  # height, width
GAINS = {"point": 1.0, "size": 0.6, "score": 5.0}  # of the convolutions
BIASES = {"point": 0.0, "size": 1.0, "score": -5.0}
ROWS = 30  # that a suppression in the graph leaves
MEAN, STD = (103.53, 116.28, 123.675), (57.375, 57.12, 58.395)


def images() -> list[np.ndarray]:
    """(H, W, 3) uint8 BGR of each of `SIZES`: squares in random colours, and noise."""
    rng = np.random.default_rng(21)
    found = []
    for height, width in SIZES:
        side = max(height, width) // 9
        colours = rng.integers(0, 256, (height // side + 1, width // side + 1, 3))
        squares = np.kron(colours, np.ones((side, side, 1), int))[:height, :width]
        found.append(np.clip(squares + rng.integers(-20, 21, squares.shape), 0, 255).astype(np.uint8))
    return found


class Graph:
    """A graph in the making: each method adds operators and returns the name of what they give."""

    def __init__(self, seed: int) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self.rng = np.random.default_rng(seed)

    def add(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        from onnx import helper

        names = [name if isinstance(name, str) else self.constant(name) for name in inputs]
        output = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [output], **attributes))
        return output

    def constant(self, value: Any) -> str:
        from onnx import numpy_helper

        array = np.asarray(value)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array.astype(np.int64)
        name = f"constant_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(array, name))
        return name

    def level(self, images: str, channels: int, stride: int, of: str, unit: float) -> str:
        """(N, 3, H, W) in units of ``unit`` -> (N, channels, H / stride, W / stride)."""
        deviation = GAINS[of] / (stride * np.sqrt(3) * unit)
        weight = self.rng.normal(0, deviation, (channels, 3, stride, stride)).astype(np.float32)
        # what all pixels of a place share counts most
        weight += self.rng.normal(0, GAINS[of] / (stride**2 * unit), (channels, 3, 1, 1)).astype(np.float32)
        bias = np.full(channels, BIASES[of], np.float32)
        return self.add("Conv", images, weight, bias, strides=[stride, stride], kernel_shape=[stride, stride])

    def grid(self, level: str) -> str:
        """(N, C, h, w) -> x and y of each place (1, 2, h, w)."""
        ones = self.add("Add", self.add("Mul", self.add("ReduceMean", level, axes=[0, 1]), 0.0), 1.0)
        x, y = (self.add("Sub", self.add("CumSum", ones, axis), 1.0) for axis in (3, 2))
        return self.add("Concat", x, y, axis=1)

    def places(self, images: str, scores: int, decoded: bool, unit: float) -> tuple[str, str, str]:
        """Points (N, 2, A), sizes (N, 2, A) and scores (N, scores, A) of all levels."""
        parts: list[list[str]] = []
        for stride in STRIDES:
            point = self.level(images, 2, stride, "point", unit)
            size = self.level(images, 2, stride, "size", unit)
            if decoded:
                point = self.add("Mul", self.add("Add", point, self.grid(point)), float(stride))
                size = self.add("Mul", self.add("Exp", size), float(stride))
            score = self.add("Sigmoid", self.level(images, scores, stride, "score", unit))
            parts.append([self.add("Reshape", part, [0, 0, -1]) for part in (point, size, score)])
        point, size, score = (self.add("Concat", *levels, axis=2) for levels in zip(*parts))
        return point, size, score

    def best(self, point: str, size: str, scores: str) -> tuple[str, str, str]:
        """The best `ROWS` places: corners (N, K, 4), scores (N, K, 1) and classes (N, K, 1)."""
        half = self.add("Mul", size, 0.5)
        corners = self.add("Concat", self.add("Sub", point, half), self.add("Add", point, half), axis=1)
        best, order = f"best_{len(self.nodes)}", f"order_{len(self.nodes)}"
        from onnx import helper

        highest = self.add("ReduceMax", scores, axes=[1])
        self.nodes.append(helper.make_node("TopK", [highest, self.constant([ROWS])], [best, order], axis=2))
        which = self.add("ArgMax", scores, axis=1)
        boxes = self.add("GatherElements", corners, self.add("Tile", order, [1, 4, 1]), axis=2)
        classes = self.add("GatherElements", which, order, axis=2)
        boxes, kept, classes = (self.add("Transpose", part, perm=[0, 2, 1]) for part in (boxes, best, classes))
        return boxes, kept, classes

    def save(
        self, path: Path, outputs: dict[str, tuple[str, Sequence[int | str]]], sides: Any, metadata: dict[str, str]
    ) -> Path:
        """Write the model: outputs of the names, each as its operator's name and shape; ``sides`` of the input."""
        import onnx
        from onnx import TensorProto, helper

        nodes = [
            *self.nodes,
            *(helper.make_node("Identity", [source], [name]) for name, (source, _) in outputs.items()),
        ]
        given = [
            helper.make_tensor_value_info(name, TensorProto.INT64 if name == "labels" else TensorProto.FLOAT, shape)
            for name, (_, shape) in outputs.items()
        ]
        taken = [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch(sides), 3, *sides])]
        graph = helper.make_graph(nodes, "detector", taken, given, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        helper.set_model_props(model, metadata)
        onnx.save(model, path)
        return path


def yolox(path: Path, classes: int = 1, decoded: bool = False, sides: tuple[int, int] = (128, 160)) -> Path:
    """YOLOX's own export; ``decoded`` as with ``--decode_in_inference``."""
    graph = Graph(1)
    parts = graph.places("images", 1 + classes, decoded, 255.0)
    rows = graph.add("Transpose", graph.add("Concat", *parts, axis=1), perm=[0, 2, 1])
    return graph.save(path, {"output": (rows, [1, count(sides), 5 + classes])}, sides, {})


def mmdeploy(path: Path, classes: int = 1, sliced: bool = False, sides: tuple[int, int] = (128, 128)) -> Path:
    """mmdeploy's export: of YOLOX, which slices its input, or RTMDet."""
    graph = Graph(2)
    images = graph.add("Slice", "images", [0], [10**6], [2]) if sliced else "images"
    boxes, scores, labels = graph.best(*graph.places(images, classes, True, 255.0 if sliced else 2.0))
    dets = graph.add("Concat", boxes, scores, axis=2)
    outputs = {"dets": (dets, [1, ROWS, 5]), "labels": (graph.add("Squeeze", labels, [2]), [1, ROWS])}
    return graph.save(path, outputs, sides, {})


def ultralytics(
    path: Path,
    names: Sequence[str] = ("person", "hand"),
    final: bool = False,
    sides: tuple[Any, Any] = (128, 160),
    points: int = 0,
    metadata: dict[str, str] | None = None,
    seed: int = 10,
) -> Path:
    """ultralytics' export: before suppression or ``final``, with ``points`` keypoints after each box."""
    graph = Graph(seed)
    point, size, scores = graph.places("images", len(names), True, 1.0)
    if final:
        boxes, kept, classes = graph.best(point, size, scores)
        rows = graph.add("Concat", boxes, kept, graph.add("Cast", classes, to=1), axis=2)
        shape: list[Any] = [batch(sides), ROWS, 6]
    else:
        more = [graph.add("Tile", point, [1, 1, 1]) for _ in range(points)]
        rows = graph.add("Concat", point, size, scores, *more, axis=1)
        anchors = "anchors" if isinstance(sides[0], str) else count(sides)
        shape = [batch(sides), 4 + len(names) + 2 * points, anchors]
    if metadata is None:
        known = [side if isinstance(side, int) else 128 for side in sides]
        metadata = {"names": str(dict(enumerate(names))), "stride": "32", "imgsz": str(known), "task": "detect"}
        if points:
            metadata |= {"task": "pose", "kpt_shape": str([points, 2])}
    return graph.save(path, {"output0": (rows, shape)}, sides, metadata)


def constant(path: Path, outputs: dict[str, Any], shape: Any = (1, 3, 64, 64), kind: int = 1, **metadata: str) -> Path:
    """A file that gives these outputs whatever it sees; ``kind`` of its input is ONNX's number, 1 for float32."""
    import onnx
    from onnx import helper, numpy_helper

    nodes, values, weights = [], [], []
    for name, output in outputs.items():
        weights.append(numpy_helper.from_array(np.asarray(output), f"{name}_value"))
        nodes.append(helper.make_node("Identity", [f"{name}_value"], [name]))
        values.append(helper.make_tensor_value_info(name, weights[-1].data_type, None))
    taken = [helper.make_tensor_value_info("images", kind, shape)]
    model = helper.make_model(
        helper.make_graph(nodes, "constant", taken, values, weights),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
    )
    helper.set_model_props(model, metadata)
    onnx.save(model, path)
    return path


def count(sides: Sequence[int]) -> int:
    """Places of all levels in an input of that height and width."""
    return sum((sides[0] // stride) * (sides[1] // stride) for stride in STRIDES)


def batch(sides: Sequence[Any]) -> int | str:
    """The first axis of a model that takes any height, which ultralytics gives a name then, or one of its own."""
    return "batch" if isinstance(sides[0], str) else 1
