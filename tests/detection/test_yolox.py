"""YOLOX: images -> boxes of hands."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from yolox_weights import NANO, seeded, settings

from modelscope_handkp.detection import build_detector
from modelscope_handkp.detection.yolox import YOLOXDetector, decode_boxes, letterbox, network_input, places
from modelscope_handkp.engines import EagerEngine
from modelscope_handkp.errors import CheckpointError, ConfigError, MissingFileError
from modelscope_handkp.geometry.boxes import xywh_to_xyxy
from modelscope_handkp.model_dir.settings import DetectionSettings
from modelscope_handkp.networks.yolox import build_yolox

SIZE = 64  # of the longer side of the input, pixels
STRIDES = (8, 16, 32)


def logit(probability: float) -> float:
    return float(torch.tensor(probability, dtype=torch.float64).logit())


class Engine:
    """Gives each image boxes at places: (stride, row, column) -> (x, y, w, h in strides as raw, score, class)."""

    def __init__(self, found: dict[tuple[int, int, int], tuple[list[float], float, int]], classes: int = 1) -> None:
        self.found, self.classes = found, classes
        self.inputs: list[torch.Tensor] = []

    def __call__(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        self.inputs.append(images)
        maps = []
        for stride in STRIDES:
            height, width = (side // stride for side in images.shape[2:])
            level = torch.full((len(images), 5 + self.classes, height, width), -20.0)
            for (at, row, column), (box, score, number) in self.found.items():
                if at == stride:
                    level[:, :4, row, column] = torch.tensor(box)
                    level[:, 4, row, column] = logit(score**0.5)  # score is that of the object times the class's
                    level[:, 5 + number, row, column] = logit(score**0.5)
            maps.append(level)
        return tuple(maps)


def detector_of(found: dict[Any, Any], score_threshold: float = 0.5, **changes: Any) -> YOLOXDetector:
    parsed = settings(**{"num_classes": 1, "input_size": SIZE, **changes})
    return YOLOXDetector(Engine(found, parsed.num_classes), parsed, score_threshold)


def blank(height: int, width: int) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


LOG2 = float(np.log(2))


def test_the_letterbox_is_yoloxs_without_the_rest_of_the_square(golden: Any) -> None:
    """golden/yolox/network.npz: 81 x 153 pixels in 96 x 96; within one grey level (OpenCV's versions differ)."""
    arrays = golden("yolox/network.npz")
    padded, scale = letterbox(arrays["photo"], 96)
    assert padded.shape == (64, 96, 3)
    assert scale == pytest.approx(float(arrays["scale"]))
    assert np.abs(padded.astype(int) - arrays["letterboxed"][:64].astype(int)).max() <= 1
    assert (padded[50:] == 114).all()
    assert (arrays["letterboxed"][64:] == 114).all()  # what is left out


@pytest.mark.parametrize(
    ("height", "width", "padded"),
    [(480, 640, (64, 64)), (640, 480, (64, 64)), (64, 64, (64, 64)), (100, 200, (32, 64)), (102, 200, (32, 64)),
     (200, 102, (64, 32)), (104, 200, (64, 64)), (1, 700, (32, 64)), (700, 1, (64, 32)), (1, 1, (64, 64))],
)  # fmt: skip
def test_an_input_is_no_larger_than_the_next_multiples_of_32(height: int, width: int, padded: tuple[int, int]) -> None:
    assert letterbox(blank(height, width), SIZE)[0].shape == (*padded, 3)


def test_decoded_boxes_are_yoloxs(golden: Any) -> None:
    """golden/yolox/network.npz, 1e-3 pixels."""
    arrays = golden("yolox/network.npz")
    maps = [torch.zeros(1, 85, 32 // stride, 256 // stride) for stride in STRIDES]
    boxes = decode_boxes(torch.from_numpy(arrays["nano"][:, :4]), *places(maps))
    x, y, width, height = arrays["nano_boxes"].T
    expected = xywh_to_xyxy(np.stack([x - width / 2, y - height / 2, width, height], 1))
    np.testing.assert_allclose(boxes, expected, atol=1e-3)


def test_the_colours_that_the_network_takes() -> None:
    image = np.zeros((32, 64, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 10, 20, 255  # BGR
    raw = network_input([image, image], normalised=False)
    assert raw.dtype == torch.float32
    assert raw.shape == (2, 3, 32, 64)
    assert raw[1, :, 5, 7].tolist() == [10, 20, 255]
    normalised = network_input([image], normalised=True)[0, :, 5, 7]
    expected = [(1 - 0.485) / 0.229, (20 / 255 - 0.456) / 0.224, (10 / 255 - 0.406) / 0.225]  # RGB
    np.testing.assert_allclose(normalised, expected, rtol=1e-5)


@pytest.mark.parametrize("normalised", [False, True])
def test_the_network_sees_what_is_configured(normalised: bool) -> None:
    detector = detector_of({}, normalised=normalised)
    image = np.full((64, 64, 3), (0, 128, 255), np.uint8)
    detector(image)
    seen: torch.Tensor = detector.engine.inputs[0]  # type: ignore[attr-defined]
    torch.testing.assert_close(seen, network_input([image], normalised))


def test_boxes_of_all_levels_in_pixels_of_the_image() -> None:
    """Twice as large as the input: centre (1.5, 2.5) strides of 8 is (24, 40) pixels, one stride is 16."""
    found = {
        (8, 2, 1): ([0.5, 0.5, 0, LOG2], 0.9, 0),
        (16, 0, 2): ([1.0, 1.0, 0, 0], 0.8, 0),
        (32, 1, 0): ([0.0, 0.0, 0, -LOG2], 0.7, 0),
    }
    boxes, scores = detector_of(found)(blank(128, 128))
    np.testing.assert_allclose(boxes, [[16, 24, 32, 56], [80, 16, 112, 48], [0, 48, 32, 80]], atol=1e-3)
    np.testing.assert_allclose(scores, [0.9, 0.8, 0.7], atol=1e-4)
    assert boxes.dtype == scores.dtype == np.float32


def test_one_of_several_classes_is_the_hand() -> None:
    found = {(8, 2, 1): ([0.5, 0.5, 0, 0], 0.9, 0), (16, 0, 2): ([0.5, 0.5, 0, 0], 0.8, 2)}
    for number, score in ((0, 0.9), (2, 0.8)):
        boxes, scores = detector_of(found, num_classes=3, hand_class=number)(blank(64, 64))
        assert len(boxes) == 1
        assert scores[0] == pytest.approx(score, abs=1e-4)
    assert len(detector_of(found, num_classes=3, hand_class=1)(blank(64, 64))[0]) == 0


def test_boxes_that_overlap_a_better_one_go() -> None:
    found = {
        (8, 2, 2): ([0.0, 0.0, LOG2, LOG2], 0.7, 0),
        (8, 2, 3): ([-0.8, 0.0, LOG2, LOG2], 0.9, 0),  # 0.2 strides beside, IoU 0.82
        (8, 5, 2): ([0.0, 0.0, LOG2, LOG2], 0.6, 0),
    }
    _, scores = detector_of(found)(blank(64, 64))
    np.testing.assert_allclose(scores, [0.9, 0.6], atol=1e-4)
    _, scores = detector_of(found, iou_threshold=0.85)(blank(64, 64))
    np.testing.assert_allclose(scores, [0.9, 0.7, 0.6], atol=1e-4)


def test_a_score_at_the_threshold_is_not_above_it() -> None:
    maps = [torch.full((1, 6, 64 // stride, 64 // stride), -20.0) for stride in STRIDES]
    for column, value in enumerate((0.0, 0.1)):
        maps[0][0, :, 0, 3 * column] = torch.tensor([0.5, 0.5, 0, 0, 20.0, value])
    detector = YOLOXDetector(lambda _: tuple(maps), settings(num_classes=1, input_size=SIZE), 0.5)
    assert detector(blank(64, 64))[1].tolist() == pytest.approx([1 / (1 + np.exp(-0.1))], abs=1e-5)


def test_at_most_a_thousand_candidates_and_a_hundred_boxes() -> None:
    """Of 256 boxes apart 100 remain; behind a thousand places that give one box, a further box is no candidate."""
    side = 128
    found = {(8, row, column): ([0.5, 0.5, -1, -1], 0.9, 0) for row in range(16) for column in range(16)}
    boxes, _ = detector_of(found, input_size=side)(blank(side, side))
    assert len(boxes) == 100
    side = 512
    crowd: dict[Any, Any] = {}
    for number in range(1000):
        row, column = divmod(number, 64)
        crowd[8, row, column] = ([-float(column), -float(row) + 40, 1, 1], 0.9, 0)
    crowd[16, 0, 0] = ([0.5, 0.5, 0, 0], 0.6, 0)
    _, scores = detector_of(crowd, input_size=side)(blank(side, side))
    np.testing.assert_allclose(scores, [0.9], atol=1e-4)
    del crowd[8, 15, 39]
    _, scores = detector_of(crowd, input_size=side)(blank(side, side))
    np.testing.assert_allclose(scores, [0.9, 0.6], atol=1e-4)


def test_boxes_lie_inside_the_image_and_have_area() -> None:
    found = {
        (8, 0, 0): ([0.0, 0.0, 50.0, 50.0], 0.9, 0),  # larger than any number of pixels
        (8, 3, 7): ([1.0, 0.9, 0, 0], 0.8, 0),  # half of it outside
        (32, 0, 1): ([0.5, 2.0, -1.0, -3.0], 0.7, 0),  # below the image
        (16, 1, 1): ([1e30, 0.5, 0, 0], 0.7, 0),
        (16, 0, 0): ([float("nan"), 0.5, 0, 0], 0.7, 0),
    }
    with np.errstate(all="raise"):
        boxes, scores = detector_of(found)(blank(30, 64))
    np.testing.assert_allclose(scores, [0.9, 0.8], atol=1e-4)
    np.testing.assert_allclose(boxes, [[0, 0, 64, 30], [60, 27.2, 64, 30]], atol=1e-3)


def test_scores_that_are_no_numbers_are_no_hands() -> None:
    maps = tuple(torch.full((1, 6, 64 // stride, 64 // stride), float("nan")) for stride in STRIDES)
    detector = YOLOXDetector(lambda _: maps, settings(num_classes=1, input_size=SIZE), 0.1)
    boxes, scores = detector(blank(64, 64))
    assert (boxes.shape, scores.shape) == ((0, 4), (0,))


def test_images_alike_go_through_the_network_two_at_a_time() -> None:
    detector = detector_of({(8, 2, 1): ([0.5, 0.5, 0, 0], 0.9, 0)})
    images = [blank(64, 64), blank(32, 64), blank(640, 640), blank(32, 64), blank(64, 48), blank(20, 64)]
    found = detector.detect(images)
    shapes = [tuple(batch.shape) for batch in detector.engine.inputs]  # type: ignore[attr-defined]
    assert sorted(shapes) == [(1, 3, 32, 64), (1, 3, 64, 64), (2, 3, 32, 64), (2, 3, 64, 64)]
    for image, (boxes, scores) in zip(images, found, strict=True):
        alone = detector(image)
        np.testing.assert_array_equal(boxes, alone[0])
        np.testing.assert_array_equal(scores, alone[1])
    assert found[2][0].tolist() == [[80, 160, 160, 240]]
    assert detector.detect([]) == []


CONFIG = {**NANO, "num_classes": 1, "width": 1 / 16, "input_size": SIZE}
BLOCK = {"type": "YOLOX", "config_file": "detection/config.py", "model_path": "detection/model.pth",
         "score_threshold": 0.2}  # fmt: skip


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of `CONFIG`'s network, not to be written to."""
    path = tmp_path_factory.mktemp("yolox") / "model.pth"
    network = seeded(build_yolox(settings(**CONFIG)))
    torch.save({"start_epoch": 300, "model": network.state_dict(), "optimizer": {}}, path)
    return path


@pytest.fixture
def directory(checkpoint: Path, tmp_path: Path) -> Path:
    (tmp_path / "detection").mkdir()
    write_config(tmp_path)
    shutil.copy(checkpoint, tmp_path / "detection" / "model.pth")
    return tmp_path


def write_config(directory: Path, **changes: Any) -> None:
    lines = [f"{key} = {value!r}\n" for key, value in {**CONFIG, **changes}.items()]
    (directory / "detection" / "config.py").write_text("".join(lines))


def load(directory: Path, score_threshold: float | None = None, **changes: Any) -> Any:
    block = DetectionSettings.parse({**BLOCK, **changes})
    return build_detector(directory, block, score_threshold, EagerEngine)


@pytest.mark.parametrize("size", [(64, 48), (1, 1), (1, 700), (700, 1), (33, 21)])
def test_a_model_directory_names_it(directory: Path, size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    image.flags.writeable = False
    everything = load(directory, 0)
    assert isinstance(everything, YOLOXDetector)
    boxes, scores = everything(image)
    assert len(boxes) > 0
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 2:] <= [size[1], size[0]]).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    assert (np.diff(scores) <= 0).all()


def test_the_callers_threshold_has_the_last_word(directory: Path) -> None:
    assert load(directory).score_threshold == 0.2
    assert load(directory, 0.1).score_threshold == 0.1


@pytest.mark.parametrize(
    ("change", "error", "named"),
    [
        ({"config_file": "nothing.py"}, MissingFileError, "nothing.py"),
        ({"config_file": "../config.py"}, ConfigError, "outside"),
        ({"model_path": "/dev/zero"}, ConfigError, "outside"),
        ({"model_path": 5}, ConfigError, "5"),
        ({"model_path": "nothing.pth"}, MissingFileError, "nothing.pth"),
        ({"model_path": "detection/config.py"}, CheckpointError, "config.py"),
    ],
)
def test_bad_detection_blocks_are_named(directory: Path, change: Any, error: Any, named: str) -> None:
    with pytest.raises(error, match=named):
        load(directory, **change)


def test_weights_of_another_network_are_named(directory: Path) -> None:
    write_config(directory, num_classes=80)
    with pytest.raises(
        CheckpointError, match=r"head\.cls_preds\.0\.weight \(1, 16, 1, 1\) instead of \(80, 16, 1, 1\)"
    ):
        load(directory)


def test_a_bad_configuration_is_named(directory: Path) -> None:
    write_config(directory, hand_class=1)
    with pytest.raises(ConfigError, match="hand_class"):
        load(directory)


def test_weights_that_give_no_numbers_are_refused(directory: Path) -> None:
    """Such a detector would silently find no hand."""
    path = directory / "detection" / "model.pth"
    content = torch.load(path)
    content["model"]["backbone.backbone.stem.conv.bn.running_var"][0] = -1
    torch.save(content, path)
    with pytest.raises(CheckpointError, match=r"model\.pth: the network turns a grey image into NaN or infinity"):
        load(directory)
