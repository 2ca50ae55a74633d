"""`Hands` as objects of other packages."""

from typing import Any

import numpy as np

from ..errors import MissingPackageError
from ..hands import Hands
from ..skeleton import KEYPOINT_NAMES

BOX_COLUMNS = ("x1", "y1", "x2", "y2")


def to_dataframe(hands: Hands) -> Any:
    """A ``pandas.DataFrame``, a row a hand.

    Columns: ``id``, ``is_left`` (None where unknown), ``score``, ``confidence``, ``x1`` ... ``y2``, then ``NAME_x``,
    ``NAME_y``, ``NAME_score`` of each keypoint; x and y in image pixels, NaN where the keypoint is not `Hands.visible`.

    Raises:
        MissingPackageError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise MissingPackageError("to_dataframe needs pandas: pip install 'modelscope-handkp[tables]'.") from None
    keypoints = np.array(hands.keypoints)
    keypoints[~hands.visible, :2] = np.nan
    columns: dict[str, Any] = {
        "id": [hand.id for hand in hands],
        "is_left": [hand.is_left for hand in hands],
        "score": hands.scores,
        "confidence": hands.confidence,
        **{name: hands.boxes[:, index] for index, name in enumerate(BOX_COLUMNS)},
    }
    for number, name in enumerate(KEYPOINT_NAMES):
        for index, part in enumerate(("x", "y", "score")):
            columns[f"{name}_{part}"] = keypoints[:, number, index]
    return pandas.DataFrame(columns)


def to_supervision(hands: Hands) -> Any:
    """``supervision.KeyPoints``: ``xy`` (N, 21, 2) image pixels, ``keypoint_confidence`` (N, 21), the scores.

    ``data`` has ``id`` and ``is_left`` where known.
    Keypoints that are not `Hands.visible` lie at (0, 0), which supervision does not draw.

    Raises:
        MissingPackageError: supervision is not installed.
    """
    try:
        import supervision
    except ImportError:
        raise MissingPackageError(
            "to_supervision needs supervision: pip install 'modelscope-handkp[supervision]'."
        ) from None
    if not len(hands):
        return supervision.KeyPoints.empty()
    xy = np.where(hands.visible[..., None], hands.keypoints[..., :2], 0).astype(np.float32)
    scores = np.array(hands.keypoints[..., 2])
    known = {"id": hands.ids, "is_left": hands.is_left}
    data: dict[str, Any] = {name: np.array(values) for name, values in known.items() if values is not None}
    return supervision.KeyPoints(xy=xy, keypoint_confidence=scores, class_id=np.zeros(len(hands), int), data=data)
