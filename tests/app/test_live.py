"""The frames of a camera."""

import time
from typing import Any

import cv2
import numpy as np
import pytest

from modelscope_handkp.app import Models
from modelscope_handkp.app.live import Live


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which only the test moves."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def answers(live: Live, clip: list[np.ndarray], clock: list[float], step: float) -> list[tuple[bytes, str]]:
    given = []
    for image in clip:
        clock[0] += step
        given.append(live.answer(image, "en"))
    return given


def test_a_hand_has_its_identity_and_its_gesture(models: Models, clip: Any, clock: list[float]) -> None:
    live = Live(models.get("embedded", "eager", 0, 0, "none"), ())
    drawn, words = answers(live, clip[:8], clock, 0.1)[-1]
    assert "Hand 1 · ✋ open palm" in words and "10.0 frames a second" in words and "busy" not in words
    assert cv2.imdecode(np.frombuffer(drawn, np.uint8), 1).shape == (240, 320, 3)
    blank = np.full((240, 320, 3), 128, np.uint8)
    assert "Show a hand" in answers(live, [blank] * 6, clock, 0.1)[-1][1]


def test_slow_answers_are_told_in_words(models: Models, clip: Any, clock: list[float]) -> None:
    live = Live(models.get("embedded", "eager", 0, 0, "none"), ())
    given = [words for _, words in answers(live, clip[:6], clock, 0.5)]
    assert "a second" not in given[3]  # too few to tell
    assert "2.0 frames a second: the server is busy" in given[-1]


def test_frames_at_one_moment_are_taken_one_after_another(models: Models, clip: Any, clock: list[float]) -> None:
    live = Live(models.get("embedded", "eager", 0, 0, "none"), ())
    assert len(answers(live, clip[:3], clock, 0.0)) == 3


def test_a_large_frame_is_made_smaller(models: Models, clock: list[float]) -> None:
    live = Live(models.get("embedded", "eager", 0, 0, "none"), ())
    drawn, _ = answers(live, [np.zeros((1080, 1920, 3), np.uint8)], clock, 0.1)[0]
    assert cv2.imdecode(np.frombuffer(drawn, np.uint8), 1).shape == (540, 960, 3)
