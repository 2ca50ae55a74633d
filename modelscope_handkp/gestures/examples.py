"""`GestureExamples`: a user's own gestures, named by the nearest of a few examples."""

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MissingFileError
from ..files import write_atomically
from ..hands import Hands
from ..skeleton import NUM_KEYPOINTS
from .measures import Complex, Float, points
from .rules import NONE

FORMAT = "modelscope-handkp gesture examples"
MAX_EXAMPLES, MAX_NAMES, MAX_NAME_LENGTH = 10_000, 200, 64
MAX_FILE_BYTES = 16_000_000
HALF_SURE = 0.22  # distance of the nearest example at which the confidence is a half
_STEEPNESS = 4.0  # with which it falls around there
_ROUNDING = 1e-6  # size of a hand against its place, below which it is no more than one point


class GestureExamples:
    """Gestures by example: K hands whose gestures are known; `recognize` names a hand by the nearest of them.

    Two hands are compared as shapes: moved, scaled, rotated and mirrored until their 21 keypoints lie on one another
    as well as possible, the full Procrustes distance of Kendall's shape space ("Shape manifolds, procrustean metrics,
    and complex projective spaces", 1984). It is 0 for the same shape and at most 1. Examples named "none" say what no
    gesture is.

    Args:
        names: of the gestures of K examples.
        keypoints: (K, 21, 2 or more): x, y in any unit and frame.
    Raises:
        InputError: names or keypoints of another kind, keypoints that lie in one point, or too many of them.
    """

    def __init__(self, names: Iterable[str], keypoints: Any) -> None:
        self.names = tuple(names)
        for name in self.names:
            check_name(name)
        self.keypoints = _checked(keypoints, len(self.names))
        self._shapes = _shapes(self.keypoints)
        if not (np.abs(self._shapes).max(axis=1) > 0).all():
            raise InputError("the keypoints of an example lie in one point: leave it out.")
        self.gestures = tuple(dict.fromkeys(self.names))
        if len(self.gestures) > MAX_NAMES:
            raise InputError(f"at most {MAX_NAMES} gestures can be told apart, got {len(self.gestures)}.")

    @classmethod
    def from_hands(cls, hands: Mapping[str, Iterable[Hands]]) -> "GestureExamples":
        """Examples from hands by the name of their gesture; all hands count.

        Raises:
            InputError: a name or hands of another kind, or no hands.
        """
        rows = [
            (name, keypoints) for name, several in hands.items() for each in several for keypoints in each.keypoints
        ]
        return cls([name for name, _ in rows], np.array([points for _, points in rows]))

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"GestureExamples({', '.join(f'{name}: {self.names.count(name)}' for name in self.gestures)})"

    def distances(self, hands: Hands) -> Float:
        """(N, K): from each hand to each example, 0 to 1; 1 for a hand without shape."""
        shapes = _shapes(hands.keypoints)
        cosine = np.maximum(np.abs(shapes.conj() @ self._shapes.T), np.abs(shapes @ self._shapes.T))
        distance: Float = np.sqrt(np.clip(1 - cosine**2, 0.0, 1.0))
        return distance

    def confidences(self, hands: Hands) -> Float:
        """(N, G): of each of ``gestures``, by its nearest example: 1 on it, a half at `HALF_SURE`, 0 far from it."""
        distances, names = self.distances(hands), np.array(self.names)
        nearest = [distances[:, names == gesture].min(axis=1) for gesture in self.gestures]
        return 1 / (1 + (np.stack(nearest, axis=1) / HALF_SURE) ** _STEEPNESS)

    def merged(self, names: tuple[str, ...], table: Float, hands: Hands, seen: Float) -> tuple[tuple[str, ...], Float]:
        """Names and confidences (N, G) of other rules with these gestures: the surer an example is, the less the
        others are. ``seen`` (N,): how well the hands are seen, 0 to 1."""
        own = self.confidences(hands) * seen[:, None]
        columns = dict(zip(names, (table * (1 - own.max(axis=1, keepdims=True))).T))
        for name, column in zip(self.gestures, own.T):
            columns[name] = np.maximum(column, columns.get(name, 0.0))
        columns.pop(NONE, None)
        return tuple(columns), np.stack(list(columns.values()), axis=1)

    def save(self, path: str | Path) -> None:
        """Write a JSON file that `load` reads.

        Raises:
            OSError: a folder that is not there or not writable.
        """
        flat = self.keypoints.reshape(len(self), -1).tolist()
        gestures = {g: [row for name, row in zip(self.names, flat) if name == g] for g in self.gestures}
        write_atomically(path, json.dumps({"format": FORMAT, "gestures": gestures}).encode())

    @classmethod
    def load(cls, path: str | Path) -> "GestureExamples":
        """What `save` wrote. The file is parsed, and nothing in it is executed.

        Raises:
            MissingFileError: no such file. InputError: a file that is too large, or another kind of file.
        """
        path = Path(path)
        if not path.is_file():
            raise MissingFileError(
                f"{path}: no such file; modelscope-handkp gestures train FOLDER --out {path} makes it."
            )
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise InputError(f"{path} has more than {MAX_FILE_BYTES} bytes: it is no file of gesture examples.")
        try:
            parsed = json.loads(content)
            if parsed["format"] != FORMAT:
                raise ValueError("another format")
            rows = [(name, row) for name, several in parsed["gestures"].items() for row in several]
            return cls([name for name, _ in rows], _unflattened([row for _, row in rows]))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            raise InputError(f"{path} is no file of gesture examples, as GestureExamples.save writes it.") from None


def check_name(name: Any) -> str:
    """The name of a gesture: text that can be shown, not too long.

    Raises:
        InputError: another kind of name.
    """
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > MAX_NAME_LENGTH:
        raise InputError(f"a gesture's name is text of 1 to {MAX_NAME_LENGTH} characters, got {name!r:.80}.")
    return name


def _unflattened(rows: list[Any]) -> NDArray[np.float64]:
    """(K, 21, 2) from K lists of 42 numbers; ValueError else."""
    if not all(
        isinstance(row, list) and len(row) == NUM_KEYPOINTS * 2 and all(type(value) in (int, float) for value in row)
        for row in rows
    ):
        raise ValueError("rows of other values")
    return np.array(rows, np.float64).reshape(-1, NUM_KEYPOINTS, 2)


def _checked(keypoints: Any, count: int) -> NDArray[np.float64]:
    """(K, 21, 2) finite float64, read-only."""
    if not 1 <= count <= MAX_EXAMPLES:
        raise InputError(f"1 to {MAX_EXAMPLES} examples are needed, got {count}.")
    try:
        array = np.array(keypoints, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"keypoints of examples must be numbers, got {keypoints!r:.80}.") from None
    if array.ndim != 3 or array.shape[:2] != (count, NUM_KEYPOINTS) or array.shape[2] < 2:
        raise InputError(f"keypoints of {count} examples must have shape ({count}, 21, 2), got {array.shape}.")
    array = array[..., :2].copy()
    if not (np.isfinite(array).all() and np.abs(array).max() < math.sqrt(np.finfo(np.float32).max)):
        raise InputError("keypoints of examples must be finite numbers, in pixels.")
    array.flags.writeable = False
    return array


def _shapes(keypoints: NDArray[Any]) -> Complex:
    """(N, 21) complex: centred at 0, of norm 1; 0 for keypoints that lie in one point or are not finite."""
    place = points(keypoints)
    rounding = _ROUNDING * np.linalg.norm(place, axis=1, keepdims=True)
    place = place - place.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(place, axis=1, keepdims=True)
    whole = np.isfinite(keypoints[..., :2]).all(axis=(1, 2))[:, None] & (norm > rounding)
    return np.where(whole, place / np.where(whole, norm, 1.0), 0.0)
