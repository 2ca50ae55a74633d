"""The newest frame of what does not wait."""

import threading
from typing import Any

from .frames import UnreadFrames

CLOSING_SECONDS = 2.0  # which a camera has to close; one that does not answer is left to its thread
_END = object()


def newest(frames: UnreadFrames) -> UnreadFrames:
    """Read ``frames`` in a thread, and give the newest each time; those that came meanwhile are left out.

    An error of ``frames`` is raised after the last frame. ``frames`` is closed, by that thread, when this iterator is.
    """
    changed, stop = threading.Condition(), threading.Event()
    waiting: list[Any] = []  # the newest frame, then an error or the end

    def put(item: Any, is_frame: bool) -> None:
        with changed:
            if is_frame:
                waiting.clear()
            waiting.append(item)
            changed.notify()

    def read() -> None:
        last: Any = _END
        try:
            for frame in frames:
                put(frame, is_frame=True)
                if stop.is_set():
                    break
        except BaseException as error:  # raised where the frames are taken
            last = error
        finally:
            frames.close()
            put(last, is_frame=False)

    thread = threading.Thread(target=read, name="newest frame", daemon=True)
    thread.start()
    try:
        while True:
            with changed:
                changed.wait_for(lambda: waiting)
                item = waiting.pop(0)
            if item is _END:
                return
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stop.set()
        thread.join(CLOSING_SECONDS)
