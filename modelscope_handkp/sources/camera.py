"""A camera -> frames."""

import sys
import time
from functools import partial
from typing import Any

import cv2
import numpy as np

from ..arrays import Image
from ..errors import InputError
from .frames import UnreadFrame, UnreadFrames, VideoFacts

MAX_RATE = 1000.0  # a driver that does not know its rate states 0 or nonsense
MAX_NUMBER = 2**31 - 1  # of OpenCV
SILENT = 0  # OpenCV's level of logs
V4L = "on Linux, camera 0 is /dev/video0"


class Camera:
    """A camera by its number. OpenCV opens it, since it counts cameras alike on each system, and PyAV by their names.

    Time is that of reading, since the first frame.

    Raises:
        InputError: no such camera, or it gives no image.
    """

    def __init__(self, number: int) -> None:
        self.name = f"camera {number}"
        if number > MAX_NUMBER:
            raise InputError(f"{self.name} is not there: the highest number is {MAX_NUMBER}.")
        self._capture = _opened(number, self.name)
        is_read, self._first = self._capture.read()
        self._first_time = time.monotonic()
        if not is_read:
            self._capture.release()
            raise InputError(f"{self.name} gives no image: another program may use it.")
        height, width = self._first.shape[:2]
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.facts = VideoFacts((width, height), rate if 0 < rate <= MAX_RATE else None, None, None, is_live=True)

    def frames(self, start: float) -> UnreadFrames:
        """Its frames from the one that was read when it was opened on."""
        image, index, seconds = self._first, 0, 0.0
        try:
            while True:
                yield UnreadFrame(index, seconds, partial(_bgr, image))
                is_read, image = self._capture.read()
                if not is_read:
                    raise InputError(f"{self.name} gives no image after frame {index}, at {seconds:.3f} s.")
                index, seconds = index + 1, time.monotonic() - self._first_time
        finally:
            self.close()

    def close(self) -> None:
        """Release the camera."""
        self._capture.release()


def _opened(number: int, name: str) -> Any:
    hint = f"; {V4L}" if sys.platform == "linux" else ""
    if number < 0:
        raise InputError(f"{name} is none: cameras are numbered from 0.")
    logging: Any = getattr(cv2.utils, "logging", cv2)  # where releases of OpenCV have it
    level = logging.getLogLevel()
    try:
        logging.setLogLevel(SILENT)  # the error says it, and not on stderr
        capture = cv2.VideoCapture(number)
    finally:
        logging.setLogLevel(level)
    if not capture.isOpened():
        capture.release()
        raise InputError(f"{name} is not there or cannot be opened{hint}.")
    return capture


def _bgr(image: Any) -> Image:
    """Some drivers give one channel, or a fourth."""
    image = np.asarray(image)
    if image.ndim == 2 or image.shape[2] == 1:
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
    return image if image.shape[2] == 3 else np.ascontiguousarray(image[..., :3])
