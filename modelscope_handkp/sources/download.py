"""What a URL holds, bounded in size and time."""

import string
import threading
import time
import urllib.request
from concurrent import futures
from urllib.parse import quote

from ..errors import DownloadError

MAX_DOWNLOAD_BYTES = 64 * 1024**2
URL_TIMEOUT_SECONDS = 10.0  # for the whole download
URL_SCHEMES = ("http://", "https://")


def is_url(source: str) -> bool:
    """Whether it begins as an http(s) URL does."""
    return source[: len(URL_SCHEMES[-1])].lower().startswith(URL_SCHEMES)


def download(url: str) -> bytes:
    """The content of an http(s) URL.

    Raises:
        DownloadError: no whole answer in `URL_TIMEOUT_SECONDS`, or more than `MAX_DOWNLOAD_BYTES`.
    """
    content: futures.Future[bytes] = futures.Future()
    # in a thread, since a server that sends its headers byte by byte keeps urlopen waiting past any timeout of its own
    threading.Thread(target=_fetch, args=(url, content), daemon=True).start()
    try:
        return content.result(URL_TIMEOUT_SECONDS)
    except futures.TimeoutError:
        raise DownloadError(f"{url} did not answer within {URL_TIMEOUT_SECONDS:g} seconds.") from None


def _fetch(url: str, future: "futures.Future[bytes]") -> None:
    """Download ``url`` and put its content, or the `DownloadError`, into ``future``."""
    deadline, content = time.monotonic() + URL_TIMEOUT_SECONDS, bytearray()
    try:
        with urllib.request.urlopen(quote(url, safe=string.punctuation), timeout=URL_TIMEOUT_SECONDS) as response:
            while (chunk := response.read1(1 << 16)) and time.monotonic() < deadline:
                content += chunk
                if len(content) > MAX_DOWNLOAD_BYTES:
                    future.set_exception(DownloadError(f"{url} is larger than {MAX_DOWNLOAD_BYTES} bytes."))
                    return
        if not chunk:
            future.set_result(bytes(content))
    except Exception as error:  # a hostile server makes urllib raise more than OSError
        future.set_exception(DownloadError(f"{url} could not be read: {error}."))
