"""Names for the files that a command writes."""

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ..sources.encoded import is_data_url

MAX_STEM = 200  # bytes; file systems take 255 of a name, and what is being written has a longer one
_QUERY = re.compile("[?#]")


class OutNames:
    """Gives the files of each source names of their own in a folder.

    Args:
        taken: files that must not be overwritten, such as the sources themselves.
    """

    def __init__(self, out: Path, taken: Iterable[str | Path]) -> None:
        self._out, self._numbers = out, Counter[tuple[str, ...]]()
        self._taken = {os.path.realpath(path) for path in taken}

    def of(self, source: str, *endings: str) -> list[Path]:
        """OUT/STEM.ENDING for each ending, or OUT/STEM-2.ENDING and so on where one of these is taken.

        STEM is that of the source, shortened where it is too long; of a URL without a path, the host.
        """
        stem = _shortened(_stem(source)) or "image"
        key = (stem, *endings)
        while True:
            self._numbers[key] += 1
            count = self._numbers[key]
            number = f"-{count}" if count > 1 else ""
            paths = [self._out / f"{stem}{number}.{ending}" for ending in endings]
            real = {os.path.realpath(path) for path in paths}
            if not real & self._taken:
                self._taken |= real
                return paths


def _stem(source: str) -> str:
    if is_data_url(source):
        return ""
    _, is_url, rest = source.partition("://")
    if not is_url:
        return Path(source).stem
    host, _, path = _QUERY.split(rest, maxsplit=1)[0].partition("/")
    return Path(path).stem or host.rpartition("@")[2].replace(":", "-")


def _shortened(stem: str) -> str:
    encoded = os.fsencode(stem)
    return stem if len(encoded) <= MAX_STEM else encoded[:MAX_STEM].decode(errors="ignore")
