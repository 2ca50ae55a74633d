"""Images on their way through the line, and the queue of looks at their boxes."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, NamedTuple

import numpy as np
import PIL.Image
import torch

from ..arrays import Array, Image
from ..errors import HandkpError, InputError
from ..geometry.boxes import as_boxes, clip_boxes
from ..hands import Result
from ..skeleton import NUM_KEYPOINTS
from ..sources.encoded import is_data_url, is_file_object
from ..sources.images import load_image
from ..sources.names import has_name, source_name
from ..sources.pixels import from_array, from_tensor, is_batch, white_of_batch
from .refine import mean_scores, poorly_localised

MAX_WAITING_PIXELS = 32_000_000  # of images that are held until their batch is full: 100 MB, and as much in RGB
ONE_IMAGE = (str, bytes, bytearray, memoryview, np.ndarray, torch.Tensor, PIL.Image.Image)  # but for batches
_MISSING = object()


class Look(NamedTuple):
    """One crop to be made: the box (4,) xyxy, image pixels, of hand number ``hand`` of an image."""

    image: "QueuedImage"
    hand: int
    box: Array


class QueuedImage:
    """One image between reading and its result: its boxes, and their keypoints as they come in.

    Attributes:
        source: as passed. image: (H, W, 3) uint8 BGR. given: boxes (N, 4) xyxy that the caller passed, or None.
        boxes, scores, keypoints: (N, 4), (N,) and (N, 21, 3), once `put_boxes` has been called.
    """

    def __init__(self, source: Any, image: Image, given: Array | None) -> None:
        self.source, self.image, self.given = source, image, given
        self.size = image.shape[1], image.shape[0]
        self._prepared: Any = None

    def prepared(self, prepare: Callable[[Image], Any]) -> Any:
        """What crops are cut from: the image through ``prepare``, once, and held until `forget`."""
        if self._prepared is None:
            self._prepared = prepare(self.image)
        return self._prepared

    def forget(self) -> None:
        """What was prepared, after the last look."""
        self._prepared = None

    def put_boxes(self, boxes: Array, scores: Array) -> None:
        """Boxes (N, 4) xyxy, which may reach beyond the image, with scores (N,) and without keypoints as yet."""
        self.boxes, self.scores = np.array(boxes, np.float32), np.array(scores, np.float32)
        self.keypoints = np.full((len(boxes), NUM_KEYPOINTS, 3), -np.inf, np.float32)

    def keep(self, hands: list[int], with_keypoints: bool) -> None:
        """Leave these hands alone; without their keypoints, if they are to be looked at again."""
        keypoints = self.keypoints[hands]
        self.put_boxes(self.boxes[hands], self.scores[hands])
        if with_keypoints:
            self.keypoints = keypoints

    def looks(self) -> list[Look]:
        """One at each box."""
        return [Look(self, hand, box) for hand, box in enumerate(self.boxes)]

    def second_looks(self) -> list[Look]:
        """At the surroundings of keypoints that lie beside their box."""
        hands, boxes = poorly_localised(self.keypoints, clip_boxes(self.boxes, *self.size), *self.size)
        return [Look(self, int(hand), box) for hand, box in zip(hands, boxes)]

    def take(self, look: Look, keypoints: Array) -> None:
        """Keep keypoints (21, 3) and their box unless the hand has better ones."""
        if not mean_scores(keypoints) <= mean_scores(self.keypoints[look.hand]):
            self.keypoints[look.hand], self.boxes[look.hand] = keypoints, look.box


def check_sources(sources: Any, boxes: Any) -> None:
    """Refuse what is one image, and boxes that are not one entry for each, as far as that is known before reading.

    Raises:
        InputError: ``sources`` is no iterable of images, or ``boxes`` has another number of entries.
    """
    one = isinstance(sources, ONE_IMAGE) or is_file_object(sources)
    if (one and not is_batch(sources)) or not isinstance(sources, Iterable):
        raise InputError(f"stream takes several images, got one {type(sources).__name__}: pass it in a list, or call.")
    if boxes is None:
        return
    if not isinstance(boxes, Iterable) or isinstance(boxes, str):
        raise InputError(f"boxes of several images must be a sequence with an entry for each, got {boxes!r:.80}.")
    if isinstance(sources, Sized) and isinstance(boxes, Sized) and len(sources) != len(boxes):
        raise InputError(f"{len(sources)} images need as many entries of boxes, got {len(boxes)}.")


def read_groups(sources: Iterable[Any], boxes: Iterable[Any] | None, size: int) -> Iterator[list[QueuedImage | Result]]:
    """Read images in groups of up to ``size``, fewer if they are large; for one that cannot be read its `Result`.

    Args:
        boxes: of each source, (N, 4) xyxy or None; None for none at all.
    Raises:
        InputError: another number of boxes than of sources; an array of several images whose range is not clear. What
            ``sources`` raises, after the images before it.
    """
    white = white_of_batch(sources)
    group: list[QueuedImage | Result] = []
    pixels = 0
    pairs = _pairs(sources, boxes)
    for number in itertools.count(1):
        try:
            source, given = next(pairs)
        except StopIteration:
            break
        except Exception:
            if group:
                yield group
            raise
        read = _read(source, given, white, _place(number, sources))
        group.append(read)
        pixels += read.size[0] * read.size[1] if isinstance(read, QueuedImage) else 0
        if len(group) == size or pixels >= MAX_WAITING_PIXELS:
            yield group
            group, pixels = [], 0
    if group:
        yield group


def _pairs(sources: Iterable[Any], boxes: Iterable[Any] | None) -> Iterator[tuple[Any, Any]]:
    """Each source with its boxes."""
    if boxes is None:
        yield from ((source, None) for source in sources)
        return
    for number, (source, given) in enumerate(itertools.zip_longest(sources, boxes, fillvalue=_MISSING)):
        if source is _MISSING or given is _MISSING:
            more, fewer = ("boxes", "images") if source is _MISSING else ("images", "boxes")
            raise InputError(
                f"there are more {more} than the {number} {fewer}: each image needs an entry, if only None."
            )
        yield source, given


def _place(number: int, sources: Iterable[Any]) -> str:
    """What errors call image ``number``, from 1, if it has no name; nothing for the only one."""
    count = len(sources) if isinstance(sources, Sized) else None
    return "" if count == 1 else f"image {number}{f' of {count}' if count else ''}: "


def _read(source: Any, given: Any, white: int | None, place: str) -> QueuedImage | Result:
    """One image; ``white`` is that of the batch that it is of."""
    image, is_named = source, has_name(source)
    if isinstance(source, str) and is_data_url(source):
        source = source_name(source)  # no result holds and prints the megabytes
    try:
        if white is None:
            pixels = load_image(image)
        else:
            pixels = from_tensor(image, white) if isinstance(image, torch.Tensor) else from_array(image, white)
    except (HandkpError, OSError) as error:
        return Result(source, error=error if is_named else _placed(error, place))
    try:
        return QueuedImage(source, pixels, None if given is None else as_boxes(given))
    except HandkpError as error:
        return Result(source, error=_placed(error, f"{source_name(source)}: " if is_named and place else place))


def _placed(error: HandkpError | OSError, place: str) -> HandkpError | OSError:
    """The error of the image that ``place`` names."""
    return type(error)(f"{place}{error}") if place and isinstance(error, HandkpError) else error
