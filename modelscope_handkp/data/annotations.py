"""`HandAnnotations`: the hands of an annotation file as arrays, whichever format the file has."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..arrays import Array


@dataclass(frozen=True)
class HandAnnotations:
    """The N valid hands of an annotation file, about 310 bytes each, however large the file is.

    Attributes:
        files: names of the images that have a hand.
        file_index: (N,) which of ``files`` the hand is in.
        image_ids: (N,) the image's id in the annotation file.
        boxes_xywh: (N, 4) float64, image pixels.
        keypoints: (N, 21, 3) float32: x, y in image pixels and the annotated confidence.
        is_left: (N,) whether it is the person's left hand.
    """

    files: tuple[str, ...]
    file_index: NDArray[np.int64]
    image_ids: NDArray[np.int64]
    boxes_xywh: NDArray[np.float64]
    keypoints: Array
    is_left: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.file_index)

    def only(self, keep: NDArray[np.bool_]) -> "HandAnnotations":
        """The hands where ``keep`` (N,) is true."""
        return HandAnnotations(
            self.files,
            self.file_index[keep],
            self.image_ids[keep],
            self.boxes_xywh[keep],
            self.keypoints[keep],
            self.is_left[keep],
        )
