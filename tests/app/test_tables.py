import numpy as np

from modelscope_handkp.app.tables import Span, live_status, note, spans_table
from modelscope_handkp.hands import Hands


def test_what_a_visitor_sends_is_never_markup() -> None:
    assert "<script" not in note("<script>alert(1)</script>")
    assert "<b>" not in spans_table([Span(1, "<b>mine</b>", 0, 1)], "en")


def test_gestures_are_listed_by_their_starts() -> None:
    html = spans_table([Span(2, "fist", 1.5, 2.0), Span(1, "ok", 0.25, 1.0)], "en")
    assert html.index("OK") < html.index("fist") and "0.2 s" in html and "2.0 s" in html
    assert "0.2 秒" in spans_table([Span(1, "ok", 0.25, 1.0)], "zh")
    assert spans_table([], "en") == ""


def test_a_camera_without_hands_asks_for_one() -> None:
    assert "Show a hand" in live_status(Hands.empty(), {}, None, False, "en")
    assert "请把手" in live_status(Hands.empty(), {}, None, False, "zh")


def test_a_visitor_is_told_to_move_slowly_where_a_hand_is_seen() -> None:
    one = Hands(np.zeros((1, 21, 3)), np.zeros((1, 4)), np.ones(1), ids=np.array([1]))
    assert "Move slowly" in live_status(one, {}, 2.0, True, "en")
    seen = live_status(Hands.empty(), {}, 2.0, True, "en")
    assert "Move slowly" not in seen and "2.0 frames a second" in seen
