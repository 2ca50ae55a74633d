"""Detectors in ONNX files: images -> boxes of hands."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx_detectors
import pytest
import torch

from modelscope_handkp.detection import OnnxDetector, build_detector
from modelscope_handkp.errors import CheckpointError, InputError, MissingFileError

pytest.importorskip("onnx", reason="detectors in ONNX files need the extra onnx")
pytest.importorskip("onnxruntime", reason="detectors in ONNX files need the extra onnx")

PLACES = 84  # of YOLOX in 64 x 64 pixels
IMAGE = np.full((64, 64, 3), 90, np.uint8)


def places(**rows: list[float]) -> dict[str, np.ndarray]:
    """YOLOX's decoded output for 64 x 64 pixels: of place number p, ``pP`` gives the row; others have a score of 0."""
    output = np.zeros((1, PLACES, 6), np.float32)
    output[0, :, :2] = [(x * s, y * s) for s in (8, 16, 32) for y in range(64 // s) for x in range(64 // s)]
    for name, row in rows.items():
        output[0, int(name[1:])] = row
    return {"output": output}


def dets(rows: list[list[float]], labels: list[int] | None = None) -> dict[str, np.ndarray]:
    return {
        "dets": np.array([rows], np.float32).reshape(1, -1, 5),
        "labels": np.array([labels or [0] * len(rows)], np.int64),
    }


WRITERS: dict[str, Callable[[Path], Path]] = {
    "yolox": onnx_detectors.yolox,
    "yolox3_class1": lambda path: onnx_detectors.yolox(path, 3, sides=(160, 160)),
    "rtmdet": onnx_detectors.mmdeploy,
    "mmyolox": lambda path: onnx_detectors.mmdeploy(path, sliced=True, sides=(96, 160)),
    "rows": onnx_detectors.ultralytics,
    "final": lambda path: onnx_detectors.ultralytics(path, final=True),
    "any": lambda path: onnx_detectors.ultralytics(path, sides=("height", "width")),
    "pose": lambda path: onnx_detectors.ultralytics(path, ("hand",), points=21, seed=3),
    "yolox, decoded": lambda path: onnx_detectors.yolox(path, decoded=True),
}


@pytest.mark.parametrize("name", WRITERS)
def test_boxes_are_those_of_rtmlib_and_ultralytics(name: str, tmp_path: Path, golden: Any) -> None:
    """golden/onnx_detectors/boxes.npz: as many, within half a pixel, scores within 1e-3."""
    path = WRITERS[name](tmp_path / "hand.onnx")
    detector = OnnxDetector.from_file(path, hand_class=1 if name == "yolox3_class1" else None)
    recorded = golden("onnx_detectors/boxes.npz")
    images = onnx_detectors.images()
    total = 0
    for index, (image, (boxes, scores)) in enumerate(zip(images, detector.detect(images))):
        key = f"{name.removesuffix(', decoded')}_{index}"
        height, width = image.shape[:2]
        expected = np.clip(recorded[key], 0, [width, height, width, height])
        inside = (expected[:, 2:] > expected[:, :2]).all(1)
        expected = expected[inside]
        assert len(boxes) == len(expected)
        assert boxes.dtype == scores.dtype == np.float32
        assert (np.diff(scores) <= 0).all()
        if len(boxes):
            apart = np.abs(boxes[:, None] - expected[None]).max(2)
            assert max(apart.min(0).max(), apart.min(1).max()) < 0.5
        if f"{key}_scores" in recorded:
            expected_scores = np.sort(recorded[f"{key}_scores"][inside])[::-1]
            np.testing.assert_allclose(scores, expected_scores, atol=1e-3)
        total += len(boxes)
    assert total > 5


def test_one_image_is_as_many(tmp_path: Path) -> None:
    detector = OnnxDetector.from_file(onnx_detectors.ultralytics(tmp_path / "hand.onnx", sides=("height", "width")))
    images = onnx_detectors.images()[:3]
    before = [image.copy() for image in images]
    for image, (boxes, scores) in zip(images, detector.detect(images)):
        np.testing.assert_array_equal(detector(image)[0], boxes)
        np.testing.assert_array_equal(detector(image)[1], scores)
    assert all((image == copy).all() for image, copy in zip(images, before))
    assert detector.detect([]) == []


def test_the_class_that_is_asked_for(tmp_path: Path) -> None:
    path = onnx_detectors.ultralytics(tmp_path / "hand.onnx")
    image = onnx_detectors.images()[0]
    default, person, hand = (OnnxDetector.from_file(path, hand_class=which)(image) for which in (None, "Person", 1))
    np.testing.assert_array_equal(default[0], hand[0])
    assert len(person[0])
    assert not (person[0][:, None] == hand[0][None]).all(2).any()


def test_several_classes_without_a_hand_are_listed(tmp_path: Path) -> None:
    path = onnx_detectors.ultralytics(tmp_path / "coco.onnx", ("person", "car"))
    with pytest.raises(InputError, match=r"coco\.onnx has several classes; hand_class .*: 0 'person', 1 'car'"):
        OnnxDetector.from_file(path)
    with pytest.raises(InputError, match="several classes"):
        OnnxDetector.from_file(onnx_detectors.yolox(tmp_path / "a.onnx", 2))
    with pytest.raises(InputError, match="finds several classes"):
        OnnxDetector.from_file(onnx_detectors.constant(tmp_path / "b.onnx", dets([[0, 0, 9, 9, 0.1]] * 2, [0, 5])))


def test_a_score_threshold_takes_the_place_of_the_usual_one(tmp_path: Path) -> None:
    path = onnx_detectors.constant(
        tmp_path / "a.onnx", dets([[0, 0, 9, 9, 0.3], [0, 0, 9, 9, 0.31], [0, 0, 9, 9, 0.1]])
    )
    for threshold, scores in ((None, [0.31]), (0.05, [0.31, 0.3, 0.1]), (0.5, [])):
        assert OnnxDetector.from_file(path, threshold)(IMAGE)[1].tolist() == np.float32(scores).tolist()
    rows = np.array([[[0, 0, 9, 9, 0.25, 0], [0, 0, 9, 9, 0.26, 0]]], np.float32)
    path = onnx_detectors.constant(tmp_path / "b.onnx", {"output0": rows}, names="['hand']", stride="32")
    assert OnnxDetector.from_file(path)(IMAGE)[1].tolist() == [np.float32(0.26)]


def test_suppression_where_the_graph_has_none(tmp_path: Path) -> None:
    """Two boxes of 10 x 20 pixels, one above the other: 6 rows apart they share 14 of 26 rows, 0.54, and 10 apart a
    third. YOLOX counts the last pixel of a side: of boxes with 1 pixel, 0.2 pixels apart, the parts that differ."""
    path = onnx_detectors.constant(
        tmp_path / "a.onnx", places(p0=[20, 20, 10, 20, 1, 0.9], p1=[20, 26, 10, 20, 1, 0.8])
    )
    assert OnnxDetector.from_file(path)(IMAGE)[0].tolist() == [[15, 10, 25, 30]]
    path = onnx_detectors.constant(
        tmp_path / "a.onnx", places(p0=[20, 20, 10, 20, 1, 0.9], p1=[20, 30, 10, 20, 1, 0.8])
    )
    assert len(OnnxDetector.from_file(path)(IMAGE)[0]) == 2
    # 3 rows apart, 1 high and 8 wide: apart from one another, but for the pixels that are counted twice
    path = onnx_detectors.constant(tmp_path / "a.onnx", places(p0=[20, 20, 8, 2, 1, 0.9], p1=[20, 21, 8, 2, 1, 0.8]))
    assert len(OnnxDetector.from_file(path)(IMAGE)[0]) == 1  # 1/3 of an area without, 1/2 with it
    overlap = np.array([[[20, 20], [20, 24], [10, 10], [20, 20], [0.9, 0.8]]], np.float32)  # 16 of 24 rows: 0.67
    for apart, count in ((4, 2), (3, 1)):
        overlap[0, 1, 1] = 20 + apart
        path = onnx_detectors.constant(tmp_path / "b.onnx", {"output0": overlap}, names="['hand']", stride="32")
        assert len(OnnxDetector.from_file(path)(IMAGE)[0]) == count


def test_boxes_end_at_the_image(tmp_path: Path) -> None:
    path = onnx_detectors.constant(
        tmp_path / "a.onnx", dets([[-5, 50, 30, 99, 0.9], [70, 0, 90, 9, 0.8], [9, 0, 5, 9, 0.7]])
    )
    boxes, scores = OnnxDetector.from_file(path)(IMAGE)
    assert boxes.tolist() == [[0, 50, 30, 64]]  # one has no part of the image, one is reversed
    assert scores.tolist() == [np.float32(0.9)]


def test_the_best_hundred(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 50, (3000, 2))
    rows = np.concatenate([corners, corners + 8, rng.permutation(np.linspace(0.31, 0.99, 3000))[:, None]], 1)
    boxes, scores = OnnxDetector.from_file(onnx_detectors.constant(tmp_path / "a.onnx", dets(rows.tolist())))(IMAGE)
    assert len(boxes) == 100
    np.testing.assert_allclose(scores, np.sort(rows[:, 4])[::-1][:100], rtol=1e-5)


def test_a_thousand_candidates_go_into_the_suppression(tmp_path: Path) -> None:
    """Of 4000 boxes the best 1000 are one hand: the others are not looked at, however far they are."""
    output = np.full((1, 5, 4000), 8, np.float32)
    output[0, :2], output[0, 4] = 20, 0.8
    output[0, :2, 1000:], output[0, 4, 1000:] = 50, 0.7
    path = onnx_detectors.constant(tmp_path / "a.onnx", {"output0": output}, names="['hand']", stride="32")
    assert OnnxDetector.from_file(path)(IMAGE)[0].tolist() == [[16, 16, 24, 24]]


def test_numbers_that_are_no_boxes_are_left_out(tmp_path: Path) -> None:
    good = [8.0, 8.0, 20.0, 20.0, 0.9]
    bad = [[np.nan, 0, 9, 9, 0.9], [0, 0, np.inf, 9, 0.9], [0, 0, 1e9, 9, 0.9], [0, 0, 9, 9, np.nan]]
    boxes, scores = OnnxDetector.from_file(onnx_detectors.constant(tmp_path / "a.onnx", dets([*bad, good])))(IMAGE)
    assert boxes.tolist() == [good[:4]]
    assert scores.tolist() == [np.float32(0.9)]
    output = np.array([[[20, 20], [20, 20], [10, np.inf], [10, np.inf], [0.9, 0.8]]], np.float32)
    metadata = {"names": "['hand']", "stride": "32"}
    detector = OnnxDetector.from_file(onnx_detectors.constant(tmp_path / "c.onnx", {"output0": output}, **metadata))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        output[0, 0, 1] = np.inf
        detector.engine = lambda images: (output,)
        assert detector(IMAGE)[0].tolist() == [[15, 15, 25, 25]]
    raw = places(p3=[0.5, 0.5, 1, 1, 1, 0.9], p4=[0.5, 0.5, 1e4, 1, 1, 0.9])
    raw["output"][..., :2] = 0.5  # not decoded: e to the power of 10,000
    assert len(OnnxDetector.from_file(onnx_detectors.constant(tmp_path / "b.onnx", raw))(IMAGE)[0]) == 1


def test_no_candidates(tmp_path: Path) -> None:
    boxes, scores = OnnxDetector.from_file(onnx_detectors.constant(tmp_path / "a.onnx", dets([])))(IMAGE)
    assert (boxes.shape, scores.shape) == ((0, 4), (0,))


@pytest.mark.parametrize("score", [1.5, np.inf])
def test_scores_beyond_one_are_refused(score: float, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.onnx gives a score of (1\.5|inf)"):
        OnnxDetector.from_file(onnx_detectors.constant(tmp_path / "a.onnx", dets([[0, 0, 9, 9, score]])))


def test_a_score_that_rounding_lifts_over_one_is_one(tmp_path: Path) -> None:
    path = onnx_detectors.constant(tmp_path / "a.onnx", dets([[0, 0, 9, 9, 1.0005]]))
    assert OnnxDetector.from_file(path)(IMAGE)[1].tolist() == [1]


def test_what_changes_after_loading_is_refused(tmp_path: Path) -> None:
    detector = OnnxDetector.from_file(onnx_detectors.constant(tmp_path / "a.onnx", dets([[0, 0, 9, 9, 0.9]])))
    detector.engine = lambda images: (np.ones((1, 3, 4), np.float32), np.zeros((1, 3), np.int64))
    with pytest.raises(InputError, match=r"a\.onnx gives outputs of other shapes than when it was loaded: \[\[3, 4\]"):
        detector(IMAGE)
    detector.engine = lambda images: (np.ones((1, 3, 5), np.float32), np.zeros((1, 2), np.int64))
    with pytest.raises(InputError, match="of other shapes"):
        detector(IMAGE)
    detector.engine = lambda images: 1 / 0  # type: ignore[assignment,return-value]
    with pytest.raises(CheckpointError, match=r"a\.onnx cannot be run: ZeroDivisionError"):
        detector(IMAGE)


def test_where_onnxruntime_has_no_gpu_the_cpu_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = onnx_detectors.constant(tmp_path / "a.onnx", dets([[0, 0, 9, 9, 0.9]]))
    monkeypatch.setattr("modelscope_handkp.detection.onnx_detector.pick_device", lambda device: torch.device("xpu"))
    with caplog.at_level("INFO"):
        assert len(OnnxDetector.from_file(path)(IMAGE)[0]) == 1
    assert "a.onnx runs on the CPU" in caplog.text


@pytest.mark.parametrize(
    ("outputs", "shape", "message"),
    [
        ({"output": np.zeros((1, 1000), np.float32)}, (1, 3, 64, 64), r"its outputs are output \[1, 1000\]; known are"),
        ({"output": np.zeros((7, 7), np.float32)}, (1, 3, 64, 64), r"no detector known here, .*\[7, 7\]"),
        ({"output": np.float32(3)}, (1, 3, 64, 64), "no detector known here"),
        (places(), (1, 64, 64, 3), r"must take images \[N, 3, height, width\], it takes images \[1, 64, 64, 3\]"),
        (places(), (3, 64, 64), "must take images"),
        (places(), (8, 3, 64, 64), "takes 8 images at once"),
        (places(), (1, 3, 4096, 64), "4096 x 64 pixels; at most 2048"),
    ],
)
def test_what_is_no_detector_is_refused(outputs: Any, shape: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=message):
        OnnxDetector.from_file(onnx_detectors.constant(tmp_path / "a.onnx", outputs, shape))


def test_bytes_are_refused_and_half_precision_is_not(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="floating point"):
        OnnxDetector.from_file(onnx_detectors.constant(tmp_path / "a.onnx", places(), kind=2))
    half = {name: array.astype(np.float16) for name, array in places(p0=[20, 20, 10, 20, 1, 0.9]).items()}
    detector = OnnxDetector.from_file(onnx_detectors.constant(tmp_path / "b.onnx", half, kind=10))
    assert detector(IMAGE)[0].tolist() == [[15, 10, 25, 30]]


@pytest.mark.parametrize("shape", [("batch", 3, 64, 64), (1, "channels", 64, 64)])
def test_other_axes_may_be_open(shape: Any, tmp_path: Path) -> None:
    path = onnx_detectors.constant(tmp_path / "a.onnx", places(p0=[20, 20, 10, 20, 1, 0.9]), shape)
    assert [boxes.tolist() for boxes, _ in OnnxDetector.from_file(path).detect([IMAGE] * 3)] == [[[15, 10, 25, 30]]] * 3


def test_the_size_of_an_input_that_may_have_any(tmp_path: Path) -> None:
    path = onnx_detectors.ultralytics(tmp_path / "a.onnx", sides=("height", "width"))
    image = onnx_detectors.images()[0]
    default, same, larger = (OnnxDetector.from_file(path, input_size=size)(image)[0] for size in (None, 128, 256))
    np.testing.assert_array_equal(default, same)
    assert default.shape != larger.shape or not np.allclose(default, larger)
    for size in (100, 0, 4096, "128"):
        with pytest.raises(InputError, match="input_size must"):
            OnnxDetector.from_file(path, input_size=size)  # type: ignore[arg-type]
    fixed = onnx_detectors.yolox(tmp_path / "b.onnx")
    with pytest.raises(InputError, match=r"input_size is 320, but .* takes 128 x 160 pixels only"):
        OnnxDetector.from_file(fixed, input_size=320)
    OnnxDetector.from_file(fixed, input_size=160)


def test_the_size_that_nobody_names(tmp_path: Path) -> None:
    """640, and ultralytics' ``imgsz`` goes up to a multiple of its stride."""
    image = onnx_detectors.images()[3]
    path = onnx_detectors.mmdeploy(tmp_path / "a.onnx", sides=("height", "width"))  # type: ignore[arg-type]
    for name, size in ((path, 640), (ultralytics_of(tmp_path, "[100, 100]"), 128)):
        np.testing.assert_array_equal(
            OnnxDetector.from_file(name)(image)[0], OnnxDetector.from_file(name, input_size=size)(image)[0]
        )


def ultralytics_of(folder: Path, imgsz: str) -> Path:
    metadata = {"names": "['person', 'hand']", "stride": "32", "imgsz": imgsz}
    return onnx_detectors.ultralytics(folder / "b.onnx", sides=("height", "width"), metadata=metadata)


def test_normalised_weights_see_other_colours(tmp_path: Path) -> None:
    path = onnx_detectors.mmdeploy(tmp_path / "a.onnx", sliced=True)
    image = onnx_detectors.images()[0]
    default, plain, normalised = (
        OnnxDetector.from_file(path, normalised=which)(image)[1] for which in (None, False, True)
    )
    np.testing.assert_array_equal(default, plain)
    assert len(default) != len(normalised) or not np.allclose(default, normalised)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"none\.onnx"):
        OnnxDetector.from_file(tmp_path / "none.onnx")
    with pytest.raises(InputError, match=r"best\.pt is no \.onnx file.*yolo export"):
        OnnxDetector.from_file(tmp_path / "best.pt")
    (tmp_path / "a.onnx").write_bytes(b"hello")
    with pytest.raises(CheckpointError, match=r"a\.onnx"):
        OnnxDetector.from_file(tmp_path / "a.onnx")
    with pytest.raises(InputError, match="score_threshold"):
        OnnxDetector.from_file(tmp_path / "a.onnx", 2.0)


def test_a_detector_may_be_named_by_its_file(tmp_path: Path) -> None:
    path = onnx_detectors.constant(tmp_path / "a.onnx", dets([[0, 0, 9, 9, 0.4], [0, 0, 9, 9, 0.2]]))

    def build(score_threshold: float | None, file: Any) -> Any:
        return build_detector(tmp_path, None, score_threshold, lambda network: None, file, torch.device("cpu"))  # type: ignore[arg-type,return-value]

    with pytest.raises(InputError, match="device"):
        build_detector(tmp_path, None, None, lambda network: None, path, torch.device("meta"))  # type: ignore[arg-type,return-value]
    assert build(None, str(path)).detect([IMAGE])[0][1].tolist() == [np.float32(0.4)]
    assert build(0.1, path).detect([IMAGE])[0][1].tolist() == np.float32([0.4, 0.2]).tolist()
