"""What benchmarks/gestures.py counts, on hands whose figures are known."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelscope_handkp import Hands


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module("gestures")


def test_macro_f1_is_the_mean_over_the_names_that_occur(benchmark: Any) -> None:
    counts = benchmark.confusion(np.array([0, 0, 0, 1, 12]), np.array([0, 0, 1, 1, 12]))
    assert counts[0, 0] == 2 and counts[0, 1] == 1 and counts.sum() == 5
    assert benchmark.macro_f1(counts) == pytest.approx((4 / 5 + 2 / 3 + 1) / 3)


def test_a_matrix_is_text_with_a_row_a_gesture(benchmark: Any) -> None:
    head, *rows = benchmark.as_text(benchmark.confusion(np.array([3]), np.array([12]))).splitlines()
    assert head.split() == list("abcdefghijklm") and len(rows) == 13
    assert rows[3].split() == ["d", "victory", *"." * 12, "1"]


@pytest.mark.parametrize("degrees, shown, seen", [(0, 1, True), (40, 1, True), (50, 1, False), (130, 1, False),
                                                  (140, 1, True), (0, 0.95, True), (0, 0.85, False)])  # fmt: skip
def test_hands_from_the_side_or_behind_objects_are_not_seen(
    degrees: float, shown: float, seen: bool, benchmark: Any
) -> None:
    joints = np.zeros((21, 3), np.float32)
    joints[5], joints[17] = (-25, 88, 0), (34, 75, 0)
    angle = np.deg2rad(degrees)
    turned = joints @ np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])
    assert benchmark.is_seen(turned, shown) is seen


def test_a_hand_that_is_not_found_is_none(benchmark: Any, hands_of: Any) -> None:
    assert benchmark.name_of(Hands.empty()) == 12
    assert benchmark.GESTURE_NAMES[benchmark.name_of(hands_of("ok", 1, 31, variety=0.0))] == "ok"
