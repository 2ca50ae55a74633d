"""2D hand keypoints: images and videos in, 21 keypoints for every hand out.

Importing this package registers it with ModelScope, where ModelScope is installed.
"""

from .errors import HandkpError
from .estimator import HandEstimator
from .hands import Hands
from .plugin import register
from .skeleton import KEYPOINT_NAMES, LINKS
from .tracking import HandTracker
from .version import __version__

__all__ = ["KEYPOINT_NAMES", "LINKS", "HandEstimator", "HandTracker", "HandkpError", "Hands", "__version__"]

register()
