"""Detectors by the name that a configuration gives them."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelscope_handkp.detection import DETECTORS, build_detector
from modelscope_handkp.errors import ConfigError, InputError
from modelscope_handkp.model_dir.settings import DetectionSettings

SETTINGS = DetectionSettings(kind="Own", config_file="a.py", model_path="a.pth", score_threshold=0.5)


class Own:
    """A detector that keeps what it is built of and finds two hands anywhere."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def detect(self, images: Any) -> Any:
        return [([[0, 0, 5, 5], [2, 2, 9, 9]], [0.9, 0.3]) for _ in images]


def engine(network: Any) -> Any:
    raise AssertionError("no network is built here")


def build(settings: DetectionSettings | None, score_threshold: Any = None, instead: Any = None) -> Any:
    return build_detector(Path("folder"), settings, score_threshold, engine, instead)


def test_the_detector_of_that_name_is_built(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(DETECTORS, "Own", Own)
    built = build(SETTINGS, 0.25)
    assert isinstance(built, Own)
    assert built.arguments == (Path("folder"), SETTINGS, 0.25, engine)
    assert caplog.text == ""


def test_a_detector_that_is_passed_comes_in_its_place() -> None:
    own = Own()
    assert build(SETTINGS, instead=own) is own
    assert build(None, instead=own) is own
    (boxes, scores), _ = build(SETTINGS, 0.5, own).detect([np.zeros((9, 9, 3), np.uint8)] * 2)
    assert (boxes.tolist(), scores.tolist()) == ([[0, 0, 5, 5]], [np.float32(0.9)])


def test_without_a_detector_the_log_says_what_is_done(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert build(None) is None
    assert "folder has no DETECTION: without boxes= the whole image" in caplog.text


def test_an_unknown_name_is_named_beside_the_known() -> None:
    with pytest.raises(ConfigError, match=r"DETECTION\.type 'Own' is not known; known are DetectionPredictor"):
        build(SETTINGS)


@pytest.mark.parametrize("instead", [None, Own()])
@pytest.mark.parametrize("score_threshold", [-0.1, 1.1, "0.5"])
def test_a_threshold_out_of_range_is_named(score_threshold: Any, instead: Any) -> None:
    with pytest.raises(InputError, match=r"^score_threshold must"):
        build(None, score_threshold, instead)
