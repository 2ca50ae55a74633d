"""The work of an image: so many candidates, one view to confirm each, all views for the hands that are kept."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from noise_images import detect, noise

from modelscope_handkp import HandEstimator
from modelscope_handkp.engines import ENGINES, EagerEngine
from modelscope_handkp.errors import InputError

VIEWS = 4


@pytest.fixture
def crops_seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many crops each pass of an engine of the name "counter" gets."""
    seen: list[int] = []

    def build(network: torch.nn.Module, device: torch.device, fold: bool, *_: Any) -> Any:
        engine = EagerEngine(network, device, fold)

        def counted(images: torch.Tensor) -> Any:
            seen.append(len(images))
            return engine(images)

        return counted

    monkeypatch.setitem(ENGINES, "counter", build)
    return seen


def confirming(tiny_dir: Callable[..., Path], threshold: float | None = 0.0, **options: Any) -> HandEstimator:
    """A model of four views whose hand_threshold keeps every box that is a hand of its own, or that has none."""

    def edit(config: dict[str, Any]) -> None:
        config["model"]["test_cfg"] |= {"flip_test": True, "rotation_test": 15, "post_process": "default"}
        if threshold is not None:
            config["model"]["test_cfg"]["hand_threshold"] = threshold

    return HandEstimator.from_pretrained(tiny_dir(edit=edit), "cpu", detector=detect, engine="counter", **options)


def test_at_most_16_candidates_are_looked_at(tiny_dir: Callable[..., Path], crops_seen: list[int]) -> None:
    ours = confirming(tiny_dir)
    crops_seen.clear()
    hands = ours(noise(0, 60))
    assert crops_seen[0] == 16
    assert sum(crops_seen) <= (1 + 1 + VIEWS) * 16
    assert crops_seen[-1] % VIEWS == 0
    assert VIEWS * len(hands) <= crops_seen[-1] <= VIEWS * 16, "all views may still show that two are one"
    assert set(hands.scores) <= set(np.linspace(0.9, 0.5, 60, dtype=np.float32)[:16]), "the best ones"


@pytest.mark.parametrize("most", [1, 5, 40])
def test_how_many_candidates_can_be_said(tiny_dir: Callable[..., Path], crops_seen: list[int], most: int) -> None:
    ours = confirming(tiny_dir, max_candidates=most, batch_size=100)
    crops_seen.clear()
    ours(noise(0, 30))
    assert crops_seen[0] == min(most, 30)


def test_a_hand_that_one_view_does_not_confirm_costs_no_more(
    tiny_dir: Callable[..., Path], crops_seen: list[int]
) -> None:
    ours = confirming(tiny_dir, 1.0)
    crops_seen.clear()
    assert len(ours(noise(0, 7))) == 0
    assert crops_seen[0] == 7 and sum(crops_seen) <= 2 * 7, "a look at each, and at most one at its surroundings"


def test_all_views_decide_in_the_end(tiny_dir: Callable[..., Path], crops_seen: list[int]) -> None:
    """What is kept has at least the threshold's confidence in all views together, and their keypoints."""
    image = noise(3, 12)
    every = confirming(tiny_dir)(image)
    threshold = float(np.median(every.confidence))
    sure = confirming(tiny_dir, threshold)(image)
    assert 0 < len(sure) < len(every)
    assert (sure.confidence >= threshold).all()
    same = every[np.isin(every.scores, sure.scores)]
    np.testing.assert_allclose(same.keypoints, sure.keypoints, atol=1e-2)


def test_without_a_hand_threshold_all_boxes_are_hands(tiny_dir: Callable[..., Path], crops_seen: list[int]) -> None:
    ours = confirming(tiny_dir, None, batch_size=100)
    crops_seen.clear()
    assert len(ours(noise(0, 30))) == 30
    assert crops_seen == [VIEWS * 30]
    assert len(confirming(tiny_dir, None, max_candidates=3)(noise(0, 30))) == 3


def test_given_boxes_are_no_candidates(tiny_dir: Callable[..., Path], crops_seen: list[int]) -> None:
    ours = confirming(tiny_dir, 1.0, batch_size=100)
    crops_seen.clear()
    assert len(ours(noise(0), boxes=detect(noise(0, 30))[0])) == 30
    assert crops_seen == [VIEWS * 30]


@pytest.mark.parametrize("most", [0, -1, 2.5, True, "many"])
def test_a_number_of_candidates_that_is_none_is_named(tiny_dir: Callable[..., Path], most: Any) -> None:
    with pytest.raises(InputError, match="max_candidates"):
        HandEstimator.from_pretrained(tiny_dir(), "cpu", max_candidates=most)


def test_one_view_is_looked_at_once(tiny_dir: Callable[..., Path], crops_seen: list[int]) -> None:
    """What confirmed a hand is its result where there are no further views."""
    ours = confirming(tiny_dir, tta="none")
    crops_seen.clear()
    hands = ours(noise(0, 7))
    assert len(hands) and crops_seen[0] == 7
    assert sum(crops_seen) <= 2 * 7, "a look at each, and at most one at its surroundings"
    assert (hands.keypoints[..., 2] > 0).any() and np.isfinite(hands.keypoints).all()
