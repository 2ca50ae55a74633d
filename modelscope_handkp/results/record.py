"""What is read back of one image or frame."""

from typing import NamedTuple

from ..hands import Hands


class Record(NamedTuple):
    """One image or frame of a result file.

    Attributes:
        source: as the file names it; of COCO results, the ``image_id``.
        index, time: of a frame, the time in seconds; None for an image, and where the format does not say.
        hands: None where there is an error in their place.
        error: why there are no hands; None where there are.
    """

    source: str
    index: int | None = None  # type: ignore[assignment]  # in place of tuple.index, which nobody needs
    time: float | None = None
    hands: Hands | None = None
    error: str | None = None
