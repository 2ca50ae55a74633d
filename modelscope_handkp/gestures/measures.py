"""Geometry of a hand's keypoints in the image: ratios and angles that its size, rotation and mirroring do not change.

Points are complex numbers, x + iy, so that the angle from u to v is the argument of conj(u) v.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..skeleton import FINGERS, JOINTS_PER_FINGER

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]

WRIST, KNUCKLES = 0, tuple(1 + finger * JOINTS_PER_FINGER for finger in range(1, len(FINGERS)))
_TINY = 1e-12
_ROUNDING = 1e-6  # of coordinates in float32, as a share of the largest


def points(keypoints: NDArray[Any]) -> Complex:
    """(N, 21) complex from keypoints (N, 21, 2 or more); 0 where a coordinate is not finite."""
    flat = np.asarray(keypoints[..., :2], np.float64)
    flat = np.where(np.isfinite(flat).all(axis=-1, keepdims=True), flat, 0.0)
    joined: Complex = flat[..., 0] + 1j * flat[..., 1]
    return joined


def palm_size(hands: Complex) -> Float:
    """(N,) of each hand (N, 21): the root of its palm's squared length, wrist to middle knuckle, and squared width,
    first to last knuckle. A palm that is seen from a side keeps one of the two."""
    first, middle, _, last = (hands[:, knuckle] for knuckle in KNUCKLES)
    size: Float = np.hypot(np.abs(middle - hands[:, WRIST]), np.abs(last - first))
    return size + _TINY


def has_size(hands: Complex) -> NDArray[np.bool_]:
    """(N,): whether the palm of each hand (N, 21) is more than one point, but for the rounding of its coordinates."""
    sized: NDArray[np.bool_] = palm_size(hands) > _ROUNDING * (1 + np.abs(hands).max(axis=1))
    return sized


def _angle(first: Complex, second: Complex) -> Float:
    """Radians between two vectors, 0 to pi."""
    angle: Float = np.abs(np.angle(np.conj(first) * second))
    return angle


def _cosine(first: Complex, second: Complex) -> Float:
    cosine: Float = (np.conj(first) * second).real / (np.abs(first) * np.abs(second) + _TINY)
    return cosine


def finger_measures(hands: Complex) -> dict[str, Float]:
    """Of hands (N, 21) the measures (N, 4) of the fingers from forefinger to pinky.

    With a finger's knuckle K, joints P and D, tip T, the wrist W and the size s of the palm:
    knuckle: angle from W-K to K-P; turn: angle from K-P to D-T, radians. Both are small for a finger that is straight,
    from wherever it is seen, since a projection keeps lines straight.
    reach: (|WT| - |WP|) / s: how much farther from the wrist than its joint the tip is; negative once it folds back.
    span: |KT| / s. heading: cosine between W-K and P-T; a bent finger heads back to the wrist.
    gap: |T - thumb's tip| / s.
    """
    wrist, thumb, size = hands[:, WRIST, None], hands[:, [4]], palm_size(hands)[:, None]
    knuckle, joint, _, tip = chains = [hands[:, [first + step for first in KNUCKLES]] for step in range(4)]
    palm = knuckle - wrist
    return {
        "knuckle": _angle(palm, joint - knuckle),
        "turn": _angle(joint - knuckle, tip - chains[2]),
        "reach": (np.abs(tip - wrist) - np.abs(joint - wrist)) / size,
        "span": np.abs(tip - knuckle) / size,
        "heading": _cosine(palm, tip - joint),
        "gap": np.abs(tip - thumb) / size,
    }


def thumb_measures(hands: Complex) -> dict[str, Float]:
    """Of hands (N, 21) the measures (N,) of the thumb.

    With its joints B (keypoint 1), M and D, tip T, the wrist W, first and last knuckle F and L and the palm's size s:
    turn: angle from B-M to D-T, radians. across: cosine between M-T and F-L; a thumb that lies in the palm points
    across it. reach: (|WT| - |WM|) / s. length: (|BM| + |MD| + |DT|) / s. away: |LT| / s.
    """
    wrist, size = hands[:, WRIST], palm_size(hands)
    base, middle, end, tip = (hands[:, index] for index in range(1, 5))
    first, last = hands[:, KNUCKLES[0]], hands[:, KNUCKLES[-1]]
    length = np.abs(middle - base) + np.abs(end - middle) + np.abs(tip - end)
    return {
        "turn": _angle(middle - base, tip - end),
        "across": _cosine(tip - middle, last - first),
        "reach": (np.abs(tip - wrist) - np.abs(middle - wrist)) / size,
        "length": length / size,
        "away": np.abs(tip - last) / size,
    }


def thumb_up(hands: Complex) -> Float:
    """(N,) cosine between the thumb, keypoint 2 to 4, and up in the image: 1 up, 0 level, -1 down."""
    thumb = hands[:, 4] - hands[:, 2]
    up: Float = -thumb.imag / (np.abs(thumb) + _TINY)
    return up
