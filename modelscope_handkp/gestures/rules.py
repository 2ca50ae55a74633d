"""The rules of the named gestures: which weighted measures make a finger's state, and which states make a gesture.

They are plain values, so that another language can read them (`write_rules`) and name the same gestures.
"""

import json
from pathlib import Path
from typing import Any

from ..files import write_atomically
from ..skeleton import FINGERS, JOINTS_PER_FINGER
from .measures import KNUCKLES, WRIST

NONE = "none"
EXTENDED, BENT, TOUCHING = ("extended", "bent", "touching")
NOT_EXTENDED, NOT_BENT = "not extended", "not bent"

# The chance of a state is the logistic function of bias + the sum of weight x measure (`measures`). "touching": the
# finger's tip touches the thumb's. benchmarks/gesture_weights.py fits them to hands whose joint angles are known.
FINGER_WEIGHTS: dict[str, dict[str, float]] = {
    EXTENDED: {"bias": 1.98, "knuckle": -0.5, "turn": -0.75, "reach": 5.78, "span": -3.78, "heading": 1.01},
    BENT: {"bias": -4.21, "knuckle": 1.54, "turn": 1.03, "reach": -5.48, "span": -0.74, "heading": -0.22},
    TOUCHING: {"bias": 2.0, "gap": -7.77},
}
THUMB_WEIGHTS: dict[str, dict[str, float]] = {
    EXTENDED: {"bias": 1.72, "turn": -0.59, "across": -1.44, "reach": 6.02, "length": -6.63, "away": 2.09},
    BENT: {"bias": -1.69, "turn": 0.78, "across": 1.38, "reach": -4.67, "length": 4.27, "away": -1.13},
}

_OUT, _IN, _NOT_OUT, _NOT_IN = (EXTENDED,), (BENT,), (NOT_EXTENDED,), (NOT_BENT,)


def _needs(thumb: tuple[str, ...], *fingers: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {name: states for name, states in zip(FINGERS, (thumb, *fingers)) if states}


# Of each gesture the fingers that matter and the states, all of them, that they need; thumb first, then forefinger to
# pinky; () is any state.
GESTURES: dict[str, dict[str, tuple[str, ...]]] = {
    "fist": _needs(_NOT_OUT, _IN, _IN, _IN, _IN),
    "open_palm": _needs(_NOT_IN, _OUT, _OUT, _OUT, _OUT),
    "pointing": _needs((), _OUT, _IN, _IN, _IN),
    "victory": _needs(_NOT_OUT, _OUT, _OUT, _IN, _IN),
    "three": _needs(_NOT_OUT, _OUT, _OUT, _OUT, _IN),
    "four": _needs(_IN, _OUT, _OUT, _OUT, _OUT),
    "ok": _needs((), (TOUCHING,), _NOT_IN, _OUT, _OUT),
    "thumbs_up": _needs(_OUT, _IN, _IN, _IN, _IN),
    "thumbs_down": _needs(_OUT, _IN, _IN, _IN, _IN),
    "pinch": _needs((), (TOUCHING, NOT_BENT), _NOT_OUT, _NOT_OUT, _NOT_OUT),
    "call": _needs(_OUT, _IN, _IN, _IN, _OUT),
    "rock": _needs((), _OUT, _IN, _IN, _OUT),
}
# Gestures whose thumb points up (1) or down (-1) in the image: also the logistic function of steepness x (cosine
# between the thumb and that way - least).
UPRIGHT = {"thumbs_up": 1, "thumbs_down": -1}
UPRIGHT_LEAST, UPRIGHT_STEEPNESS = 0.7, 12.0
CLEAR_SCORE = 0.3  # of a keypoint, from which on it counts in full
LEAST_CONFIDENCE = 0.2  # of a gesture; what no gesture reaches is NONE


def gesture_rules() -> dict[str, Any]:
    """The rules as plain values, as `recognize` follows them: keypoint indices, weights, gestures and thresholds."""
    chains = {name: [1 + i * JOINTS_PER_FINGER + j for j in range(JOINTS_PER_FINGER)] for i, name in enumerate(FINGERS)}
    values = {
        "keypoints": {"wrist": WRIST, "knuckles": list(KNUCKLES), "fingers": chains},
        "finger_weights": FINGER_WEIGHTS,
        "thumb_weights": THUMB_WEIGHTS,
        "gestures": GESTURES,
        "upright": {"ways": UPRIGHT, "least": UPRIGHT_LEAST, "steepness": UPRIGHT_STEEPNESS},
        "clear_score": CLEAR_SCORE,
        "least_confidence": LEAST_CONFIDENCE,
        "none": NONE,
    }
    copied: dict[str, Any] = json.loads(json.dumps(values))
    return copied


def write_rules(path: str | Path) -> None:
    """Write `gesture_rules` as a JSON file.

    Raises:
        OSError: a folder that is not there or not writable.
    """
    write_atomically(path, (json.dumps(gesture_rules(), indent=2) + "\n").encode())
