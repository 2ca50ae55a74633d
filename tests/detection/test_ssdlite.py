"""The hosted model's detector: images -> boxes of hands."""

import dataclasses
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import GOLDEN

from modelscope_handkp.detection.ssdlite import SSDLiteDetector, decode_deltas
from modelscope_handkp.engines import EagerEngine
from modelscope_handkp.errors import CheckpointError, ConfigError, MissingFileError
from modelscope_handkp.geometry.boxes import iou
from modelscope_handkp.model_dir.config import read_configuration, read_python_config
from modelscope_handkp.model_dir.settings import DetectionSettings
from modelscope_handkp.model_dir.ssdlite_settings import SSDLiteSettings

PIXELS = 0.05


def load(directory: Path, detection: dict[str, Any], score_threshold: float | None = None) -> SSDLiteDetector:
    return SSDLiteDetector.from_model_dir(directory, DetectionSettings.parse(detection), score_threshold, EagerEngine)


@pytest.fixture(scope="module")
def directory(hosted_dir: Callable[..., Path]) -> Path:
    return hosted_dir()


@pytest.fixture(scope="module")
def detection(directory: Path) -> dict[str, Any]:
    return read_configuration(directory)["DETECTION"]


@pytest.fixture(scope="module")
def everything(directory: Path, detection: dict[str, Any]) -> SSDLiteDetector:
    """All that survives suppression, as golden/detector.npz lists it."""
    return load(directory, {**detection, "score_threshold": 0})


def test_boxes_are_mmdets(everything: SSDLiteDetector, golden: Any) -> None:
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
    everything: SSDLiteDetector, directory: Path, detection: Any, golden: Any
) -> None:
    image = golden("detector.npz")["image_0"]
    boxes, scores = everything(image)
    threshold = float(scores[5])
    fewer = load(directory, {**detection, "score_threshold": threshold})(image)
    np.testing.assert_array_equal(fewer[0], boxes[:5])  # strictly above
    assert fewer[1].min() > threshold
    nothing = load(directory, detection, score_threshold=1)(image)
    assert (nothing[0].shape, nothing[1].shape) == ((0, 4), (0,))


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (33, 21)])
def test_odd_images_give_boxes_inside_with_area(everything: SSDLiteDetector, size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    image.flags.writeable = False
    boxes, _ = everything(image)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= [size[1], size[0]]).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()


def test_deltas_move_and_stretch_their_anchor() -> None:
    """In tenths and fifths of the anchor's sides; golden has the real ones."""
    anchor = torch.tensor([[10.0, 20, 50, 40]])  # 40 x 20
    moved = decode_deltas(anchor, torch.tensor([[1, -1, 0, 5 * math.log(2)]]))
    np.testing.assert_allclose(moved, [[14, 8, 54, 48]], atol=1e-4)
    huge = decode_deltas(torch.tensor([[0.0, 0, 8, 8]]), torch.tensor([[0, 0, 1e6, -1e6]]))[0]
    np.testing.assert_allclose(huge[2:] - huge[:2], [8 * 1000 / 16, 8 * 16 / 1000], rtol=1e-4)


SIDE = 320


def detector_of(
    anchors: dict[int, list[list[float]]],
    scores: list[float],
    score_threshold: float = 0.5,
    **settings: Any,
) -> SSDLiteDetector:
    """A detector whose network gives every anchor of an input size its score and no offset, in any image."""

    def engine(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        logits = torch.stack([torch.tensor(scores).logit(), torch.zeros(len(scores))], 1).reshape(1, -1, 1, 1)
        return logits.expand(len(images), -1, 1, 1), torch.zeros(len(images), 4 * len(scores), 1, 1)

    parsed = SSDLiteSettings.parse(read_python_config(GOLDEN / "hosted" / "detection" / "config.py"))
    levels = {size: [np.array(boxes, np.float32)] for size, boxes in anchors.items()}
    return SSDLiteDetector(engine, levels, dataclasses.replace(parsed, **settings), score_threshold)


def test_suppression_limits_and_scaling() -> None:
    boxes = [
        [10, 10, 60, 60],
        [12, 10, 62, 60],
        [200, 200, 300, 300],
        [-50, 0, 40, 400],
        [320, 0, 330, 9],
        [0, 320, 9, 330],
    ]
    scores = [0.7, 0.9, 0.6, 0.4, 0.95, 0.95]
    found, kept = detector_of({SIDE: boxes}, scores)(np.zeros((160, 640, 3), np.uint8))
    np.testing.assert_allclose(found, [[24, 5, 124, 30], [400, 100, 600, 150]], atol=1e-3)
    np.testing.assert_allclose(kept, [0.9, 0.6], atol=1e-6)
    found, _ = detector_of({SIDE: boxes}, scores, 0.1, at_most=1)(np.zeros((SIDE, SIDE, 3), np.uint8))
    np.testing.assert_allclose(found, [boxes[1]], atol=1e-3)
    assert iou(found, [boxes[0]])[0, 0] > 0.45


def test_only_the_best_of_a_level_are_candidates() -> None:
    boxes = [[10 * i, 0, 10 * i + 9, 9] for i in range(8)]
    found, _ = detector_of({SIDE: boxes}, [0.6, 0.9, 0.8, 0.7, 0.6, 0.6, 0.6, 0.6], per_level=3)(
        np.zeros((SIDE, SIDE, 3), np.uint8)
    )
    np.testing.assert_allclose(found, [boxes[1], boxes[2], boxes[3]], atol=1e-3)


def test_of_equal_scores_the_first_anchors_are_candidates() -> None:
    """As mmdet: 30 of 90 anchors have the best score, and five of the second best are left."""
    boxes = [[3 * i, 0, 3 * i + 2, 9] for i in range(90)]
    image = np.zeros((SIDE, SIDE, 3), np.uint8)
    found, scores = detector_of({SIDE: boxes}, [0.9, 0.8, 0.7] * 30, per_level=35)(image)
    np.testing.assert_allclose(found, boxes[::3] + boxes[1:15:3], atol=1e-3)
    np.testing.assert_allclose(scores, [0.9] * 30 + [0.8] * 5, atol=1e-6)


def test_boxes_of_several_input_sizes_share_one_suppression() -> None:
    """As mmdet's multi-scale test."""
    anchors = {320: [[32, 32, 96, 96], [200, 200, 300, 300]], 640: [[400, 64, 600, 192], [402, 400, 600, 598]]}
    found, scores = detector_of(anchors, [0.9, 0.6])(np.zeros((SIDE, SIDE, 3), np.uint8))
    np.testing.assert_allclose(found, [[32, 32, 96, 96], [200, 32, 300, 96], [200, 200, 300, 300]], atol=1e-3)
    np.testing.assert_allclose(scores, [0.9, 0.9, 0.6], atol=1e-6)


def test_two_images_at_a_time_go_through_the_network() -> None:
    """More at once fall out of a CPU's cache."""
    seen: list[tuple[int, ...]] = []

    def engine(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        seen.append(tuple(images.shape))
        return torch.zeros(len(images), 2, 1, 1), torch.zeros(len(images), 4, 1, 1)

    parsed = SSDLiteSettings.parse(read_python_config(GOLDEN / "hosted" / "detection" / "config.py"))
    detector = SSDLiteDetector(engine, {SIDE: [np.array([[0, 0, 9, 9]], np.float32)]}, parsed, 0.5)
    found = detector.detect([np.zeros((9, 9, 3), np.uint8)] * 5)
    assert [len(scores) for _, scores in found] == [0] * 5  # a score at the threshold is not above it
    assert seen == [(2, 3, SIDE, SIDE)] * 2 + [(1, 3, SIDE, SIDE)]


def test_scores_and_boxes_that_are_no_numbers_are_no_hands() -> None:
    anchors = {SIDE: [[10, 10, 60, 60], [float("nan"), 0, 5, 5]]}
    boxes, _ = detector_of(anchors, [float("nan"), 0.9], 0.1)(np.zeros((9, 9, 3), np.uint8))
    assert boxes.shape == (0, 4)


def test_images_of_any_sizes_together_give_what_each_gives(everything: SSDLiteDetector, golden: Any) -> None:
    images = [golden("detector.npz")[f"image_{i}"] for i in range(3)]
    assert everything.detect([]) == []
    for image, (boxes, scores) in zip(images, everything.detect(images), strict=True):
        alone = everything(image)
        np.testing.assert_allclose(boxes, alone[0], atol=PIXELS)
        np.testing.assert_allclose(scores, alone[1], rtol=1e-4)


@pytest.mark.slow  # four networks
def test_both_configured_thresholds_hold_and_the_callers_has_the_last_word(
    directory: Path, detection: dict[str, Any], tmp_path: Path, golden: Any
) -> None:
    image = golden("detector.npz")["image_0"]
    strict = edited(directory, tmp_path, "score_thr=0.02", "score_thr=0.84")

    def lowest(score_threshold: float, given: float | None) -> float:
        return float(load(strict, {**detection, "score_threshold": score_threshold}, given)(image)[1].min())

    assert lowest(0.3, None) > 0.84 > lowest(0.3, 0.8) > 0.8
    assert lowest(0.8405, None) > 0.8405 > lowest(0.8405, 0.01)


def edited(directory: Path, folder: Path, old: str, new: str) -> Path:
    """A copy of a model directory's detector with a change of its configuration."""
    text = (directory / "detection" / "config.py").read_text()
    assert old in text
    (folder / "detection").mkdir()
    (folder / "detection" / "config.py").write_text(text.replace(old, new, 1))
    (folder / "detection" / "detection_model.pth").symlink_to(directory / "detection" / "detection_model.pth")
    return folder


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
        load(directory, {**detection, **change})
    for key in ("config_file", "model_path"):
        with pytest.raises(ConfigError, match=key):
            load(directory, {name: value for name, value in detection.items() if name != key})


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
    with pytest.raises(ConfigError, match=named):
        load(edited(directory, tmp_path, old, new), detection)


def test_weights_that_give_no_numbers_are_refused(directory: Path, detection: dict[str, Any], tmp_path: Path) -> None:
    """Such a detector would silently find no hand."""
    folder = shutil.copytree(directory, tmp_path / "model")
    path = folder / "detection" / "detection_model.pth"
    content = torch.load(path)
    name = next(name for name in content["state_dict"] if name.endswith("running_var"))
    content["state_dict"][name][0] = -5
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"detection_model\.pth: the network turns a grey image into NaN"):
        load(folder, detection)
