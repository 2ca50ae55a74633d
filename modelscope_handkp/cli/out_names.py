"""Names for the files that a command writes."""

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ..sources.encoded import is_data_url


class OutNames:
    """Gives the files of each source names of their own in a folder.

    Args:
        taken: files that must not be overwritten, such as the sources themselves.
    """

    def __init__(self, out: Path, taken: Iterable[str | Path]) -> None:
        self._out, self._numbers = out, Counter[tuple[str, ...]]()
        self._taken = {os.path.realpath(path) for path in taken}

    def of(self, source: str, *endings: str) -> list[Path]:
        """OUT/STEM.ENDING for each ending, or OUT/STEM-2.ENDING and so on where one of these is taken."""
        stem = ("" if is_data_url(source) else Path(source.partition("?")[0]).stem) or "image"
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
