"""Answers as HTML: sentences and tables, in the language of the request."""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from ..gestures import recognize
from ..hands import Hands
from ..results.style import hand_color
from .words import gesture_text, say

Row = Sequence[str]


class Span(NamedTuple):
    """A gesture that the hand with an id shows from ``start`` to ``end``, seconds."""

    hand: int
    name: str
    start: float
    end: float


def note(text: str, kind: str = "good") -> str:
    """A sentence; ``kind`` is "good", "bad" or "hint"."""
    return f'<p class="note {kind}" role="status">{escape(text)}</p>'


def hands_table(hands: Hands, language: str) -> str:
    """What was found in an image: a sentence and a row a hand."""
    count = len(hands)
    if not count:
        return note(say(language, "no_hand"), "hint")
    rows = [
        (
            str(number),
            f"{hand.confidence:.2f}",
            gesture_text(language, gesture.name),
            ", ".join(f"{value:.0f}" for value in hand.box),
        )
        for number, (hand, gesture) in enumerate(zip(hands, recognize(hands)), 1)
    ]
    sentence = say(language, "one_hand") if count == 1 else say(language, "hands", count=count)
    return note(sentence) + _table([say(language, name) for name in ("hand", "confidence", "gesture", "box")], rows)


def spans_table(spans: Sequence[Span], language: str) -> str:
    """The gestures of a video, a row each."""
    if not spans:
        return ""
    rows = [
        (
            str(span.hand),
            gesture_text(language, span.name),
            *(say(language, "seconds", seconds=f"{time:.1f}") for time in (span.start, span.end)),
        )
        for span in sorted(spans, key=lambda span: (span.start, span.hand))
    ]
    return _table([say(language, name) for name in ("hand", "gesture", "from", "to")], rows)


def live_status(hands: Hands, gestures: dict[int, str], rate: float | None, slow: bool, language: str) -> str:
    """What a camera shows now: a chip for each hand, in its colour, and how many frames a second are answered."""
    chips = []
    for hand in hands:
        blue, green, red = hand_color(hand.id or 0)
        text = f"{say(language, 'hand')} {hand.id}"
        if hand.id in gestures:
            text += f" · {gesture_text(language, gestures[hand.id])}"
        chips.append(f'<span class="chip" style="--hand: rgb({red}, {green}, {blue})">{escape(text)}</span>')
    shown = "".join(chips) or escape(say(language, "show_hand"))
    slow = slow and len(hands) > 0  # without a hand nobody waits for an answer
    speed = "" if rate is None else say(language, "slow" if slow else "rate", rate=f"{rate:.1f}")
    return f'<div class="chips">{shown}</div>' + (note(speed, "bad" if slow else "hint") if speed else "")


def _table(head: Row, rows: Sequence[Row]) -> str:
    titles = "".join(f"<th>{escape(text)}</th>" for text in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f'<div class="table"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'
