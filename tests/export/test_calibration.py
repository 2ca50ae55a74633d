"""Images that networks are compared and calibrated on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from model_dirs import write_tiny_dir_with_yolox

from modelscope_handkp.errors import InputError
from modelscope_handkp.export.calibration import Samples
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.model_dir.settings import ModelSettings


def samples(model: Path, **options: Any) -> Samples:
    return Samples.of(model, ModelSettings.parse(read_configuration(model)), **options)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for index in range(7):
        cv2.imwrite(str(tmp_path / "images" / f"{index}.png"), rng.integers(0, 255, (50, 70, 3), np.uint8))
    return tmp_path / "images"


def test_renders_are_compared_on_few_and_calibrated_on_many(tiny_dir: Callable[..., Path]) -> None:
    model = tiny_dir()
    few, many = samples(model), samples(model, calibrate=True)
    assert 4 <= len(few.crops) < 20 < len(many.crops)
    assert {tuple(crop.shape) for crop in many.crops} == {(1, 3, 64, 64)}
    assert few.images == []


def test_the_detector_sees_the_images(tmp_path: Path) -> None:
    found = samples(write_tiny_dir_with_yolox(tmp_path / "model"))
    assert [tuple(image.shape) for image in found.images] == [(1, 3, 64, 64)] * 4
    assert found.inputs("detector") is found.images
    assert found.inputs("keypoints") is found.crops


def test_a_folder_without_detector_gives_whole_images(tiny_dir: Callable[..., Path], images: Path) -> None:
    assert len(samples(tiny_dir(), calibrate=True, folder=images).crops) == 7


def test_images_that_cannot_be_read_are_left_out_by_name(
    tiny_dir: Callable[..., Path], images: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (images / "3.png").write_bytes(b"no image")
    (images / "notes.txt").write_text("mine")
    assert len(samples(tiny_dir(), calibrate=True, folder=images).crops) == 6
    (record,) = [record for record in caplog.records if "left out of the calibration" in record.getMessage()]
    assert "3.png" in record.getMessage()


def test_a_folder_of_few_hands_or_none_is_refused(tiny_dir: Callable[..., Path], tmp_path: Path, images: Path) -> None:
    for index in range(3):
        (images / f"{index}.png").unlink()
    with pytest.raises(InputError, match="4 hands were found; calibration needs more than 4"):
        samples(tiny_dir(), calibrate=True, folder=images)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: 0 hands were found"):
        samples(tiny_dir(), calibrate=True, folder=tmp_path / "empty")
    model = write_tiny_dir_with_yolox(tmp_path / "model", score_threshold=1.0)
    with pytest.raises(InputError, match="images: 0 hands were found"):
        samples(model, calibrate=True, folder=images)


def test_what_is_no_folder_is_named(tiny_dir: Callable[..., Path], images: Path) -> None:
    for place in (images / "0.png", images / "nowhere"):
        with pytest.raises(InputError, match=f"{place} is no folder of images"):
            samples(tiny_dir(), calibrate=True, folder=place)
