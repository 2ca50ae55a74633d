"""Streams, batches, engines and detectors of the estimator."""

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from noise_images import SIZE, detect, noise
from PIL import Image

from modelscope_handkp import HandEstimator, Hands
from modelscope_handkp.detection import DETECTORS
from modelscope_handkp.engines import ENGINES, EagerEngine
from modelscope_handkp.errors import ConfigError, InputError, MissingFileError
from modelscope_handkp.hands import Result
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.model_dir.settings import ModelSettings
from modelscope_handkp.synthetic import render_image


@pytest.fixture(scope="module")
def directory(tiny_dir: Callable[..., Path]) -> Path:
    return tiny_dir()


@pytest.fixture(scope="module")
def estimator(directory: Path) -> HandEstimator:
    return HandEstimator.from_pretrained(directory, device="cpu", batch_size=4, detector=detect)


def assert_same(one: Hands, other: Hands) -> None:
    np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-2)
    np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)
    np.testing.assert_allclose(one.keypoints, other.keypoints, atol=1e-2)


class Recorder:
    """An engine that keeps what it is given."""

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.inputs: list[torch.Tensor] = []

    def __call__(self, images: torch.Tensor) -> Any:
        self.inputs.append(images)
        return self.engine(images)


@pytest.fixture
def recorders(monkeypatch: pytest.MonkeyPatch) -> list[Recorder]:
    """The engines of ``from_pretrained(engine="recorder")``: of the detector if there is one, then of the keypoints."""
    made: list[Recorder] = []

    def build(network: torch.nn.Module, device: torch.device, fold: bool, *_: Any) -> Recorder:
        made.append(Recorder(EagerEngine(network, device, fold)))
        return made[-1]

    monkeypatch.setitem(ENGINES, "recorder", build)
    return made


# --- batches


def test_batches_are_never_larger_than_said(directory: Path, recorders: list[Recorder]) -> None:
    ours = HandEstimator.from_pretrained(directory, "cpu", batch_size=4, detector=detect, engine="recorder")
    recorders[0].inputs.clear()
    ours([noise(i, count) for i, count in enumerate([3, 3, 9, 0])])
    assert [len(crops) for crops in recorders[0].inputs] == [2 * 4, 2 * 4, 2 * 4, 2 * 3]  # plain and mirrored


def test_several_images_share_the_passes_of_the_embedded_model(recorders: list[Recorder]) -> None:
    rendered = [render_image(7_400_000 + seed, hands=3, level="easy", size=(320, 240))[0] for seed in (1, 4, 6)]
    images = [*rendered, *(np.ascontiguousarray(image[:, ::-1]) for image in rendered)]
    together = HandEstimator.from_pretrained(device="cpu", engine="recorder")
    detector, keypoints = recorders
    for recorder in recorders:
        recorder.inputs.clear()
    hands = together(images)
    assert sum(map(len, hands)) >= 12
    assert len(keypoints.inputs) <= 4
    assert len(detector.inputs) < len(images)
    alone, expected = together(images[1]), hands[1]
    np.testing.assert_allclose(alone.boxes, expected.boxes, atol=0.2)  # convolutions round by the size of the batch
    np.testing.assert_allclose(alone.keypoints, expected.keypoints, atol=0.2)


def test_the_network_gets_rgb(directory: Path, recorders: list[Recorder]) -> None:
    ours = HandEstimator.from_pretrained(directory, "cpu", engine="recorder")
    red = np.zeros((SIZE, SIZE, 3), np.uint8)
    red[..., 2] = 255
    ours(red, [20, 20, 70, 70])
    pixel = recorders[0].inputs[-1][0, :, 32, 32]
    assert [round(float(value), 2) for value in pixel] == [2.25, -2.04, -1.8]  # (x - mean) / std


def test_32_crops_share_a_pass_where_nothing_is_said(directory: Path, recorders: list[Recorder]) -> None:
    ours = HandEstimator.from_pretrained(directory, "cpu", detector=detect, engine="recorder")
    recorders[0].inputs.clear()
    ours([noise(0, 30), noise(1, 3)])
    assert [len(crops) for crops in recorders[0].inputs] == [2 * 32, 2 * 1]


# --- streams


def counted(frames: list[np.ndarray], read: list[int]) -> Iterator[np.ndarray]:
    for number, frame in enumerate(frames):
        read.append(number)
        yield frame


def test_a_live_source_has_each_result_before_the_next_image_is_read(estimator: HandEstimator) -> None:
    read: list[int] = []
    frames = [noise(i, count) for i, count in enumerate([2, 0, 1, 7, 0])]
    for number, result in enumerate(estimator.stream(counted(frames, read), max_waiting=1)):
        assert read == list(range(number + 1))
        assert_same(result.hands, estimator(frames[number]))


@pytest.mark.parametrize("max_waiting", [2, 3, None])
def test_so_many_images_wait(estimator: HandEstimator, max_waiting: int | None) -> None:
    read: list[int] = []
    results = estimator.stream(counted([noise(i, 1) for i in range(50)], read), max_waiting=max_waiting)
    next(results)
    assert len(read) == (max_waiting or estimator.batch_size)


@pytest.mark.parametrize("max_waiting", [0, -1, 1.5, "all", True])
def test_a_number_of_waiting_images_that_is_none_is_named(estimator: HandEstimator, max_waiting: Any) -> None:
    with pytest.raises(InputError, match="max_waiting"):
        estimator.stream([], max_waiting=max_waiting)


def test_large_images_do_not_wait_in_numbers(estimator: HandEstimator) -> None:
    read: list[int] = []
    large = np.zeros((4000, 5000, 3), np.uint8)  # 60 MB each, of which no more than two are held
    next(estimator.stream(counted([large] * 4, read), max_waiting=4))
    assert len(read) == 2


def test_a_stream_tells_source_image_hands_and_errors_in_order(estimator: HandEstimator, tmp_path: Path) -> None:
    good, text = tmp_path / "a.png", tmp_path / "b.png"
    cv2.imwrite(str(good), noise(1, 2))
    text.write_text("no image")
    sources = [str(good), "missing.png", noise(2, 1), text, 5, good]
    results = list(estimator.stream(sources))
    assert all(result.source is source for result, source in zip(results, sources, strict=True))
    errors = [type(None), MissingFileError, type(None), InputError, InputError, type(None)]
    assert [type(result.error) for result in results] == errors
    for result in results:
        assert isinstance(result, Result)
        assert (result.image is None) == (result.hands is None) == (result.error is not None)
    np.testing.assert_array_equal(results[0].image, noise(1, 2))
    assert [len(results[i].hands) for i in (0, 2, 5)] == [2, 1, 2]


def test_boxes_that_cannot_be_used_are_the_error_of_their_image(estimator: HandEstimator) -> None:
    results = list(estimator.stream([noise(0)] * 3, [[[0, 0, 9, 9]], [[9, 9, 3, 3]], None]))
    assert [result.error is None for result in results] == [True, False, True]


@pytest.mark.parametrize(
    ("sources", "boxes"),
    [
        ([noise(0)] * 2, [None]),
        ([noise(0)], [None, None]),
        (iter([noise(0)] * 2), [None]),
        ([noise(0)], iter([None, None])),
        (iter([noise(0)]), iter([])),
        ([noise(0)], 5),
        ([noise(0)] * 3, "all"),
    ],
)
def test_another_number_of_boxes_than_of_images_is_an_error(estimator: HandEstimator, sources: Any, boxes: Any) -> None:
    with pytest.raises(InputError, match="boxes"):
        list(estimator.stream(sources, boxes))


@pytest.mark.parametrize("source", ["a.jpg", Path("a.jpg"), noise(0), noise(0)[..., 0], None, b"bytes"])
def test_one_image_is_no_stream(estimator: HandEstimator, source: Any) -> None:
    with pytest.raises(InputError, match="takes several images"):
        estimator.stream(source)


def test_what_was_read_before_a_source_fails_has_its_results(estimator: HandEstimator) -> None:
    def frames() -> Iterator[np.ndarray]:
        yield from (noise(i) for i in range(6))
        raise RuntimeError("the camera is gone")

    results = estimator.stream(frames())
    assert [len(next(results).hands) for _ in range(6)] == [1] * 6
    with pytest.raises(RuntimeError, match="camera is gone"):
        next(results)


def test_the_hands_know_their_image(estimator: HandEstimator) -> None:
    assert estimator(noise(0)[:40]).image_size == (SIZE, 40)


# --- several images in one array or tensor, and what is one image


BATCH = np.stack([noise(i, count) for i, count in enumerate([2, 0, 1])])
RGB_BATCH = torch.from_numpy(np.ascontiguousarray(BATCH[..., ::-1]))


@pytest.mark.parametrize(
    "batch",
    [
        BATCH,
        BATCH / np.float32(255),
        RGB_BATCH,
        RGB_BATCH.permute(0, 3, 1, 2),
        RGB_BATCH.permute(0, 3, 1, 2).float() / 255,
    ],
)
def test_a_batch_gives_what_its_images_give(estimator: HandEstimator, batch: Any) -> None:
    expected = [estimator(image) for image in BATCH]
    hands = estimator(batch)
    assert [len(one) for one in hands] == [2, 0, 1]
    results = list(estimator.stream(batch))
    for one, result, alone in zip(hands, results, expected, strict=True):
        assert_same(one, alone)
        assert_same(result.hands, alone)


def test_gray_batches_have_a_channel(estimator: HandEstimator) -> None:
    gray = BATCH[..., :1]
    expected = [estimator(image) for image in gray]
    for batch in (gray, torch.from_numpy(gray), torch.from_numpy(gray).permute(0, 3, 1, 2)):
        for one, alone in zip(estimator(batch), expected, strict=True):
            assert_same(one, alone)
    for batch in (gray[..., 0], torch.from_numpy(gray[:2, ..., 0])):
        with pytest.raises(InputError, match=r"\(\d, 96, 96\)"):
            estimator(batch)


def test_a_batch_has_boxes_for_each_image(estimator: HandEstimator) -> None:
    boxes = [[[10, 10, 50, 60]], None, [[0, 0, 9, 9], [5, 5, 90, 90]]]
    for batch in (BATCH, RGB_BATCH):
        hands = estimator(batch, boxes)
        assert [len(one) for one in hands] == [1, 0, 2]
        assert_same(hands[2], estimator(BATCH[2], boxes[2]))
        with pytest.raises(InputError, match="3 images need as many entries of boxes, got 2"):
            estimator(batch, boxes[:2])


def test_a_batch_without_images_gives_an_empty_list(estimator: HandEstimator) -> None:
    assert estimator(BATCH[:0]) == estimator(RGB_BATCH[:0]) == []


def test_a_batch_with_the_channels_elsewhere_says_what_to_pass(estimator: HandEstimator) -> None:
    with pytest.raises(InputError, match=r"transpose\(1, 2, 0\)"):
        estimator(BATCH.transpose(0, 3, 1, 2))
    results = list(estimator.stream(BATCH.transpose(0, 3, 1, 2)))
    assert [type(result.error) for result in results] == [InputError] * 3
    with pytest.raises(InputError, match=r"\(7, 96, 96\)"):
        estimator(torch.zeros(2, 7, SIZE, SIZE))


PNG = cv2.imencode(".png", BATCH[0])[1].tobytes()
DATA_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


@pytest.mark.parametrize("source", [PNG, bytearray(PNG), io.BytesIO(PNG), DATA_URL, RGB_BATCH[0].permute(2, 0, 1)])
def test_encoded_images_and_tensors_go_end_to_end(estimator: HandEstimator, source: Any) -> None:
    assert_same(estimator(source), estimator(BATCH[0]))
    for result in estimator.stream([source, source]):
        assert_same(result.hands, estimator(BATCH[0]))


@pytest.mark.parametrize(
    "one", ["a.png", Path("a.png"), PNG, bytearray(PNG), memoryview(PNG), io.BytesIO(PNG), DATA_URL, BATCH[0],
            BATCH[0, ..., 0], RGB_BATCH[0], Image.fromarray(BATCH[0]), 5, None]
)  # fmt: skip
def test_one_image_of_any_kind_is_no_stream(estimator: HandEstimator, one: Any) -> None:
    with pytest.raises(InputError, match=f"several images, got one {type(one).__name__}") as caught:
        estimator.stream(one)
    assert len(str(caught.value)) < 200


def test_a_camera_that_can_be_read_and_iterated_is_a_stream(estimator: HandEstimator) -> None:
    class Camera:
        def read(self) -> np.ndarray:
            return BATCH[0]

        def __iter__(self) -> Iterator[np.ndarray]:
            return iter(BATCH)

    assert [len(result.hands) for result in estimator.stream(Camera())] == [2, 0, 1]


def test_a_result_holds_no_data_url(estimator: HandEstimator) -> None:
    broken = DATA_URL[:-300]
    good, bad = estimator.stream([DATA_URL, broken])
    for result, url in ((good, DATA_URL), (bad, broken)):
        assert result.source.startswith("data:image/png;base64,")
        assert len(result.source) < 100 and str(len(url)) in result.source
    assert len(str(bad.error)) < 200
    with pytest.raises(InputError) as caught:
        estimator(broken)
    assert len(str(caught.value)) < 200


# --- other engines and detectors


class Diagonal:
    """A toy engine: keypoint k lies k heatmap pixels from the left and from the top."""

    def __call__(self, crops: torch.Tensor) -> tuple[np.ndarray]:
        heatmaps = np.zeros((len(crops), 21, crops.shape[2] // 4, crops.shape[3] // 4), np.float32)
        for k in range(heatmaps.shape[2]):
            heatmaps[:, k, k, k] = 1
        return (heatmaps,)


class Left:
    """A toy detector: the left half of every image."""

    def detect(self, images: Sequence[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(np.array([[0, 0, image.shape[1] / 2, image.shape[0]]]), np.array([0.75])) for image in images]


def argmax_only(config: dict[str, Any]) -> None:
    config["model"]["test_cfg"] = {"flip_test": False, "post_process": None}


def test_a_new_engine_and_a_new_detector_are_a_line_in_a_table_each(
    tiny_dir: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit(config: dict[str, Any]) -> None:
        argmax_only(config)
        config["DETECTION"] = {"type": "Left", "config_file": "none", "model_path": "none"}

    monkeypatch.setitem(ENGINES, "diagonal", lambda *_: Diagonal())
    monkeypatch.setitem(DETECTORS, "Left", lambda model_dir, settings, score_threshold, engine: Left())
    ours = HandEstimator.from_pretrained(tiny_dir(edit=edit), "cpu", engine="diagonal")
    hands = ours(np.zeros((80, 160, 3), np.uint8))
    assert hands.boxes.tolist() == [[0, 0, 80, 80]]
    assert hands.scores.tolist() == [0.75]
    expected = [[-10, -10], [-3.75, -3.75], [2.5, 2.5]]  # the crop is 100 px wide, its heatmap 16
    np.testing.assert_allclose(hands.keypoints[0, :3, :2], expected)


def test_an_engine_and_a_detector_object_can_be_put_in(tiny_dir: Callable[..., Path]) -> None:
    settings = ModelSettings.parse(read_configuration(tiny_dir(edit=argmax_only)))
    hands = HandEstimator(Diagonal(), settings, Left())(noise(0))
    assert hands.boxes.tolist() == [[0, 0, SIZE / 2, SIZE]]
    assert hands.keypoint_threshold == 0
    assert HandEstimator(Diagonal(), settings, keypoint_threshold=0.5)(noise(0)).keypoint_threshold == 0.5


def test_crops_and_heatmaps_may_be_oblong(tiny_dir: Callable[..., Path]) -> None:
    def edit(config: dict[str, Any]) -> None:
        argmax_only(config)
        config["data_cfg"] |= {"image_size": [48, 64], "heatmap_size": [12, 16]}

    def engine(crops: torch.Tensor) -> tuple[np.ndarray]:
        heatmaps = np.zeros((len(crops), 21, crops.shape[2] // 4, crops.shape[3] // 4), np.float32)
        heatmaps[..., 4, 3] = 1
        return (heatmaps,)

    settings = ModelSettings.parse(read_configuration(tiny_dir(edit=edit)))
    hands = HandEstimator(engine, settings)(np.zeros((100, 75, 3), np.uint8))
    place = [3 * 93.75 / 12 - 9.375, 4 * 125 / 16 - 12.5]  # the crop is a quarter larger, its corner outside the image
    np.testing.assert_allclose(hands.keypoints[0, :, :2], [place] * 21, rtol=1e-6)


def test_an_engine_that_gives_no_numbers_somewhere_is_refused(tiny_dir: Callable[..., Path]) -> None:
    def engine(crops: torch.Tensor) -> tuple[np.ndarray]:
        (heatmaps,) = Diagonal()(crops)
        heatmaps[0, 3, 2, 1] = np.nan
        return (heatmaps,)

    settings = ModelSettings.parse(read_configuration(tiny_dir(edit=argmax_only)))
    with pytest.raises(ConfigError, match="NaN or infinity"):
        HandEstimator(engine, settings)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_detector_that_returns_another_number_of_detections_is_named(directory: Path, count: int) -> None:
    class Wrong:
        def detect(self, images: Sequence[np.ndarray]) -> list[Any]:
            return [(np.zeros((0, 4)), np.zeros(0))] * count

    with pytest.raises(InputError, match=f"{count} detections for 2 images"):
        HandEstimator.from_pretrained(directory, "cpu", detector=Wrong())([noise(0)] * 2)


@pytest.mark.parametrize("found", [None, 5, "boxes"])
@pytest.mark.parametrize("score_threshold", [None, 0.5])
def test_a_detector_that_returns_no_list_is_named(directory: Path, found: Any, score_threshold: float | None) -> None:
    class Wrong:
        def detect(self, images: Sequence[np.ndarray]) -> Any:
            return found

    ours = HandEstimator.from_pretrained(directory, "cpu", detector=Wrong(), score_threshold=score_threshold)
    with pytest.raises(InputError, match="the detector returned"):
        ours([noise(0)] * 2)


def test_unknown_engines_and_detectors_are_named(tiny_dir: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"'abacus'.*eager"):
        HandEstimator.from_pretrained(tiny_dir(), "cpu", engine="abacus")
    with pytest.raises(InputError, match="detector must be callable"):
        HandEstimator.from_pretrained(tiny_dir(), "cpu", detector=5)

    def yolo(config: dict[str, Any]) -> None:
        config["DETECTION"] = {"type": "YOLO", "config_file": "a", "model_path": "b"}

    with pytest.raises(ConfigError, match=r"DETECTION\.type 'YOLO'.*DetectionPredictor.*detector="):
        HandEstimator.from_pretrained(tiny_dir(edit=yolo), "cpu")
