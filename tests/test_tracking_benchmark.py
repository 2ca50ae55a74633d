"""What benchmarks/tracking.py counts, on clips whose figures are known."""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelscope_handkp.hands import Hands
from modelscope_handkp.pose.refine import around
from modelscope_handkp.synthetic import ClipFrame

SIZE = (640, 480)
SHAPE = np.random.default_rng(4).uniform(-50, 50, (21, 2))


@pytest.fixture
def tracking(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
    return importlib.import_module("tracking")


def keypoints(x: float, y: float = 200.0) -> np.ndarray:
    return np.concatenate([SHAPE + np.array([x, y]), np.full((21, 1), 2.0)], axis=1).astype(np.float32)


def clip(tracking: Any, frames: int, found: Any, ids: Any, hands: int = 1) -> list[Any]:
    """Hands that move by 6 px a frame; ``found(frame, hand)`` are their x and ``ids(frame)`` their ids."""
    rows = []
    for index in range(frames):
        true = np.stack([keypoints(100 + 6 * index, 100 + 150 * hand) for hand in range(hands)])
        seen = np.stack([keypoints(found(index, hand), 100 + 150 * hand) for hand in range(hands)])
        truth = ClipFrame(index, index / 30, None, true, around(true, *SIZE), np.arange(hands))
        rows.append(tracking.Found(truth, Hands(seen, around(seen, *SIZE), np.ones(hands), ids=np.array(ids(index)))))
    return rows


def test_a_perfect_tracker(tracking: Any) -> None:
    pytest.importorskip("motmetrics", reason="identities are counted by motmetrics")
    found = tracking.numbers([clip(tracking, 30, lambda i, _: 100 + 6 * i, lambda i: [5, 7], hands=2)], True)
    assert found["idf1"] == found["recall@0.5"] == found["pck@0.2"] == 1
    assert found["identity switches in 200 frames"] == found["false boxes a frame"] == 0
    assert found["jitter"] == pytest.approx(0, abs=1e-3)
    assert found["lag, frames"] == pytest.approx(0, abs=1e-9)


def test_identities_that_are_exchanged_once(tracking: Any) -> None:
    """IDF1 by hand: of 2 x 40 hands the ids that fit best are right in 2 x 30. Ids of clips are not one another's."""
    pytest.importorskip("motmetrics", reason="identities are counted by motmetrics")
    exchanged = clip(tracking, 40, lambda i, _: 100 + 6 * i, lambda i: [1, 2] if i < 30 else [2, 1], hands=2)
    found = tracking.identity_numbers([exchanged])
    assert found["idf1"] == pytest.approx(60 / 80)
    assert found["identity switches in 200 frames"] == pytest.approx(2 * 200 / 40)
    perfect = clip(tracking, 40, lambda i, _: 100 + 6 * i, lambda i: [2, 1], hands=2)
    assert tracking.identity_numbers([exchanged, perfect])["idf1"] == pytest.approx(140 / 160)


@pytest.mark.parametrize("delay", [0.0, 0.5, 1.0, 2.0])
def test_the_lag_is_the_delay(tracking: Any, delay: float) -> None:
    late = clip(tracking, 40, lambda i, _: 100 + 6 * (i - delay), lambda i: [1])
    assert tracking.lag([late]) == pytest.approx(delay, abs=1e-9)


def test_jitter_is_the_difference_of_acceleration(tracking: Any) -> None:
    """Every other frame 1 px to the right: the second difference of the error is 2 px in each frame."""
    shaking = clip(tracking, 20, lambda i, _: 100 + 6 * i + i % 2, lambda i: [1])
    side = shaking[0].truth.boxes[0]
    expected = 1000 * 2 / (side[2:] - side[:2]).max()
    np.testing.assert_allclose(tracking.jitter(shaking), expected, rtol=1e-2)
