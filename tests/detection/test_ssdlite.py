"""Pictures -> boxes of hands."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modelscope_handkp.detection.ssdlite import HandDetector, decode_deltas, encode_deltas
from modelscope_handkp.errors import CheckpointError, ConfigError, MissingFileError
from modelscope_handkp.geometry.boxes import iou
from modelscope_handkp.model_dir.config import read_configuration

PIXELS = 0.05
TEST_CFG = {"nms_pre": 1000, "nms": {"iou_threshold": 0.45}, "score_thr": 0.02, "max_per_img": 200}


@pytest.fixture(scope="module")
def directory(hosted_dir: Callable[..., Path]) -> Path:
    return hosted_dir()


@pytest.fixture(scope="module")
def detection(directory: Path) -> dict[str, Any]:
    return read_configuration(directory)["DETECTION"]


@pytest.fixture(scope="module")
def everything(directory: Path, detection: dict[str, Any]) -> HandDetector:
    """All that survives suppression, as golden/detector.npz lists it."""
    return HandDetector.from_model_dir(directory, detection, score_threshold=0)


def test_boxes_are_mmdets(everything: HandDetector, golden: Any) -> None:
    """golden/detector.npz: input mean 0.002 (OpenCV's versions differ), boxes 0.05 px, scores 1e-4, same order."""
    arrays = golden("detector.npz")
    for i in range(3):
        difference = np.abs(everything.preprocess(arrays[f"image_{i}"], 320) - arrays[f"input_{i}"])
        assert difference.mean() < 0.002
        boxes, scores = everything(arrays[f"image_{i}"])
        expected = arrays[f"boxes_xyxy_score_{i}"]
        np.testing.assert_allclose(boxes, expected[:, :4], atol=PIXELS)
        np.testing.assert_allclose(scores, expected[:, 4], rtol=1e-4)


def test_the_threshold_cuts_the_same_list(
    everything: HandDetector, directory: Path, detection: Any, golden: Any
) -> None:
    image = golden("detector.npz")["image_0"]
    boxes, scores = everything(image)
    threshold = float(scores[5])
    fewer = HandDetector.from_model_dir(directory, {**detection, "score_threshold": threshold})(image)
    np.testing.assert_array_equal(fewer[0], boxes[:5])  # strictly above
    assert fewer[1].min() > threshold
    nothing = HandDetector.from_model_dir(directory, detection, score_threshold=1)(image)
    assert (nothing[0].shape, nothing[1].shape) == ((0, 4), (0,))


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (33, 21)])
def test_odd_pictures_give_boxes_inside_with_area(everything: HandDetector, size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    image.flags.writeable = False
    boxes, _ = everything(image)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= [size[1], size[0]]).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_deltas_there_and_back() -> None:
    rng = np.random.default_rng(0)
    corner, size = rng.uniform(0, 200, (50, 2)), rng.uniform(30, 100, (50, 2))
    anchors = np.concatenate([corner, corner + size], axis=1).astype(np.float32)
    boxes = anchors + rng.uniform(-10, 10, anchors.shape).astype(np.float32)
    np.testing.assert_allclose(decode_deltas(anchors, encode_deltas(anchors, boxes)), boxes, atol=1e-2)
    huge = decode_deltas(anchors[:1], np.array([[0, 0, 1e6, -1e6]], np.float32))[0]
    np.testing.assert_allclose((huge[2:] - huge[:2]) / size[0], [1000 / 16, 16 / 1000], rtol=1e-2)


class Answers(torch.nn.Module):
    """A network that answers what it is told."""

    input_sizes: tuple[int, ...] = (320,)

    def __init__(self, boxes: list[list[float]], scores: list[float]) -> None:
        super().__init__()
        self.boxes, self.scores = np.array(boxes, np.float32), torch.tensor(scores)

    def level_anchors(self, size: int) -> list[np.ndarray]:
        return [self.boxes]

    def forward(self, img: torch.Tensor) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        logits = torch.stack([self.scores.logit(), torch.zeros_like(self.scores)], 1).reshape(1, -1, 1, 1)
        return [logits], [torch.zeros(1, 4 * len(self.scores), 1, 1)]


def test_suppression_limits_and_scaling() -> None:
    boxes = [[10, 10, 60, 60], [12, 10, 62, 60], [200, 200, 300, 300], [-50, 0, 40, 400], [320, 0, 330, 9]]
    network = Answers(boxes, [0.7, 0.9, 0.6, 0.4, 0.95])
    detector = HandDetector(network, 0.5, TEST_CFG)  # type: ignore[arg-type]
    found, scores = detector(np.zeros((160, 640, 3), np.uint8))
    np.testing.assert_allclose(found, [[24, 5, 124, 30], [400, 100, 600, 150]], atol=1e-3)
    np.testing.assert_allclose(scores, [0.9, 0.6], atol=1e-6)
    found, _ = HandDetector(network, 0.1, {**TEST_CFG, "max_per_img": 1})(np.zeros((320, 320, 3), np.uint8))  # type: ignore[arg-type]
    np.testing.assert_allclose(found, [boxes[1]], atol=1e-3)
    assert iou(found, [boxes[0]])[0, 0] > 0.45


def test_several_input_sizes_are_looked_at_together() -> None:
    """As mmdet's multi-scale test: the boxes of every size, in picture pixels, go through one suppression."""
    network = Answers([[32, 32, 96, 96], [200, 200, 300, 300]], [0.9, 0.6])
    larger = np.array([[400, 64, 600, 192], [402, 400, 600, 598]], np.float32)
    network.input_sizes = (320, 640)
    network.level_anchors = lambda size: [network.boxes if size == 320 else larger]  # type: ignore[method-assign]
    found, scores = HandDetector(network, 0.5, TEST_CFG)(np.zeros((320, 320, 3), np.uint8))  # type: ignore[arg-type]
    np.testing.assert_allclose(found, [[32, 32, 96, 96], [200, 32, 300, 96], [200, 200, 300, 300]], atol=1e-3)
    np.testing.assert_allclose(scores, [0.9, 0.9, 0.6], atol=1e-6)


def test_answers_that_are_no_numbers_are_no_hands() -> None:
    network = Answers([[10, 10, 60, 60], [float("nan"), 0, 5, 5]], [float("nan"), 0.9])
    boxes, _ = HandDetector(network, 0.1, TEST_CFG)(np.zeros((9, 9, 3), np.uint8))  # type: ignore[arg-type]
    assert boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"config_file": "nothing.py"}, MissingFileError, "nothing.py"),
        ({"config_file": "x" * 5000}, MissingFileError, "xxx"),
        ({"config_file": "a\0b"}, MissingFileError, "does not exist"),
        ({"config_file": ""}, MissingFileError, "does not exist"),
        ({"config_file": "../config.py"}, ConfigError, "outside"),
        ({"config_file": "detection/../../config.py"}, ConfigError, "outside"),
        ({"config_file": "/etc/passwd"}, ConfigError, "outside"),
        ({"model_path": "/dev/zero"}, ConfigError, "outside"),
        ({"config_file": 5}, ConfigError, "5"),
        ({"config_file": None}, ConfigError, "None"),
        ({"model_path": "detection/config.py"}, CheckpointError, "config.py"),
        ({"model_path": "pytorch_model.pt"}, CheckpointError, "does not fit.*backbone.conv1.conv.weight"),
        ({"score_threshold": "0.5"}, ConfigError, "score_threshold.*'0.5'"),
        ({"score_threshold": float("nan")}, ConfigError, "score_threshold"),
        ({"score_threshold": None}, ConfigError, "score_threshold"),
        ({"score_threshold": 5}, ConfigError, "score_threshold"),
    ],
)
def test_bad_detection_blocks_are_named(directory: Path, detection: Any, change: Any, error: Any, named: str) -> None:
    with pytest.raises(error, match=named):
        HandDetector.from_model_dir(directory, {**detection, **change})
    for key in ("config_file", "model_path"):
        with pytest.raises(ConfigError, match=key):
            HandDetector.from_model_dir(directory, {name: value for name, value in detection.items() if name != key})


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("nms_pre=1000", "nms_pre='x'", "nms_pre"),
        ("nms_pre=1000, ", "", "nms_pre"),
        ("score_thr=0.02", "score_thr=[1]", "score_thr"),
        ("max_per_img=200", "max_per_img=10 ** 9", "config.py"),
        ("max_per_img=200", "max_per_img=1000000000", "max_per_img"),
        ("iou_threshold=0.45", "iou_threshold=7", "iou_threshold"),
        ("mean=[123.675, 116.28, 103.53]", "mean=[123.675]", "mean"),
        ("std=[58.395, 57.12, 57.375]", "std=[58.395, 57.12, 0]", "std"),
        ("std=[58.395, 57.12, 57.375]", "std='abc'", "std"),
        ("dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)", "dict(mean=None)", "mean"),
        ("type='SSDHead', in", "type='YOLOXHead', in", "YOLOXHead.*detector="),
        ("num_classes=1", "num_classes=__import__('os').system('true')", "config.py"),
    ],
)
def test_bad_detector_files_are_named(
    directory: Path, detection: Any, tmp_path: Path, old: str, new: str, named: str
) -> None:
    text = (directory / "detection" / "config.py").read_text()
    assert old in text
    (tmp_path / "detection").mkdir()
    (tmp_path / "detection" / "config.py").write_text(text.replace(old, new, 1))
    (tmp_path / "detection" / "detection_model.pth").symlink_to(directory / "detection" / "detection_model.pth")
    with pytest.raises(ConfigError, match=named):
        HandDetector.from_model_dir(tmp_path, detection)
