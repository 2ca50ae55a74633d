"""Which detector a file holds, by its outputs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx_detectors
import pytest

from modelscope_handkp.detection.onnx_formats import Format, recognise, slices_input
from modelscope_handkp.detection.onnx_outputs import ClassRows, FinalBoxes, PlaceRows
from modelscope_handkp.engines.onnx_model import OnnxModel
from modelscope_handkp.errors import CheckpointError, InputError

SIDES, PLACES = (64, 128), 168  # of an input, and what YOLOX has there
METADATA = {"names": "{0: 'person', 1: 'hand'}", "stride": "32", "task": "detect"}
BOX = [8.0, 8.0, 4.0, 4.0]


def model(outputs: Sequence[str], metadata: dict[str, str] | None = None) -> OnnxModel:
    return OnnxModel("a.onnx", b"", {"images": (1, 3, *SIDES)}, dict.fromkeys(outputs, ()), metadata or {})


def format_of(*outputs: np.ndarray, metadata: dict[str, str] | None = None, **options: Any) -> Format:
    named = [f"output{index}" for index in range(len(outputs))]
    return recognise(model(named, metadata), outputs, SIDES, **options)


def filled(rows: int, columns: int, value: float = 0.5) -> np.ndarray:
    return np.full((rows, columns), value, np.float32)


def final_rows(rows: int = 10, more: int = 0) -> np.ndarray:
    """x1, y1, x2, y2, score, class and further values."""
    return np.tile(np.array([*BOX, 0.5, 1, *[9.5] * more], np.float32), (rows, 1))


def decoded_rows() -> np.ndarray:
    """YOLOX's (168, 6) with every box in the middle of its place, in pixels."""
    rows = filled(PLACES, 6)
    corners = [(x * s + s / 2, y * s + s / 2) for s in (8, 16, 32) for y in range(64 // s) for x in range(128 // s)]
    rows[:, :2] = corners
    return rows


def test_without_metadata_the_number_of_places_tells() -> None:
    assert format_of(filled(PLACES, 6)).layout == PlaceRows(*SIDES, 1, decoded=False)
    assert format_of(filled(PLACES, 85)).layout == PlaceRows(*SIDES, 80, decoded=False)
    assert format_of(decoded_rows()).layout == PlaceRows(*SIDES, 1, decoded=True)
    assert format_of(filled(5, PLACES)).layout == ClassRows(1)
    assert format_of(filled(84, PLACES)).layout == ClassRows(80)
    assert format_of(final_rows()).layout == FinalBoxes()


def test_classes_and_their_names() -> None:
    assert (format_of(filled(PLACES, 8)).classes, format_of(filled(PLACES, 8)).names) == (3, None)
    assert format_of(final_rows()).classes is None
    named = format_of(filled(6, PLACES), metadata=METADATA)
    assert (named.classes, named.names) == (2, ["person", "hand"])


@pytest.mark.parametrize(
    ("outputs", "metadata", "layout"),
    [
        ([filled(6, PLACES)], {}, ClassRows(2)),
        ([filled(6, 40)], {}, ClassRows(2)),  # levels that YOLOX has not
        ([final_rows()], {}, FinalBoxes()),
        ([np.zeros((300, 6), np.float32)], {}, FinalBoxes()),  # nothing found
        ([filled(6 + 63, PLACES)], {"task": "pose", "kpt_shape": "[21, 3]"}, ClassRows(2)),
        ([final_rows(more=63)], {"task": "pose", "kpt_shape": "[21, 3]"}, FinalBoxes()),
        ([filled(6 + 32, PLACES), np.zeros((32, 16, 32), np.float32)], {"task": "segment"}, ClassRows(2)),
        ([final_rows(more=32), np.zeros((32, 16, 32), np.float32)], {"task": "segment"}, FinalBoxes()),
    ],
)
def test_the_metadata_of_ultralytics_tells_what_follows_a_box(
    outputs: list[np.ndarray], metadata: dict[str, str], layout: Any
) -> None:
    assert format_of(*outputs, metadata=METADATA | metadata).layout == layout


def test_dets_and_labels_in_any_order() -> None:
    dets, labels = filled(7, 5), np.zeros(7, np.int64)
    for names, outputs in ((["dets", "labels"], [dets, labels]), (["labels", "dets"], [labels, dets])):
        layout = recognise(model(names), outputs, SIDES, normalised=True).layout
        assert layout == FinalBoxes(names.index("dets"), names.index("labels"))


@pytest.mark.parametrize(
    ("outputs", "metadata"),
    [
        ([np.zeros(1000, np.float32)], {}),
        ([np.zeros((32, 16, 32), np.float32)], {}),
        ([filled(PLACES, 5)], {}),
        ([filled(4, PLACES)], {}),
        ([filled(PLACES - 1, 6)], {}),
        ([filled(3 * PLACES, 6)], {}),  # YOLOv5, with three anchors a place
        ([filled(PLACES, 6, 1.5)], {}),  # no scores
        ([filled(5, PLACES, -0.5)], {}),
        ([filled(6, PLACES), filled(6, PLACES)], {}),
        ([filled(PLACES, 6).astype(np.complex64)], {}),
        ([np.full((PLACES, 6), "a")], {}),
        ([filled(84, PLACES)], METADATA),  # 80 classes, not 2
        ([filled(300, 6)], METADATA),  # RT-DETR with two classes
        ([filled(6 + 63, PLACES)], METADATA | {"task": "pose"}),  # nothing says how many keypoints
    ],
)
def test_what_is_no_detector_is_named_with_its_outputs(outputs: list[np.ndarray], metadata: dict[str, str]) -> None:
    with pytest.raises(CheckpointError, match=r"a\.onnx is no detector known here, its outputs are output0 \[1.*YOLOX"):
        format_of(*outputs, metadata=metadata)


@pytest.mark.parametrize("labels", [np.zeros(6, np.int64), np.zeros((7, 1), np.int64)])
def test_labels_that_do_not_fit(labels: np.ndarray) -> None:
    with pytest.raises(CheckpointError, match="no detector known here, its outputs are dets"):
        recognise(model(["dets", "labels"]), [filled(7, 5), labels], SIDES)


@pytest.mark.parametrize("task", ["obb", "classify", "x" * 999])
def test_other_tasks_of_ultralytics_are_named(task: str) -> None:
    with pytest.raises(CheckpointError, match=f"the task '{task[:9]}.*detect, pose, segment") as error:
        format_of(filled(7, PLACES), metadata=METADATA | {"task": task})
    assert len(str(error.value)) < 200


def test_names_of_another_number_than_the_outputs_have() -> None:
    with pytest.raises(CheckpointError, match="names 2 classes, its outputs have 3"):
        format_of(filled(PLACES, 8), metadata={"names": METADATA["names"]})


def test_nothing_but_nan() -> None:
    with pytest.raises(CheckpointError, match="gives no number that is finite"):
        format_of(filled(PLACES, 6, np.nan))
    some = filled(PLACES, 6)
    some[1:] = np.nan
    assert isinstance(format_of(some).layout, PlaceRows)


def test_how_images_are_prepared() -> None:
    """YOLOX: BGR; its release 0.1.0: RGB, normalised; RTMDet: BGR, normalised; ultralytics: RGB from 0 to 1."""
    dets, labels = filled(7, 5), np.zeros(7, np.int64)
    found = {
        "yolox": format_of(filled(PLACES, 6)),
        "0.1.0": format_of(filled(PLACES, 6), normalised=True),
        "rtmdet": recognise(model(["dets", "labels"]), [dets, labels], SIDES, normalised=True),
        "mmdeploy": recognise(model(["dets", "labels"]), [dets, labels], SIDES, normalised=False),
        "ultralytics": format_of(filled(5, PLACES)),
        "final": format_of(final_rows()),
    }
    conventions = {name: form.convention for name, form in found.items()}
    assert {name: (c.rgb, c.mean[0], c.std[0], c.centred) for name, c in conventions.items()} == {
        "yolox": (False, 0, 1, False),
        "0.1.0": (True, 123.675, 58.395, False),
        "rtmdet": (False, 123.675, 58.395, False),
        "mmdeploy": (False, 0, 1, False),
        "ultralytics": (True, 0, 255, True),
        "final": (True, 0, 255, True),
    }
    with pytest.raises(InputError, match="normalised is for those of mmdeploy and YOLOX"):
        format_of(final_rows(), normalised=False)


def test_yolox_in_mmdeploy_slices_its_input(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx writes the file")
    for sliced in (True, False):
        path = onnx_detectors.mmdeploy(tmp_path / "a.onnx", sliced=sliced)
        assert slices_input(OnnxModel.read(path)) == sliced


def test_a_cast_may_come_first(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="onnx writes the file")
    graph = onnx_detectors.Graph(0)
    half = graph.add("Identity", graph.add("Slice", graph.add("Cast", "images", to=10), [0], [8], [2]))
    path = graph.save(tmp_path / "a.onnx", {"output": (graph.add("Cast", half, to=1), [1, 3, 8, 16])}, (16, 16), {})
    assert slices_input(OnnxModel.read(path))
