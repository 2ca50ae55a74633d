"""Gestures from keypoints: `recognize` names those of an image, `GestureStream` follows them in a video,
`GestureExamples` adds a user's own."""

from .examples import GestureExamples
from .recognition import GESTURE_NAMES, Finger, Gesture, confidences, recognize
from .rules import gesture_rules, write_rules
from .stream import GestureEvent, GestureStream

__all__ = [
    "GESTURE_NAMES", "Finger", "Gesture", "GestureEvent", "GestureExamples", "GestureStream", "confidences",
    "gesture_rules", "recognize", "write_rules",
]  # fmt: skip
