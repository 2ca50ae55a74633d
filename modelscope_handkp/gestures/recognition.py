"""`recognize`: the keypoints of hands -> the name of each one's gesture.

The method is that of MediaPipe Hands (Zhang et al. 2020, arXiv:2006.10214): the state of each finger from
the angles of its joints, then a table from states to gestures. There the joints lie in space; here they are seen in an
image, in which a finger that is bent toward the camera looks short and straight. So a state is judged by several
measures, of which some hold from every side (`measures`): a straight finger stays straight in any projection, a bent
one folds back toward the wrist or turns. Their weights are those of a logistic regression.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..hands import Hands
from ..skeleton import FINGERS, JOINTS_PER_FINGER
from . import rules
from .measures import KNUCKLES, WRIST, Float, finger_measures, has_size, points, thumb_measures, thumb_up
from .rules import BENT, EXTENDED, NONE, NOT_BENT, NOT_EXTENDED, TOUCHING

if TYPE_CHECKING:
    from .examples import GestureExamples

_MOST = 50.0  # of a weighted sum, beyond which the logistic function is 0 or 1
_PALM = (WRIST, *KNUCKLES)


@dataclass(frozen=True)
class Finger:
    """One finger: its name as in `skeleton.FINGERS`, its likeliest state ("extended", "bent" or "touching": the tip
    touches the thumb's) and the confidence in it, 0 to 1; low for a finger that is half bent or not well seen.
    "bent" is folded into the palm, of the thumb: across it."""

    name: str
    state: str
    confidence: float


@dataclass(frozen=True)
class Gesture:
    """The gesture of one hand.

    Attributes:
        name: one of `GESTURE_NAMES`, or a name of the examples.
        confidence: 0 to 1: the product of the chances that each finger that matters is as the gesture needs it, or, of
            examples, how near the nearest is. Of "none": how far all gestures are; low, too, for a hand that is hardly
            seen.
        fingers: the five `Finger` states, thumb first.
    """

    name: str
    confidence: float
    fingers: tuple[Finger, ...] = ()


GESTURE_NAMES = (*rules.GESTURES, NONE)


def recognize(hands: Hands, examples: "GestureExamples | None" = None) -> list[Gesture]:
    """The gesture of each of N hands, from their keypoints alone.

    A hand may have any size and rotation and be a left or a right one, mirrored or not; thumbs_up and thumbs_down are
    those of the image. Keypoints with a low score, or that are not `Hands.visible`, lower the confidence of what
    depends on them.

    Args:
        examples: gestures of your own; a hand that is near enough to one of them has its name, before the rules.
    Raises:
        InputError: hands are no `Hands`, or examples no `GestureExamples`.
    """
    reading = _read(hands)
    names, table = _table(hands, reading, examples)
    if not len(hands):
        return []
    best, sure, fingers = table.argmax(axis=1), table.max(axis=1), _fingers(reading)
    unnamed = (1 - sure) * reading.seen.mean(axis=1)
    return [
        Gesture(names[best[i]], float(sure[i]), fingers[i])
        if sure[i] >= rules.LEAST_CONFIDENCE
        else Gesture(NONE, float(unnamed[i]), fingers[i])
        for i in range(len(hands))
    ]


def confidences(hands: Hands, examples: "GestureExamples | None" = None) -> tuple[tuple[str, ...], Float]:
    """Names of G gestures, without "none", and how sure each is for each of N hands: (N, G), 0 to 1.

    `recognize` takes the highest. Args and raises as there.
    """
    return _table(hands, _read(hands), examples)


class _Reading(NamedTuple):
    """What is read from N hands: seen (N, 6), how well the palm and the five fingers are, 0 to 1; chances, of each
    state (N, 5), thumb first; up (N,): `measures.thumb_up`."""

    seen: Float
    chances: dict[str, Float]
    up: Float


def _read(hands: Hands) -> _Reading:
    if not isinstance(hands, Hands):
        raise InputError(f"hands must be Hands, as a HandEstimator gives them, got {hands!r:.80}.")
    place = points(hands.keypoints)
    of_fingers, of_thumb = finger_measures(place), thumb_measures(place)
    chances = {state: _chance(weights, of_fingers) for state, weights in rules.FINGER_WEIGHTS.items()}
    thumb = {state: _chance(weights, of_thumb) for state, weights in rules.THUMB_WEIGHTS.items()}
    thumb[TOUCHING] = chances[TOUCHING].max(axis=1)  # as the finger that it is nearest to
    both = {state: np.concatenate([thumb[state][:, None], chances[state]], axis=1) for state in chances}
    return _Reading(_seen(hands, has_size(place)), both, thumb_up(place))


def _seen(hands: Hands, has_shape: NDArray[np.bool_]) -> Float:
    """`_Reading.seen`: by the lowest score of their keypoints; 0 for hands (N,) without a shape."""
    known = hands.visible & np.isfinite(hands.keypoints).all(axis=-1) & has_shape[:, None]
    clear = np.clip(np.where(known, hands.keypoints[..., 2], 0.0) / rules.CLEAR_SCORE, 0.0, 1.0)
    palm = clear[:, _PALM].min(axis=1, keepdims=True)
    fingers: Float = clear[:, 1:].reshape(-1, len(FINGERS), JOINTS_PER_FINGER).min(axis=2)
    return np.concatenate([palm, fingers], axis=1)


def _logistic(values: Float) -> Float:
    chance: Float = 1 / (1 + np.exp(-np.clip(values, -_MOST, _MOST)))
    return chance


def _chance(weights: dict[str, float], measures: dict[str, Float]) -> Float:
    weighted = [weight * measures[name] for name, weight in weights.items() if name != "bias"]
    return _logistic(weights["bias"] + np.sum(weighted, axis=0))


def _table(hands: Hands, reading: _Reading, examples: "GestureExamples | None") -> tuple[tuple[str, ...], Float]:
    """Names and confidences (N, G) by the rules and the examples."""
    names, table = tuple(rules.GESTURES), _by_rules(reading)
    if examples is None:
        return names, table
    if not callable(getattr(examples, "merged", None)):
        raise InputError(f"examples must be GestureExamples, got {examples!r:.80}.")
    return examples.merged(names, table, hands, reading.seen.min(axis=1, initial=1.0))


def _by_rules(reading: _Reading) -> Float:
    """The confidence (N, G) of each gesture of the rules."""
    chances = dict(reading.chances)
    chances |= {NOT_EXTENDED: 1 - chances[EXTENDED], NOT_BENT: 1 - chances[BENT]}
    table = np.repeat(reading.seen[:, :1], len(rules.GESTURES), axis=1)
    for column, (name, needed) in enumerate(rules.GESTURES.items()):
        for finger, states in needed.items():
            index = FINGERS.index(finger)
            table[:, column] *= reading.seen[:, index + 1]
            for state in states:
                table[:, column] *= chances[state][:, index]
        if name in rules.UPRIGHT:
            up = rules.UPRIGHT[name] * reading.up - rules.UPRIGHT_LEAST
            table[:, column] *= _logistic(rules.UPRIGHT_STEEPNESS * up)
    return table


def _fingers(reading: _Reading) -> list[tuple[Finger, ...]]:
    """The likeliest state of each finger of each hand."""
    names, table = list(reading.chances), np.stack(list(reading.chances.values()))
    best, sure = table.argmax(axis=0).tolist(), (table.max(axis=0) * reading.seen[:, :1] * reading.seen[:, 1:]).tolist()
    return [
        tuple(Finger(finger, names[state], value) for finger, state, value in zip(FINGERS, states, values))
        for states, values in zip(best, sure)
    ]
