"""What runs on each worker: one estimator, and the items that it is given -> rows of results."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from typing import Any

import torch

from ..estimator import HandEstimator
from ..hands import Result
from ..results.image_rows import image_row
from ..tracking import HandTracker
from .inputs import VIDEO, Item
from .reading import Loaded, frames, in_thread, load

AHEAD_PER_THREAD = 2  # images that are read before they are needed


class Annotator:
    """Finds the hands of items.

    Args:
        options: of `HandEstimator.from_pretrained`.
        column: of Parquet files, as in `inputs.list_items`.
        track: follow the hands of videos, so that they have ids.
        threads: of the networks, and to read images.
    Raises:
        As `HandEstimator.from_pretrained`.
    """

    def __init__(self, options: dict[str, Any], column: str | None, track: bool, threads: int) -> None:
        torch.set_num_threads(threads)
        self._estimator = HandEstimator.from_pretrained(**options)
        self._tracker = HandTracker(self._estimator) if track else None
        self._column, self._threads = column, threads

    def rows(self, items: Iterable[Item]) -> Iterator[dict[str, Any]]:
        """A row of `results.image_rows` for each image and frame, in order."""
        for is_followed, group in groupby(items, lambda item: self._tracker is not None and item.kind == VIDEO):
            if is_followed:
                yield from chain.from_iterable(map(self._followed, group))
            else:
                yield from self._found(load(group, self._column, self._threads, AHEAD_PER_THREAD * self._threads))

    def _found(self, images: Iterator[Loaded]) -> Iterator[dict[str, Any]]:
        """Rows of images, which share batches."""
        waiting: deque[Loaded] = deque()  # read, and their hands not found yet

        def readable() -> Iterator[Any]:
            for loaded in images:
                waiting.append(loaded)
                if loaded.image is not None:
                    yield loaded.image

        for result in self._estimator.stream(readable()):
            while waiting[0].image is None:
                yield _row(waiting.popleft())
            yield _row(waiting.popleft(), result)
        yield from map(_row, waiting)

    def _followed(self, item: Item) -> Iterator[dict[str, Any]]:
        """Rows of the frames of a video whose hands have ids."""
        assert self._tracker
        self._tracker.reset()
        for loaded in in_thread(frames(item), AHEAD_PER_THREAD):
            if loaded.image is None or loaded.time is None:
                yield _row(loaded)
                continue
            hands = self._tracker.update(loaded.image, loaded.time)
            yield _row(loaded, Result(None, loaded.image, hands))


def _row(loaded: Loaded, result: Result | None = None) -> dict[str, Any]:
    result = result or Result(None, error=loaded.error)
    return image_row(loaded.path, result, loaded.frame, loaded.time)
