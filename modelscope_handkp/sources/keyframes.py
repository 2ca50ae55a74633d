"""Where to begin reading in the middle of a video, so that frames have the same numbers and times as from its start."""

from array import array
from typing import Any

import numpy as np

from .container import Place
from .packet_numbers import packets_are_frames


def keyframe_before(container: Any, stream: Any, seconds: float, origin: int | None) -> Place | None:
    """The last keyframe at or before a time, whose number is counted from packets, which are not decoded.

    Args:
        container: at its beginning; it is read up to the next keyframe.
        seconds: since the first frame.
        origin: the timestamp of the first frame.
    Returns:
        None: packets do not tell the number of a frame, or no keyframe but the first comes before.
    """
    if origin is None or not packets_are_frames(container, stream):
        return None
    limit = origin + seconds / float(stream.time_base)
    timestamps, key = array("q"), origin
    for packet in container.demux(stream):
        if packet.pts is None or packet.is_discard:
            if packet.size:
                return None
            break
        timestamps.append(packet.pts)
        if packet.is_keyframe and packet.pts > limit:
            break
        if packet.is_keyframe:
            key = max(key, packet.pts)
    counted = np.asarray(timestamps)
    shown = np.unique(counted)
    if key == origin or len(shown) < len(counted) or key not in shown:
        return None
    return Place(int(np.count_nonzero((shown >= origin) & (shown < key))), key)
