"""The result: `Hands`, the N hands of one image, and `Hand`, one of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import Array, Image
from .checks import check_threshold
from .errors import InputError, KeypointNameError
from .geometry.boxes import xyxy_to_xywh
from .skeleton import KEYPOINT_NAMES, NUM_KEYPOINTS

if TYPE_CHECKING:
    from .results.style import DrawingStyle

_INDEX = {name: index for index, name in enumerate(KEYPOINT_NAMES)}


@dataclass(frozen=True, eq=False)  # arrays have no one answer to ==
class Hand:
    """One hand of an image; ``hand["thumb4"]`` is one keypoint (3,): x, y in image pixels and score.

    Attributes as in `Hands`, of one hand: ``keypoints`` (21, 3), ``box`` (4,), ``score``, ``confidence``; ``id`` and
    ``is_left`` are None where unknown.
    """

    keypoints: Array
    box: Array
    score: float
    confidence: float
    id: int | None = None
    is_left: bool | None = None

    def __getitem__(self, name: str) -> Array:
        if name not in _INDEX:
            raise KeypointNameError(f"no keypoint is called {name!r:.80}; they are {', '.join(KEYPOINT_NAMES)}.")
        keypoint: Array = self.keypoints[_INDEX[name]]
        return keypoint

    def __repr__(self) -> str:
        side = {True: "left, ", False: "right, ", None: ""}[self.is_left]
        identity = "" if self.id is None else f"id {self.id}, "
        return f"Hand({identity}{side}box {self.box.round().astype(int).tolist()}, confidence {self.confidence:.2f})"


@dataclass(frozen=True, eq=False)
class Hands:
    """The N hands of one image, best first where a detector found them. Iterates over `Hand`; arrays are read-only.

    ``hands[0]`` is a `Hand`; a slice, a boolean mask (N,) or a list of indices gives `Hands`.

    Attributes:
        keypoints: (N, 21, 3) float32: x, y in image pixels and score, in the order of `skeleton.KEYPOINT_NAMES`. The
            score is the maximum of the keypoint's heatmap, averaged over the views of the crop: about 1 for a keypoint
            that is clearly seen, near 0 for one that is not; networks may go a little beyond. It is no probability.
        boxes: (N, 4) float32 xyxy, image pixels, clipped to the image: as given; as detected; or, where the model has a
            ``hand_threshold``, around the keypoints.
        scores: (N,) float32, the detector's, of the boxes; 1 for given boxes.
        confidence: (N,) float32, the number that decides whether a hand is kept: of box and keypoints together where
            the model has a ``hand_threshold`` (`pose.refine.confidence`), else the score of the box. ``scores`` if left
            out.
        image_size: width, height of the image in pixels; None if unknown.
        ids: (N,) int64, the same hand in the frames of a video has the same; None if unknown.
        is_left: (N,) bool, True for a left hand; None for all if unknown, or an object array with None for some.
        keypoint_threshold: keypoints with a score above it count as seen (`visible`), in drawings and exports.
    Raises:
        InputError: shapes that disagree or values of another kind, named.
    """

    keypoints: Array
    boxes: Array
    scores: Array
    confidence: Array = None  # type: ignore[assignment]  # filled below
    image_size: tuple[int, int] | None = None
    ids: NDArray[np.int64] | None = None
    is_left: NDArray[Any] | None = None
    keypoint_threshold: float = 0.0

    def __post_init__(self) -> None:
        if self.confidence is None:
            object.__setattr__(self, "confidence", self.scores)
        self._freeze("keypoints", np.float32, (-1, NUM_KEYPOINTS, 3))
        count = len(self.keypoints)
        for name, shape in {"boxes": (count, 4), "scores": (count,), "confidence": (count,)}.items():
            self._freeze(name, np.float32, shape)
        if self.ids is not None:
            self._freeze("ids", np.int64, (count,))
        if self.is_left is not None:
            sides = list(self.is_left) if isinstance(self.is_left, Iterable) else [self.is_left]
            if not all(side is None or isinstance(side, (bool, np.bool_)) for side in sides):
                raise InputError(f"Hands.is_left must hold True, False or None, got {self.is_left!r:.80}.")
            self._freeze("is_left", object if None in sides else bool, (count,))
        if self.image_size is not None:
            size = np.array(self.image_size)
            if size.shape != (2,) or size.dtype.kind not in "iu":
                raise InputError(f"Hands.image_size must be width and height, got {self.image_size!r:.80}.")
            object.__setattr__(self, "image_size", (int(size[0]), int(size[1])))
        check_threshold("keypoint_threshold", self.keypoint_threshold)
        object.__setattr__(self, "keypoint_threshold", float(self.keypoint_threshold))

    def _freeze(self, name: str, kind: Any, shape: tuple[int, ...]) -> None:
        """A read-only copy of an attribute, checked; -1 in its shape stands for any number."""
        values = getattr(self, name)
        try:
            array = np.array(list(values) if kind is object else values, kind)
        except (TypeError, ValueError, OverflowError):
            raise InputError(f"Hands.{name} must be numbers of shape {shape}, got {values!r:.80}.") from None
        if array.ndim != len(shape) or any(known not in (-1, side) for known, side in zip(shape, array.shape)):
            raise InputError(f"Hands.{name} must have shape {shape}, got {array.shape}.")
        array.flags.writeable = False
        object.__setattr__(self, name, array)

    def __reduce__(self) -> Any:  # a copy is read-only, too
        return Hands, tuple(getattr(self, field.name) for field in fields(self))

    @classmethod
    def empty(cls, image_size: tuple[int, int] | None = None, keypoint_threshold: float = 0.0) -> "Hands":
        """No hand: shapes (0, 21, 3), (0, 4), (0,)."""
        keypoints, boxes, scores = (np.zeros(shape, np.float32) for shape in ((0, NUM_KEYPOINTS, 3), (0, 4), (0,)))
        return cls(keypoints, boxes, scores, image_size=image_size, keypoint_threshold=keypoint_threshold)

    @property
    def visible(self) -> NDArray[np.bool_]:
        """(N, 21): the keypoints with a score above ``keypoint_threshold``."""
        return self.keypoints[..., 2] > self.keypoint_threshold

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Hand]:
        return (self[index] for index in range(len(self)))

    @overload
    def __getitem__(self, index: "int | np.integer[Any]") -> Hand: ...
    @overload
    def __getitem__(self, index: slice | ArrayLike) -> "Hands": ...
    def __getitem__(self, index: Any) -> "Hand | Hands":
        """A hand by its number, or the hands of a slice, a boolean mask (N,) or a list of numbers."""
        if isinstance(index, np.ndarray) and index.ndim == 0:
            index = index.item()
        if isinstance(index, (int, np.integer)) and not isinstance(index, bool):
            identity = None if self.ids is None else int(self.ids[index])
            side = None if self.is_left is None or self.is_left[index] is None else bool(self.is_left[index])
            row = self.keypoints[index], self.boxes[index], float(self.scores[index]), float(self.confidence[index])
            return Hand(*row, identity, side)
        if not isinstance(index, slice):
            index = np.asarray(index)
            index = index.astype(np.intp) if index.shape == (0,) and index.dtype.kind == "f" else index  # []
            if index.dtype.kind not in "biu" or index.ndim != 1:
                raise InputError(
                    f"hands are indexed by numbers, slices and masks, not {index.tolist()!r:.80}; a keypoint of a hand "
                    "is hands[0]['thumb4']."
                )
            if index.dtype.kind == "b" and len(index) != len(self):
                raise InputError(f"a mask of {len(self)} hands has as many values, got {len(index)}.")
        rows = {name: getattr(self, name) for name in ("keypoints", "boxes", "scores", "confidence", "ids", "is_left")}
        return self._with(**{name: None if array is None else array[index] for name, array in rows.items()})

    def _with(self, **changes: Any) -> "Hands":
        return Hands(**{**{field.name: getattr(self, field.name) for field in fields(self)}, **changes})

    def __repr__(self) -> str:
        size = "" if self.image_size is None else f" in {self.image_size[0]}x{self.image_size[1]}"
        shown = ", ".join(f"{value:.2f}" for value in self.confidence[:8]) + (", ..." if len(self) > 8 else "")
        count = f"{len(self)} hand" + "s" * (len(self) != 1)
        return f"Hands({count}{size}" + (f", confidence {shown})" if len(self) else ")")

    def to_list(self) -> list[dict[str, Any]]:
        """One dict of plain values a hand: ``box`` xyxy, ``score``, ``confidence``, ``keypoints`` 21 x (x, y, score),
        and ``id`` and ``is_left`` where known."""
        return [
            {
                "box": hand.box.tolist(),
                "score": hand.score,
                "confidence": hand.confidence,
                "keypoints": hand.keypoints.tolist(),
                **({} if hand.id is None else {"id": hand.id}),
                **({} if hand.is_left is None else {"is_left": hand.is_left}),
            }
            for hand in self
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, ready for JSON; `from_dict` reads it.

        ``image_size`` [width, height] or None, ``keypoint_threshold``, and ``hands``, the list of `to_list`.
        """
        size = None if self.image_size is None else list(self.image_size)
        return {"image_size": size, "keypoint_threshold": self.keypoint_threshold, "hands": self.to_list()}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> "Hands":
        """What `to_dict` wrote, with the same numbers.

        Raises:
            InputError: a key that is missing or a value of another kind, named.
        """
        try:
            hands, size = content["hands"], content.get("image_size")
            threshold = content.get("keypoint_threshold", 0.0)
            if hands == []:
                return cls.empty(size, threshold)
            keypoints, boxes, scores, confidence = (
                np.array([hand[key] for hand in hands], np.float32)
                for key in ("keypoints", "box", "score", "confidence")
            )
            ids, sides = ([hand.get(key) for hand in hands] for key in ("id", "is_left"))
            known_ids = None if None in ids else np.array(ids)
            known_sides = None if all(side is None for side in sides) else np.array(sides, object)
            return cls(keypoints, boxes, scores, confidence, size, known_ids, known_sides, threshold)
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
            raise InputError(f"this is not what Hands.to_dict writes: {type(error).__name__}: {error}.") from None

    def draw(self, image: Image, style: "DrawingStyle | None" = None) -> Image:
        """A copy of ``image`` (H, W, 3) uint8 BGR with each hand's box, label and skeleton (`results.draw`).

        Args:
            style: a `results.DrawingStyle`; None: a colour a finger, and the confidence, behind the id where known.
        """
        from .results.draw import draw_hands

        return draw_hands(image, self, style)

    def save(self, path: str | Path, image: Image, style: "DrawingStyle | None" = None) -> None:
        """`draw`, written to an image file whose ending says the format.

        Raises:
            InputError: a format that cannot be written. OSError: a folder that is not there or not writable.
        """
        from .results.draw import save_drawing

        save_drawing(path, image, self, style)

    def to_coco(self, image_id: Any) -> list[dict[str, Any]]:
        """COCO keypoint results of this image, as pycocotools' ``loadRes`` takes them (`results.coco`).

        ``score`` is the confidence; keypoints that are not `visible` have a score of 0.
        """
        from .results.coco import coco_entry

        keypoints = np.array(self.keypoints)
        keypoints[..., 2] = np.where(self.visible, keypoints[..., 2], 0)
        rows = zip(keypoints, self.confidence, xyxy_to_xywh(self.boxes), self)
        return [coco_entry(image_id, points, score, box, hand.is_left, hand.id) for points, score, box, hand in rows]

    def to_supervision(self) -> Any:
        """``supervision.KeyPoints``; keypoints that are not `visible` lie at (0, 0), as supervision has it.

        Raises:
            MissingPackageError: supervision is not installed.
        """
        from .results.tables import to_supervision

        return to_supervision(self)

    def to_dataframe(self) -> Any:
        """A ``pandas.DataFrame``, a row a hand (`results.tables`).

        Raises:
            MissingPackageError: pandas is not installed.
        """
        from .results.tables import to_dataframe

        return to_dataframe(self)


class Result(NamedTuple):
    """What `HandEstimator.stream` says of one source: ``image`` and ``hands``, or ``error``; the others are None.

    source: as it was passed; a data URL shortened. image: (H, W, 3) uint8 BGR. error: why there is no image.
    """

    source: Any
    image: Image | None = None
    hands: Hands | None = None
    error: Exception | None = None
