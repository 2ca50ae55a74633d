"""Hands in moving images: identities and steady keypoints."""

from .one_euro import OneEuro
from .tracker import HandTracker, TrackedFrame

__all__ = ["HandTracker", "OneEuro", "TrackedFrame"]
