"""`GestureStream`: the hands of a video's frames -> when a gesture starts, is held and ends."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..checks import is_number
from ..errors import InputError
from ..hands import Hands
from .examples import GestureExamples
from .recognition import confidences
from .rules import LEAST_CONFIDENCE

STARTED, HELD, ENDED = "started", "held", "ended"
START_SECONDS, END_SECONDS = 0.15, 0.3
KEPT_SHARE = 0.5  # of the least confidence, from which on a gesture that has started goes on
_ROUNDING = 1e-6  # seconds


class GestureEvent(NamedTuple):
    """What becomes of one hand's gesture in a frame.

    kind: "started" once, "held" in each frame from the next one on, "ended" once. id: of the hand. name: of the
    gesture. time: of the frame, seconds. seconds: for how long the gesture has been seen. confidence: when it was last
    seen.
    """

    kind: str
    id: int
    name: str
    time: float
    seconds: float
    confidence: float


@dataclass
class _Held:
    """A gesture that a hand shows, or may come to show."""

    name: str
    since: float
    last: float
    confidence: float

    def event(self, kind: str, hand: int, time: float) -> GestureEvent:
        return GestureEvent(kind, hand, self.name, time, self.last - self.since, self.confidence)


class GestureStream:
    """Gestures of the hands of one video, without flicker; one stream for each video.

    A gesture starts when each frame for ``start_seconds``, two at least, has shown it as the surest of its hand, and
    ends when no frame for ``end_seconds`` has shown it, because of another gesture, none, or no hand; or when another
    one starts. What has started needs half the confidence to go on. All times are those of the frames, so the frame
    rate changes nothing.

    Args:
        examples: gestures of your own, as in `recognize`.
    Raises:
        InputError: a time below 0, or examples of another kind.
    """

    def __init__(
        self,
        examples: GestureExamples | None = None,
        start_seconds: float = START_SECONDS,
        end_seconds: float = END_SECONDS,
    ) -> None:
        if not isinstance(examples, (GestureExamples, type(None))):
            raise InputError(f"examples must be GestureExamples, got {examples!r:.80}.")
        for name, value in (("start_seconds", start_seconds), ("end_seconds", end_seconds)):
            if not is_number(value) or value < 0:
                raise InputError(f"{name} must be a number of seconds of at least 0, got {value!r:.80}.")
        self.examples, self.start_seconds, self.end_seconds = examples, start_seconds, end_seconds
        self.reset()

    def reset(self) -> None:
        """Forget all hands, as before another video."""
        self._time = -np.inf
        self._shown: dict[int, _Held] = {}
        self._coming: dict[int, _Held] = {}

    def stream(self, frames: Iterable[Any]) -> Iterator[GestureEvent]:
        """The events of frames with ``time`` and ``hands``, as `HandTracker.stream` gives them; at the end of the
        frames all gestures end.

        Raises:
            InputError: hands without ids, or frames that are not in the order of their times.
        """
        self.reset()
        for frame in frames:
            yield from self.update(frame.hands, frame.time)
        yield from self.end()

    def update(self, hands: Hands, time: float) -> list[GestureEvent]:
        """The events of the next frame.

        Args:
            hands: with ``ids``. time: in seconds, later than of the frame before.
        Raises:
            InputError: hands without ids, or a time that is not later.
        """
        if not is_number(time) or time <= self._time:
            raise InputError(f"frames must come in the order of their times: {time!r:.40} after {self._time:.3f} s.")
        names, table = confidences(hands, self.examples)
        if len(hands) and hands.ids is None:
            raise InputError("hands need ids: pass frames of HandTracker.stream.")
        self._time = time
        ids = [] if hands.ids is None else hands.ids.tolist()
        rows = dict(zip(reversed(ids), reversed(table)))  # of two hands with one id the better one counts
        self._coming = {hand: coming for hand, coming in self._coming.items() if hand in rows}
        held, events = list(self._shown), []
        for hand, row in rows.items():
            events += self._seen(hand, names, row, time)
        events += self._ended(time)
        changed = {event.id for event in events}
        return events + [self._shown[hand].event(HELD, hand, time) for hand in held if hand not in changed]

    def end(self) -> list[GestureEvent]:
        """The video is over: what is held ends, at the time of the last frame."""
        events = [shown.event(ENDED, hand, self._time) for hand, shown in self._shown.items()]
        self.reset()
        return events

    def _ended(self, time: float) -> list[GestureEvent]:
        """The ends of what this frame does not show, nor those before it for long enough."""
        gone = [
            hand
            for hand, shown in self._shown.items()
            if shown.last < time and time - shown.last >= self.end_seconds - _ROUNDING
        ]
        return [self._shown.pop(hand).event(ENDED, hand, time) for hand in gone]

    def _seen(self, hand: int, names: tuple[str, ...], row: Any, time: float) -> list[GestureEvent]:
        """The start of what this hand shows, if it has been seen for long enough, and the end of what it replaces."""
        best = int(row.argmax())
        shown, name, confidence = self._shown.get(hand), names[best], float(row[best])
        if shown is not None:
            own = float(row[names.index(shown.name)])
            if own >= KEPT_SHARE * LEAST_CONFIDENCE and (name == shown.name or confidence < LEAST_CONFIDENCE):
                shown.last, shown.confidence = time, own
        if confidence < LEAST_CONFIDENCE or (shown is not None and name == shown.name):
            self._coming.pop(hand, None)
            return []
        coming = self._coming.get(hand)
        if coming is None or coming.name != name:
            self._coming[hand] = _Held(name, time, time, confidence)
            return []
        coming.last, coming.confidence = time, confidence
        if time - coming.since < self.start_seconds - _ROUNDING:
            return []
        events = [] if shown is None else [shown.event(ENDED, hand, time)]
        self._shown[hand] = self._coming.pop(hand)
        return [*events, coming.event(STARTED, hand, time)]
