"""Which observed hand is which tracked one: the assignment of the least cost."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrays import Array
from ..errors import MissingPackageError
from .track import Observation, Track, length_of

GATE = 0.6  # hand lengths by which a hand may be away from where it is expected, from one frame to the next
GATE_GROWTH = 2.5  # hand lengths a second by which that grows while it is hidden
MAX_RATIO = 2.5  # of the lengths of a hand now and before
COLOR_WEIGHT = 0.02  # hand lengths that one unit of colour difference counts as
HIDDEN_COST = 0.3  # hand lengths, of a hand that was not seen in the frame before
IMPOSSIBLE = 1e6  # cost


def assign(tracks: Sequence[Track], observed: Sequence[Observation], time: float) -> list[tuple[int, int]]:
    """Pairs (index of track, index of observation), each in one pair at most.

    The cost of a pair is the mean distance of its keypoints from where the track is expected to have them, in hand
    lengths, and a share for another colour; pairs beyond a gate, which opens while a hand is hidden, are impossible.
    """
    if not tracks or not observed:
        return []
    costs = np.array([[_cost(track, seen, time) for seen in observed] for track in tracks])
    rows, columns = import_assignment()(costs)
    return [(int(row), int(column)) for row, column in zip(rows, columns) if costs[row, column] < IMPOSSIBLE]


def import_assignment() -> Callable[[Any], tuple[Any, Any]]:
    """``scipy.optimize.linear_sum_assignment``.

    Raises:
        MissingPackageError: scipy is not installed.
    """
    try:
        from scipy.optimize import linear_sum_assignment
    except ImportError:
        raise MissingPackageError("HandTracker needs scipy: pip install 'modelscope-handkp[video]'.") from None
    assignment: Callable[[Any], tuple[Any, Any]] = linear_sum_assignment
    return assignment


def _cost(track: Track, seen: Observation, time: float) -> float:
    length = length_of(seen.keypoints)
    ratio = length / track.length
    if not 1 / MAX_RATIO < ratio < MAX_RATIO:
        return IMPOSSIBLE
    expected = track.predicted(time)
    scale = max(length, track.length)
    distance = _mean_distance(seen.keypoints, expected) / scale
    hidden = 0.0 if track.visible else time - track.time
    if _middle_distance(seen.keypoints, expected) / scale > GATE + GATE_GROWTH * hidden:
        return IMPOSSIBLE
    if not track.visible:
        distance += HIDDEN_COST
    return distance + COLOR_WEIGHT * float(np.linalg.norm(seen.color - track.color))


def _mean_distance(keypoints: Array, others: Array) -> float:
    return float(np.linalg.norm(keypoints[:, :2] - others[:, :2], axis=1).mean())


def _middle_distance(keypoints: Array, others: Array) -> float:
    return float(np.linalg.norm(keypoints[:, :2].mean(axis=0) - others[:, :2].mean(axis=0)))
