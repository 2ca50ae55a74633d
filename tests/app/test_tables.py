from modelscope_handkp.app.tables import Span, live_status, note, spans_table
from modelscope_handkp.hands import Hands


def test_what_a_visitor_sends_is_never_markup() -> None:
    assert "<script" not in note("<script>alert(1)</script>")
    assert "<b>" not in spans_table([Span(1, "<b>mine</b>", 0, 1)], "en")


def test_gestures_are_listed_by_their_starts() -> None:
    html = spans_table([Span(2, "fist", 1.5, 2.0), Span(1, "ok", 0.25, 1.0)], "en")
    assert html.index("OK") < html.index("fist") and "0.2 s" in html and "2.0 s" in html
    assert spans_table([], "en") == ""


def test_a_camera_without_hands_asks_for_one() -> None:
    assert "Show a hand" in live_status(Hands.empty(), {}, None, False, "en")
    assert "请把手" in live_status(Hands.empty(), {}, None, False, "zh")
