"""The whole way: picture -> detect -> crop -> network -> decode -> Hands."""

import logging
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
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
from modelscope_handkp.estimator import pick_device
from modelscope_handkp.geometry.boxes import box_to_center_scale, iou, xyxy_to_xywh
from modelscope_handkp.pose.refine import SCORE_POWER, confirm, loose_boxes, replace_worse
from modelscope_handkp.synthetic import render_image

KEYPOINT_TOLERANCE, KEYPOINT_SHARE = 0.5, 0.95  # px: an argmax may flip between equal peaks of an untrained network
BOX_TOLERANCE = 0.05
SIZE = 96


def picture(seed: int, count: int = 1) -> np.ndarray:
    """(96, 96, 3) BGR; its first byte says how many hands `detect` finds."""
    small = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), np.uint8)
    image = cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    image[0, 0, 0] = count
    return image


def detect(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count = int(image[0, 0, 0])
    rng = np.random.default_rng(count)
    corner = rng.uniform(0, 50, (count, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(15, 45, (count, 2))], axis=1)
    return boxes, np.linspace(0.9, 0.5, count)


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


def test_the_whole_way_is_easycvs_with_the_right_crop_and_colours(golden: Any, hosted_dir: Callable[..., Path]) -> None:
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


# --- pictures with any number of hands


@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_every_hand_of_a_picture(estimator: HandEstimator, count: int) -> None:
    image = picture(count, count)
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

    hands = HandEstimator.from_pretrained(tiny_dir(edit=coarse), "cpu", detector=detect)(picture(3, 20))
    for box, keypoints in zip(hands.boxes, hands.keypoints):
        center, scale = box_to_center_scale(xyxy_to_xywh(box))
        half = scale * 200 / 2 * (1 + 2 / 16)  # and a heatmap pixel of (-1, -1)
        assert (np.abs(keypoints[:, :2] - center) <= half + 1e-3).all()


def test_detected_hands_are_confirmed_and_given_ones_kept(
    estimator: HandEstimator, tiny_dir: Callable[..., Path]
) -> None:
    images = [picture(i, count) for i, count in enumerate([6, 0, 1, 7])]
    every = estimator(images)
    products = [hands.scores**SCORE_POWER * hands.keypoints[..., 2].mean(axis=1) for hands in every]
    threshold = float(np.median(np.concatenate(products)))

    def strict(config: dict[str, Any]) -> None:
        config["model"]["test_cfg"]["hand_threshold"] = threshold

    some = HandEstimator.from_pretrained(tiny_dir(edit=strict), "cpu", batch_size=4, detector=detect)
    answers = some(images)
    assert 0 < sum(map(len, answers)) < sum(map(len, every))
    for image, hands, all_hands in zip(images, answers, every):
        loose, around = loose_boxes(all_hands, image.shape[1], image.shape[0])
        assert_same(hands, confirm(replace_worse(all_hands, loose, estimator(image, around)), threshold))
        assert_same(some(image, boxes=detect(image)[0]), estimator(image, boxes=detect(image)[0]))


def test_loose_boxes_are_moved_to_their_hands() -> None:
    before, after = [], []
    for seed in range(7_300_000, 7_300_010):
        image, _, truth = render_image(seed, level="easy")
        box = truth + 0.2 * (truth[0, 2:] - truth[0, :2]).max() * np.array([1, -1, 1, -1], np.float32)
        hands = HandEstimator.from_pretrained(device="cpu", detector=lambda _, box=box: (box, [0.9]))(image)
        before.append(iou(box, truth)[0, 0])
        after.append(iou(hands.boxes, truth).max(initial=0))
    assert np.mean(before) < 0.45 and np.mean(after) > np.mean(before) + 0.1


COUNTS = [1, 0, 2, 5, 0, 0, 1, 7, 0]


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_a_batch_of_pictures_answers_as_one_by_one(estimator: HandEstimator, directory: Path, batch_size: int) -> None:
    images = [picture(i, count) for i, count in enumerate(COUNTS)]
    together = HandEstimator.from_pretrained(directory, "cpu", batch_size, detector=detect)(images)
    assert [len(hands) for hands in together] == COUNTS
    for image, hands in zip(images, together):
        assert_same(hands, estimator(image))
    assert estimator(tuple(images[:2]))[0].keypoints.shape == (1, 21, 3)
    assert estimator([]) == []


def test_batches_are_never_larger_than_said(estimator: HandEstimator, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    network = estimator._network
    monkeypatch.setattr(estimator, "_network", lambda img, method: sizes.append(len(img)) or network(img, method))
    estimator([picture(i, count) for i, count in enumerate([3, 3, 9, 0, 2])])
    assert sizes == [4, 4, 4, 4, 1]


def test_pictures_without_hands_do_not_pile_up_behind_one_with(estimator: HandEstimator) -> None:
    read = 0

    def images() -> Iterator[np.ndarray]:
        nonlocal read
        for count in [1] + [0] * 50:
            read += 1
            yield picture(0, count)

    answers = estimator.stream(images())
    assert len(next(answers)) == 1
    assert read <= estimator.batch_size


def test_a_stream_gives_what_is_done_while_it_reads(estimator: HandEstimator) -> None:
    answers = estimator.stream(picture(i, 2) for i in range(1000))
    assert [len(next(answers)) for _ in range(4)] == [2] * 4


def test_threads_get_the_same_answers(estimator: HandEstimator) -> None:
    images = [picture(i, count) for i, count in enumerate([2, 0, 1, 3] * 3)]
    expected = [estimator(image) for image in images]
    with ThreadPoolExecutor(2) as pool:
        for hands, alone in zip(pool.map(estimator, images), expected):
            assert_same(hands, alone)


# --- inputs


def test_inputs_are_never_written_to(estimator: HandEstimator, tmp_path: Path) -> None:
    image, boxes = picture(0, 2), np.array([[10, 10, 60, 60], [-20, 5, 300, 40]], np.float32)
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


def test_every_kind_of_picture_gives_the_same(estimator: HandEstimator, tmp_path: Path) -> None:
    image, box = picture(1), [20, 20, 70, 80]
    expected = estimator(image, box)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    rgb = Image.fromarray(np.ascontiguousarray(image[..., ::-1]))
    alpha = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    for same in (tmp_path / "a.png", str(tmp_path / "a.png"), rgb, alpha, image.astype(np.uint16) * 257, image / 255):
        assert_same(estimator(same, box), expected)


def test_the_network_sees_rgb(estimator: HandEstimator, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    network = estimator._network
    monkeypatch.setattr(estimator, "_network", lambda img, method: seen.append(img) or network(img, method))
    red = np.zeros((SIZE, SIZE, 3), np.uint8)
    red[..., 2] = 255
    estimator(red, [20, 20, 70, 70])
    assert [round(float(value), 2) for value in seen[0][0, :, 32, 32]] == [2.25, -2.04, -1.8]  # (x - mean) / std


def test_the_crop_is_of_the_box(estimator: HandEstimator) -> None:
    """A hand moved with its box gives keypoints moved alike (the hosted model crops elsewhere)."""
    image = np.zeros((300, 300, 3), np.uint8)
    image[40:88, 40:88] = picture(5)[:48, :48]
    moved = np.zeros_like(image)
    moved[140:188, 190:238] = picture(5)[:48, :48]
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
    for image in (picture(2), picture(2)[:1, :1]):
        hands = estimator(image, box)
        assert np.isfinite(hands.keypoints).all()
        height, width = image.shape[:2]
        np.testing.assert_allclose(hands.boxes[0], np.clip(box, 0, [width, height, width, height]), atol=1e-4)
        assert hands.scores.tolist() == [1]


def test_without_a_detector_the_whole_picture_is_a_hand_and_that_is_said(
    directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        ours = HandEstimator.from_pretrained(directory, "cpu")
    assert "no DETECTION" in caplog.text
    hands = ours(picture(1))
    assert hands.boxes.tolist() == [[0, 0, SIZE, SIZE]]
    assert_same(hands, ours(picture(1), [0, 0, SIZE, SIZE]))
    assert len(ours(picture(1), boxes=[])) == 0


def test_a_detectors_own_picture_is_the_one_read(directory: Path) -> None:
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
def test_what_a_detector_answers_is_checked(directory: Path, found: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        HandEstimator.from_pretrained(directory, "cpu", detector=lambda image: found)(picture(0))


@pytest.mark.parametrize(
    ("image", "boxes", "named"),
    [
        (picture(0), [[0, 0, np.nan, 5]], "box 0 is not finite"),
        (picture(0), [[0, 0, 5, 5], [9, 9, 3, 3]], "box 1 is empty or reversed"),
        (picture(0), "all", "'all'"),
        (picture(0), [[0, 0, 5]], "shape"),
        ([picture(0)] * 2, [[0, 0, 5, 5]], "2 pictures"),
        ([picture(0)], 5, "1 pictures.*5"),
        ([picture(0), 5], None, "int"),
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


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan"), "0.5"])
def test_bad_thresholds(directory: Path, threshold: Any) -> None:
    with pytest.raises(InputError, match="score_threshold"):
        HandEstimator.from_pretrained(directory, "cpu", score_threshold=threshold)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", 5.5, "meta", ""])
def test_devices_that_cannot_be_used(device: Any) -> None:
    with pytest.raises(InputError, match="device"):
        pick_device(device)
    assert pick_device("cpu").type == "cpu"
    assert pick_device(None).type in ("cpu", "cuda")


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
    assert_same(HandEstimator.from_pretrained(tmp_path, "cpu", detector=detect)(picture(0)), estimator(picture(0)))


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
    assert np.abs(once(picture(0)).keypoints - estimator(picture(0)).keypoints).max() > 0.01


def test_the_rotation_test_can_be_switched_on(tiny_dir: Callable[..., Path], estimator: HandEstimator) -> None:
    def turning(config: dict[str, Any]) -> None:
        config["model"]["test_cfg"]["rotation_test"] = 15

    turned = HandEstimator.from_pretrained(tiny_dir(edit=turning), "cpu", detector=detect)
    assert np.abs(turned(picture(0)).keypoints - estimator(picture(0)).keypoints).max() > 0.01
