"""The whole line: detect -> crop -> engine -> decode -> refine."""

import logging
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from noise_images import SIZE, detect, noise
from PIL import Image

from modelscope_handkp import HandEstimator, Hands
from modelscope_handkp.errors import (
    CheckpointError,
    ConfigError,
    DownloadError,
    HandkpError,
    InputError,
    MissingFileError,
)
from modelscope_handkp.geometry.boxes import box_to_center_scale, iou, xyxy_to_xywh
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.model_dir.hub import find_model_dir
from modelscope_handkp.synthetic import render_image

KEYPOINT_TOLERANCE, KEYPOINT_SHARE = 0.5, 0.95  # px: an argmax may flip between equal peaks of an untrained network
BOX_TOLERANCE = 0.05


@pytest.fixture(scope="module")
def directory(tiny_dir: Callable[..., Path]) -> Path:
    return tiny_dir()


@pytest.fixture(scope="module")
def estimator(directory: Path) -> HandEstimator:
    return HandEstimator.from_pretrained(directory, device="cpu", batch_size=4, detector=detect)


def assert_same(one: Hands, other: Hands) -> None:
    np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-4)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-6)
    np.testing.assert_allclose(one.keypoints, other.keypoints, atol=1e-2)


# --- golden


@pytest.mark.slow
def test_end_to_end_it_equals_easycv_with_the_right_crop_and_colours(
    golden: Any, hosted_dir: Callable[..., Path]
) -> None:
    """golden/pipeline.npz: boxes 0.05 px, scores 1e-4, keypoints 0.5 px at 95 % of the joints."""
    arrays = golden("pipeline.npz")
    estimator = HandEstimator.from_pretrained(hosted_dir(), "cpu")
    assert estimator.detector.score_threshold == 0.5  # type: ignore[union-attr]
    for i in range(3):
        estimator.detector.score_threshold = float(arrays[f"score_threshold_{i}"])  # type: ignore[union-attr]
        ours = estimator(arrays[f"image_{i}"])
        np.testing.assert_allclose(ours.boxes, arrays[f"boxes_xyxy_{i}"], atol=BOX_TOLERANCE)
        np.testing.assert_allclose(ours.scores, arrays[f"scores_{i}"], rtol=1e-4)
        distance = np.linalg.norm(ours.keypoints[..., :2] - arrays[f"keypoints_{i}"][..., :2], axis=-1)
        assert (distance < KEYPOINT_TOLERANCE).mean() >= KEYPOINT_SHARE


# --- images with any number of hands


@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_every_hand_of_an_image(estimator: HandEstimator, count: int) -> None:
    image = noise(count, count)
    hands = estimator(image)
    boxes, scores = detect(image)
    assert isinstance(hands, Hands)
    assert hands.keypoints.shape == (count, 21, 3)
    np.testing.assert_allclose(hands.boxes, boxes, atol=1e-4)
    np.testing.assert_allclose(hands.scores, scores, atol=1e-6)
    alone = [estimator(image, boxes=box) for box in boxes]
    for i, hand in enumerate(alone):
        np.testing.assert_allclose(hand.keypoints[0], hands.keypoints[i], atol=1e-2)


def test_keypoints_lie_in_the_crop_of_their_box(tiny_dir: Callable[..., Path]) -> None:
    def coarse(config: dict[str, Any]) -> None:  # DARK extrapolates on an untrained network
        config["model"]["test_cfg"]["post_process"] = "default"

    hands = HandEstimator.from_pretrained(tiny_dir(edit=coarse), "cpu", detector=detect)(noise(3, 20))
    for box, keypoints in zip(hands.boxes, hands.keypoints):
        center, scale = box_to_center_scale(xyxy_to_xywh(box))
        half = scale * 200 / 2 * (1 + 2 / 16)  # and a heatmap pixel of (-1, -1)
        assert (np.abs(keypoints[:, :2] - center) <= half + 1e-3).all()


def with_threshold(tiny_dir: Callable[..., Path], threshold: float | None, **options: Any) -> HandEstimator:
    def edit(config: dict[str, Any]) -> None:
        if threshold is not None:
            config["model"]["test_cfg"]["hand_threshold"] = threshold

    return HandEstimator.from_pretrained(tiny_dir(edit=edit), "cpu", batch_size=4, detector=detect, **options)


def test_hands_below_the_hand_threshold_are_dropped_and_given_ones_kept(tiny_dir: Callable[..., Path]) -> None:
    images = [noise(i, count) for i, count in enumerate([6, 0, 1, 7])]
    every = with_threshold(tiny_dir, 0.0)(images)
    sure = np.concatenate([hands.confidence for hands in every])
    threshold = float(np.median(sure))
    for some in (with_threshold(tiny_dir, threshold), with_threshold(tiny_dir, 0.0, hand_threshold=threshold)):
        kept = some(images)
        assert 0 < sum(map(len, kept)) < len(sure)
        for image, hands, before in zip(images, kept, every):
            assert_same(hands, before[before.confidence >= threshold])
            assert len(some(image, boxes=detect(image)[0])) == len(detect(image)[0])
    assert with_threshold(tiny_dir, threshold, hand_threshold=0.0).hand_threshold == 0


def test_confidence_is_of_box_and_keypoints_or_the_box_score_without_a_threshold(tiny_dir: Callable[..., Path]) -> None:
    hands = with_threshold(tiny_dir, None)(noise(0, 3))
    np.testing.assert_array_equal(hands.confidence, hands.scores)
    given = with_threshold(tiny_dir, 0.9)(noise(0), boxes=[[0, 0, 50, 50]])
    np.testing.assert_allclose(given.confidence, given.keypoints[..., 2].mean(axis=1), rtol=1e-5)  # the box score is 1


def test_the_detectors_score_and_the_hands_confidence_have_a_threshold_each(tiny_dir: Callable[..., Path]) -> None:
    """Each has the last word on its own number. A tiny keypoint network behind the embedded detector."""
    embedded = find_model_dir(None)

    def edit(config: dict[str, Any]) -> None:
        config["DETECTION"] = read_configuration(embedded)["DETECTION"]
        config["model"]["test_cfg"]["hand_threshold"] = 0.3

    directory = tiny_dir(edit=edit)
    shutil.copytree(embedded / "detection", directory / "detection")
    image = render_image(7_300_001, hands=2, level="easy")[0]

    def hands(**thresholds: float) -> Hands:
        return HandEstimator.from_pretrained(directory, "cpu", **thresholds)(image)

    sure, every = hands(), hands(hand_threshold=0.0)
    assert 0 < len(sure) < len(every)
    assert_same(sure, every[every.confidence >= 0.3])
    highest = float(every.scores.max())
    assert len(hands(hand_threshold=0.0, score_threshold=highest)) == 0  # a score at the threshold is not above it
    more = hands(hand_threshold=0.0, score_threshold=0.005)
    assert 0.005 < more.scores.min() < every.scores.min()


def test_keypoints_above_the_keypoint_threshold_are_visible(directory: Path) -> None:
    hands = HandEstimator.from_pretrained(directory, "cpu", detector=detect)(noise(0, 3))
    threshold = float(np.median(hands.keypoints[..., 2]))
    ours = HandEstimator.from_pretrained(directory, "cpu", detector=detect, keypoint_threshold=threshold)
    np.testing.assert_array_equal(ours(noise(0, 3)).visible, hands.keypoints[..., 2] > threshold)


def test_poorly_localised_boxes_are_moved_to_their_hands() -> None:
    rendered = [render_image(seed, hands=1, level="easy", size=(320, 240)) for seed in range(7_300_001, 7_300_007)]
    truths = [boxes for _, _, boxes in rendered]
    off = [box + 0.2 * (box[0, 2:] - box[0, :2]).max() * np.array([1, -1, 1, -1], np.float32) for box in truths]
    found = iter(off)
    estimator = HandEstimator.from_pretrained(device="cpu", detector=lambda _: (next(found), [0.9]))
    hands = estimator([image for image, _, _ in rendered])
    before = np.mean([iou(box, truth)[0, 0] for box, truth in zip(off, truths)])
    after = np.mean([iou(hand.boxes, truth).max(initial=0) for hand, truth in zip(hands, truths)])
    assert before < 0.45 and after > before + 0.1


COUNTS = [1, 0, 2, 5, 0, 0, 1, 7, 0]


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_a_batch_gives_what_one_by_one_gives(estimator: HandEstimator, directory: Path, batch_size: int) -> None:
    images = [noise(i, count) for i, count in enumerate(COUNTS)]
    together = HandEstimator.from_pretrained(directory, "cpu", batch_size, detector=detect)(images)
    assert [len(hands) for hands in together] == COUNTS
    for image, hands in zip(images, together):
        assert_same(hands, estimator(image))
    assert estimator(tuple(images[:2]))[0].keypoints.shape == (1, 21, 3)
    assert estimator([]) == []


def test_threads_get_the_same_hands(estimator: HandEstimator) -> None:
    images = [noise(i, count) for i, count in enumerate([2, 0, 1, 3] * 3)]
    expected = [estimator(image) for image in images]
    with ThreadPoolExecutor(2) as pool:
        for hands, alone in zip(pool.map(estimator, images), expected):
            assert_same(hands, alone)


# --- inputs


def test_inputs_are_never_written_to(estimator: HandEstimator, tmp_path: Path) -> None:
    image, boxes = noise(0, 2), np.array([[10, 10, 60, 60], [-20, 5, 300, 40]], np.float32)
    Image.fromarray(image).save(tmp_path / "a.png")
    opened = Image.open(tmp_path / "a.png")
    before = (image.copy(), boxes.copy(), np.asarray(opened).copy(), (tmp_path / "a.png").read_bytes())
    image.flags.writeable = boxes.flags.writeable = False
    estimator(image)
    estimator(image, boxes)
    estimator([image, image], [boxes, None])
    estimator(opened, boxes)
    estimator(tmp_path / "a.png", boxes)
    after = (image, boxes, np.asarray(opened), (tmp_path / "a.png").read_bytes())
    for one, other in zip(before, after):
        np.testing.assert_array_equal(one, other)


def test_every_kind_of_image_gives_the_same(estimator: HandEstimator, tmp_path: Path) -> None:
    image, box = noise(1), [20, 20, 70, 80]
    expected = estimator(image, box)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    rgb = Image.fromarray(np.ascontiguousarray(image[..., ::-1]))
    alpha = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    for same in (tmp_path / "a.png", str(tmp_path / "a.png"), rgb, alpha, image.astype(np.uint16) * 257, image / 255):
        assert_same(estimator(same, box), expected)


def test_the_crop_is_of_the_box(estimator: HandEstimator) -> None:
    """A hand moved with its box gives keypoints moved alike (the hosted model crops elsewhere)."""
    image = np.zeros((300, 300, 3), np.uint8)
    image[40:88, 40:88] = noise(5)[:48, :48]
    moved = np.zeros_like(image)
    moved[140:188, 190:238] = noise(5)[:48, :48]
    one, other = estimator(image, [40, 40, 88, 88]), estimator(moved, [190, 140, 238, 188])
    np.testing.assert_allclose(other.keypoints[0] - one.keypoints[0], np.tile([150, 100, 0], (21, 1)), atol=0.05)


@pytest.mark.parametrize(
    "box",
    [
        [-50, -50, 30, 30], [60, 60, 500, 700], [-900, -900, -800, -800], [96, 0, 100, 5], [0, 0, 1e-3, 1e-3],
        [0, 0, 1e-30, 1e-30], [-1e6, -1e6, 1e6, 1e6], [0, 0, 1e6, 1e-3], [95.5, 95.5, 96, 96], [0, 0, 96, 1],
    ],
)  # fmt: skip
def test_boxes_outside_and_of_odd_sizes_do_not_fail(estimator: HandEstimator, box: list[float]) -> None:
    for image in (noise(2), noise(2)[:1, :1]):
        hands = estimator(image, box)
        assert np.isfinite(hands.keypoints).all()
        height, width = image.shape[:2]
        np.testing.assert_allclose(hands.boxes[0], np.clip(box, 0, [width, height, width, height]), atol=1e-4)
        assert hands.scores.tolist() == [1]


def test_without_a_detector_the_whole_image_is_a_hand_and_that_is_said(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        ours = HandEstimator.from_pretrained(directory, "cpu")
    assert "no DETECTION" in caplog.text
    hands = ours(noise(1))
    assert hands.boxes.tolist() == [[0, 0, SIZE, SIZE]]
    assert_same(hands, ours(noise(1), [0, 0, SIZE, SIZE]))
    assert len(ours(noise(1), boxes=[])) == 0


def test_the_detector_gets_the_image_as_read(directory: Path) -> None:
    seen: list[Any] = []

    def empty(image: np.ndarray) -> tuple[list[Any], list[Any]]:
        seen.append((image.shape, image.dtype))
        return [], []

    hands = HandEstimator.from_pretrained(directory, "cpu", detector=empty)(np.zeros((5, 7), np.uint16))
    assert seen == [((5, 7, 3), np.uint8)]
    assert hands.keypoints.shape == (0, 21, 3)


@pytest.mark.parametrize(
    ("found", "named"),
    [
        (([[0, 0, 5, 5]], []), "1 boxes and 0 scores"),
        (([[5, 5, 0, 0]], [1]), "reversed"),
        (([[0, 0, np.nan, 5]], [1]), "not finite"),
        (([[0, 0, 5, 5]], [np.nan]), "nan"),
        (None, "detector"),
        (5, "detector"),
        (([[0, 0, 5, 5]], ["good"]), "detector"),
        (([[0, 0, 5, 5]], [1], 3), "detector"),
    ],
)
def test_what_a_detector_returns_is_checked(directory: Path, found: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        HandEstimator.from_pretrained(directory, "cpu", detector=lambda image: found)(noise(0))


@pytest.mark.parametrize(
    ("image", "boxes", "named"),
    [
        (noise(0), [[0, 0, np.nan, 5]], "box 0 is not finite"),
        (noise(0), [[0, 0, 5, 5], [9, 9, 3, 3]], "box 1 is empty or reversed"),
        (noise(0), "all", "'all'"),
        (noise(0), [[0, 0, 5]], "shape"),
        ([noise(0)] * 2, [[0, 0, 5, 5]], "2 images"),
        ([noise(0)], 5, "got 5"),
        ([noise(0), 5], None, "int"),
        (np.zeros((0, 3)), None, r"\(0, 3\)"),
        (np.full((2, 2, 3), np.nan), None, "nan"),
        ({}, None, "dict"),
        ((x for x in ()), None, "generator"),
    ],
)
def test_bad_input_is_named(estimator: HandEstimator, image: Any, boxes: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        estimator(image, boxes)


# --- building


@pytest.mark.parametrize("batch_size", [0, -1, 1.5, "8", None])
def test_bad_batch_sizes(directory: Path, batch_size: Any) -> None:
    with pytest.raises(InputError, match="batch_size"):
        HandEstimator.from_pretrained(directory, "cpu", batch_size=batch_size)


@pytest.mark.parametrize("name", ["score_threshold", "hand_threshold", "keypoint_threshold"])
@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan"), "0.5", True])
def test_bad_thresholds(directory: Path, name: str, threshold: Any) -> None:
    with pytest.raises(InputError, match=f"{name}.*{threshold}"):
        HandEstimator.from_pretrained(directory, "cpu", **{name: threshold})


def test_torchs_default_type_does_not_matter(directory: Path, estimator: HandEstimator) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        ours = HandEstimator.from_pretrained(directory, "cpu", detector=detect)
        embedded = HandEstimator.from_pretrained(device="cpu")
        assert_same(ours(noise(0, 2)), estimator(noise(0, 2)))
        assert len(embedded(noise(0))) == 0
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_folder_with_images_is_named_as_one(estimator: HandEstimator, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), noise(0))
    with pytest.raises(InputError, match=r"is a folder with 1 images.*list_sources"):
        estimator(tmp_path)


def test_a_device_that_cannot_be_used_is_named(directory: Path) -> None:
    with pytest.raises(InputError, match="device 'gpu'"):
        HandEstimator.from_pretrained(directory, "gpu")


def test_broken_directories_are_named(tiny_dir: Callable[..., Path], tmp_path: Path) -> None:
    def broken(name: str, change: Callable[[Path], Any]) -> None:
        directory = tmp_path / name
        shutil.copytree(source, directory)
        change(directory)
        with pytest.raises(HandkpError, match=name) as caught:
            HandEstimator.from_pretrained(directory, "cpu")
        errors.append(type(caught.value))

    source, errors = tiny_dir(), []
    broken("empty", lambda d: [file.unlink() for file in d.iterdir()])
    broken("no_weights", lambda d: (d / "pytorch_model.pt").unlink())
    broken("text_weights", lambda d: (d / "pytorch_model.pt").write_text("version https://git-lfs"))
    broken("text_config", lambda d: (d / "configuration.json").write_text("hello"))
    assert errors == [MissingFileError, MissingFileError, CheckpointError, ConfigError]
    with pytest.raises((MissingFileError, DownloadError), match="nothing"):
        HandEstimator.from_pretrained(tmp_path / "nothing", "cpu")


def test_weights_under_the_other_name(directory: Path, tmp_path: Path, estimator: HandEstimator) -> None:
    shutil.copy(directory / "configuration.json", tmp_path)
    shutil.copy(directory / "pytorch_model.pt", tmp_path / "pytorch_model.bin")
    assert_same(HandEstimator.from_pretrained(tmp_path, "cpu", detector=detect)(noise(0)), estimator(noise(0)))


def test_a_network_that_does_not_fit_its_weights_names_the_tensors(tiny_dir: Callable[..., Path]) -> None:
    def widen(config: dict[str, Any]) -> None:
        config["model"]["backbone"]["extra"]["stage4"]["num_channels"] = [4, 8, 12, 20]
        config["model"]["keypoint_head"]["in_channels"] = [4, 8, 12, 20]

    with pytest.raises(CheckpointError, match=r"pytorch_model\.pt.*transition3.*instead of"):
        HandEstimator.from_pretrained(tiny_dir(edit=widen), "cpu")


SETTINGS = [
    ("data_cfg.image_size", [10**9, 10**9], "image_size"),
    ("data_cfg.image_size", "256", "image_size"),
    ("data_cfg.image_size", [40, 40], "do not fit"),
    ("data_cfg.heatmap_size", [64, 64], r"heatmap_size is \[64, 64\], the network gives \[16, 16\]"),
    ("data_cfg", None, "data_cfg.image_size"),
    ("test_pipeline", [], "do not fit.*img|do not fit"),
    ("test_pipeline", "TopDownAffine", "list"),
    ("test_pipeline", [{"type": "TopDownAffine"}], "do not fit"),
    ("test_pipeline.3.keys", ["heat"], "heat"),
    ("test_pipeline.3.keys", 5, "do not fit"),
    ("test_pipeline.2.std", [0, 1, 1], "std"),
    ("test_pipeline.2.mean", [1e300, 0, 0], "NaN or infinity"),
    ("model.test_cfg", ["flip"], "test_cfg"),
    ("model.test_cfg.post_process", "megvii", "megvii"),
    ("model.test_cfg.modulate_kernel", "11", "modulate_kernel"),
    ("model.test_cfg.softmax_temperature", "10", "softmax_temperature.*10"),
    ("model.test_cfg.use_udp", True, "use_udp"),
    ("model.test_cfg.hand_threshold", "0.3", "hand_threshold.*0.3"),
    ("model.test_cfg.hand_threshold", float("nan"), "hand_threshold"),
    ("model.backbone.extra.upsample", {"mode": "magic"}, "do not fit"),
    ("model.backbone.extra.stage1.num_channels", [10**9], "stage1 would have"),
    ("model", [], "model"),
    ("DETECTION", [1], "config_file"),
    ("DETECTION", {"type": "YOLO"}, "config_file"),
]


@pytest.mark.parametrize(("key", "value", "named"), SETTINGS)
def test_a_configuration_that_cannot_work_is_refused_at_the_door(
    tiny_dir: Callable[..., Path], key: str, value: Any, named: str
) -> None:
    def change(config: Any) -> None:
        *parents, last = [int(part) if part.isdigit() else part for part in key.split(".")]
        for part in parents:
            config = config[part]
        config[last] = value

    with pytest.raises(ConfigError, match=named):
        HandEstimator.from_pretrained(tiny_dir(edit=change), "cpu")


def test_the_flip_test_can_be_switched_off(tiny_dir: Callable[..., Path], estimator: HandEstimator) -> None:
    def plain(config: dict[str, Any]) -> None:
        config["model"]["test_cfg"]["flip_test"] = False

    once = HandEstimator.from_pretrained(tiny_dir(edit=plain), "cpu", detector=detect)
    assert np.abs(once(noise(0)).keypoints - estimator(noise(0)).keypoints).max() > 0.01


def test_the_rotation_test_can_be_switched_on(tiny_dir: Callable[..., Path], estimator: HandEstimator) -> None:
    def rotating(config: dict[str, Any]) -> None:
        config["model"]["test_cfg"]["rotation_test"] = 15

    rotated = HandEstimator.from_pretrained(tiny_dir(edit=rotating), "cpu", detector=detect)
    assert np.abs(rotated(noise(0)).keypoints - estimator(noise(0)).keypoints).max() > 0.01
