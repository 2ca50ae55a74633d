import re
from string import Formatter

import pytest

from modelscope_handkp.app import words
from modelscope_handkp.gestures import GESTURE_NAMES


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("zh", "zh"), ("ZH-tw", "zh"), ("en-US,zh", "en"), ("fr", "en"), (None, "en")],
)
def test_the_language_is_the_first_that_the_browser_asks_for(accepted: str | None, language: str) -> None:
    assert words.language_of(accepted) == language


@pytest.mark.parametrize("table", [words.LABELS, words.SENTENCES, words.CAMERA, words.OTHERS])
def test_each_text_is_in_both_languages_with_the_same_values(table: dict) -> None:
    for name, (english, chinese) in table.items():
        fields = [{field for _, field, _, _ in Formatter().parse(text) if field} for text in (english, chinese)]
        assert fields[0] - {"error"} == fields[1], name  # errors are English
        assert "您" not in chinese, name
        assert not re.search("[\u4e00-\u9fff]", english), name


def test_each_gesture_has_a_name_in_both_languages() -> None:
    assert set(words.GESTURES) == set(GESTURE_NAMES)
    assert words.gesture_text("en", "victory") == "✌️ victory" and "剪刀手" in words.gesture_text("zh", "victory")
    assert words.gesture_text("zh", "my_own") == "my_own"


def test_sentences_are_filled_in() -> None:
    assert words.say("en", "hands", count=3) == "3 hands were found."
    assert words.say("zh", "hands", count=3) == "找到 3 只手。"


def test_the_labels_are_given_by_the_locales_of_browsers() -> None:
    values = {
        "minutes": 10,
        "pixels": 50_000_000,
        "size": 100,
        "camera_seconds": 120,
        "video_seconds": 60,
        "fastest": "OpenVINO",
    }
    given = words.translations(**values)
    assert given["zh-CN"]["camera_tab"] == given["zh"]["camera_tab"] == "摄像头"
    assert given["en"]["privacy"] == "Uploads stay on this server and are deleted after 10 minutes."
    assert "up to 50 million pixels and 100 MB" in given["en"]["image_hint"]
    assert given["en"]["status.queue_position"] == "Waiting: {position} of {size}"  # Gradio fills it in
    assert given["zh"]["fastest_engine"] == "OpenVINO（最快）" and given["zh"]["audio.record"] == "开始"
    assert "最多 5000 万像素、100 MB" in given["zh"]["image_hint"]
