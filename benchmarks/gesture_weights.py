"""Fit the weights of `gestures/rules.py` to hands of the renderer, whose joint angles are known; no image is rendered.

    python benchmarks/gesture_weights.py [--hands 1000] [--seed 1]

Each state's weights are those of a logistic regression on the measures of a finger, over hands of all gestures and
other poses, from all sides, at the levels easy and medium; a third of them as they are, the others with noise on their
keypoints, as an estimator makes it. Prints the two tables as Python. benchmarks/gestures.py measures other seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from modelscope_handkp.gestures.measures import finger_measures, points, thumb_measures
from modelscope_handkp.synthetic import EASY, GESTURE_POSES, MEDIUM, Rng
from modelscope_handkp.synthetic.figures import sample_figures, stand

Array = NDArray[np.float64]

NOISE = (0.0, 0.02, 0.04)  # standard deviations, shares of the longer side of the keypoints' box
DISTANCES = (330.0, 1600.0)  # mm
# Degrees that a finger's three joints bend in all: what is in between teaches nothing.
EXTENDED_BELOW, NOT_EXTENDED_ABOVE = 60.0, 75.0
BENT_ABOVE, NOT_BENT_BELOW = 175.0, 140.0
# Degrees of a thumb: in the palm's plane away from the index, and down, knuckle and end joint in all.
THUMB_OUT, THUMB_STRAIGHT, THUMB_IN, THUMB_NOT_STRAIGHT = 40.0, 60.0, 25.0, 90.0
THUMB_BENT_ABOVE, THUMB_NOT_BENT_BELOW = 110.0, 65.0
TOUCHING_BELOW, APART_ABOVE = 30.0, 45.0  # mm from tip to tip
FINGER_STATES = ("knuckle", "turn", "reach", "span", "heading")
THUMB_STATES = ("turn", "across", "reach", "length", "away")
PENALTY = 1e-4
# Weights are scaled by this: a gesture multiplies the chances of fingers as if they were independent, but what misleads
# about one finger of a hand, its view or a poor crop, misleads about the others.
TEMPER = 0.5


class Known(NamedTuple):
    """N hands: points (N, 21, 2), flexion (N, 4) and thumb (N, 2), degrees; gap (N,) mm between thumb and index."""

    points: Array
    flexion: Array
    thumb: Array
    gap: Array


def known_hands(seed: int, count: int) -> Iterator[Known]:
    """`count` hands of each gesture and level."""
    for number, (level, gesture) in enumerate((level, name) for level in (EASY, MEDIUM) for name in GESTURE_POSES):
        rng = Rng(seed * 1000 + number)
        figures = sample_figures(rng, count, level.pose, gesture)
        joints = stand(figures).joints
        placed = joints - joints.mean(1, keepdim=True)
        placed[..., 2] += rng.log_uniform(*DISTANCES, count)[:, None]
        flat = placed[..., :2] / placed[..., 2:]
        angles = figures.angles
        thumb = torch.stack([angles.thumb[:, 0], angles.thumb[:, 1:].sum(1)], 1)
        gap = (joints[:, 4] - joints[:, 8]).norm(dim=1)
        yield Known(*(each.double().numpy() for each in (flat, angles.flex.sum(-1), thumb, gap)))


def noisy(hands: Array, rng: np.random.Generator) -> Array:
    """The hands with each amount of noise, one after the other."""
    side = (hands.max(axis=1) - hands.min(axis=1)).max(axis=1)[:, None, None]
    return np.concatenate([hands + rng.normal(size=hands.shape) * share * side for share in NOISE])


def fitted(measures: dict[str, Array], names: tuple[str, ...], yes: NDArray[np.bool_], no: NDArray[np.bool_]) -> dict:
    """Bias and weights that tell `yes` from `no`, with a small penalty on weights of standardised measures."""
    used = yes | no
    columns = torch.tensor(np.stack([measures[name][used] for name in names], axis=-1))
    target, mean, scale = torch.tensor(yes[used]).double(), columns.mean(0), columns.std(0)
    weights = torch.zeros(len(names) + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = (columns - mean) / scale @ weights[1:] + weights[0]
        value = torch.nn.functional.binary_cross_entropy_with_logits(logits, target)
        value = value + PENALTY * weights[1:].square().sum()
        value.backward()
        return value

    optimizer.step(loss)
    slopes = weights.detach()[1:] / scale
    bias = float(weights.detach()[0] - (slopes * mean).sum())
    values = {"bias": bias, **dict(zip(names, slopes.tolist()))}
    return {name: round(value * TEMPER, 2) for name, value in values.items()}


def main() -> None:
    """Pose, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hands", type=int, default=1000, help="of each gesture and level")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    flat, flexion, thumb, gap = (np.concatenate(column) for column in zip(*known_hands(args.seed, args.hands)))
    place = points(noisy(flat, np.random.default_rng(args.seed)))
    flexion, thumb, gap = (np.concatenate([each] * len(NOISE)) for each in (flexion, thumb, gap))
    fingers, thumbs = finger_measures(place), thumb_measures(place)
    forefinger = {name: values[:, 0] for name, values in fingers.items()}
    out, folded = thumb.T
    print("fingers", {
        "extended": fitted(fingers, FINGER_STATES, flexion < EXTENDED_BELOW, flexion > NOT_EXTENDED_ABOVE),
        "bent": fitted(fingers, FINGER_STATES, flexion > BENT_ABOVE, flexion < NOT_BENT_BELOW),
        "touching": fitted(forefinger, ("gap",), gap < TOUCHING_BELOW, gap > APART_ABOVE),
    })  # fmt: skip
    straight, bent = (out > THUMB_OUT) & (folded < THUMB_STRAIGHT), (out < THUMB_IN) & (folded > THUMB_NOT_STRAIGHT)
    print("thumb", {
        "extended": fitted(thumbs, THUMB_STATES, straight, bent),
        "bent": fitted(thumbs, THUMB_STATES, folded > THUMB_BENT_ABOVE, folded < THUMB_NOT_BENT_BELOW),
    })  # fmt: skip


if __name__ == "__main__":
    main()
