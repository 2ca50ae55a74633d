"""Numbers of frames that are counted from packets, so that frames that cannot be decoded have theirs, too."""

import heapq
from typing import Any

CONTAINERS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")  # they give each packet the time of its frame
CODECS = ("h264", "hevc", "av1", "vp9", "mjpeg", "prores", "dnxhd")  # each packet is one frame


def packets_are_frames(container: Any, stream: Any) -> bool:
    """Whether each packet of an open stream is a frame and has its timestamp."""
    return container.format.name in CONTAINERS and stream.codec_context.codec.canonical_name in CODECS


class PacketNumbers:
    """Numbers of the frames of a stream, in the order in which they are shown.

    Args:
        first: the number of the first frame that is given.
        counts_packets: `packets_are_frames`. Where it does not hold, the frames that are given are counted.
    """

    def __init__(self, first: int, counts_packets: bool) -> None:
        self._next, self._counts_packets = first, counts_packets
        self._last: int | None = None  # the timestamp of the last frame that was given
        self._waiting: list[int] = []  # a heap of the timestamps of packets whose frames are not shown yet

    def add(self, packet: Any) -> None:
        """Note a packet that has been read."""
        if packet is None or not self._counts_packets or packet.is_discard:
            return
        if packet.pts is not None:
            heapq.heappush(self._waiting, packet.pts)
        elif packet.size:
            self._counts_packets = False

    def number(self, timestamp: int | None) -> int:
        """The number of the next frame, from its timestamp."""
        if timestamp is not None:
            passed = set()
            while self._waiting and self._waiting[0] <= timestamp:
                passed.add(heapq.heappop(self._waiting))
            if self._last is not None:
                self._next += sum(self._last < lost < timestamp for lost in passed)
            self._last = timestamp
        self._next += 1
        return self._next - 1
