"""A video or a stream at a URL -> frames."""

import re

from ..errors import InputError
from .container import FORMATS, Clock, facts_of, open_video_stream, read_frames
from .frames import UnreadFrames
from .listing import VIDEO_SUFFIXES

PROTOCOLS = {  # what a URL of a scheme may open beneath it; libav opens no file then
    "http": "http,tcp",
    "https": "https,http,tls,tcp",
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,srtp,tls,udp,tcp",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,rtmp,tls,tcp",
    "udp": "udp",
}
WEB = ("http", "https")
STREAM_FORMATS = (*FORMATS, "rtsp", "mpjpeg", "live_flv")
PLAYLISTS = (".m3u8", ".m3u", ".mpd")
_PASSWORD = re.compile(r"(://[^/@:]*:)[^/@]*@")
OPEN_SECONDS, READ_SECONDS = 15.0, 10.0


class VideoUrl:
    """A video or a stream at a URL. It is live unless it is an http(s) URL that states its length.

    Raises:
        MissingPackageError: no PyAV. InputError: no video that can be read.
    """

    def __init__(self, url: str) -> None:
        self.name = _PASSWORD.sub(r"\1***@", url)
        scheme, path = _parts(url)
        if path.endswith(PLAYLISTS):
            raise InputError(f"{self.name} is a playlist, which is not followed, since it names other addresses.")
        options = {"protocol_whitelist": PROTOCOLS[scheme], "rtsp_flags": "prefer_tcp"}
        container, stream = open_video_stream(url, self.name, options, STREAM_FORMATS, (OPEN_SECONDS, READ_SECONDS))
        byte_count = container.size if scheme in WEB else 0
        is_live = byte_count <= 0
        self._frames = read_frames(container, stream, self.name, Clock(stream), is_live=is_live)
        try:
            self._first = next(self._frames)
            height, width = self._first.image().shape[:2]
            self.facts = facts_of(container, stream, (width, height), None if is_live else byte_count, is_live)
        except BaseException:
            self.close()
            raise

    def frames(self, start: float) -> UnreadFrames:
        """Its frames, from the one that was read when it was opened on."""
        try:
            yield self._first
            yield from self._frames
        finally:
            self.close()

    def close(self) -> None:
        """Close the connection."""
        self._frames.close()


def has_scheme(source: str) -> bool:
    """Whether it begins as a URL of a kind that videos come from."""
    return "://" in source and _parts(source)[0] in PROTOCOLS


def is_video_url(url: str) -> bool:
    """Whether it is of a scheme that only streams have, or ends as video files do."""
    scheme, path = _parts(url)
    return scheme not in WEB or path.endswith((*VIDEO_SUFFIXES, *PLAYLISTS))


def _parts(url: str) -> tuple[str, str]:
    """The scheme, and the rest without what comes behind the path; in lower case."""
    scheme, _, rest = url.lower().partition("://")
    return scheme, re.split(r"[?#]", rest, maxsplit=1)[0]
