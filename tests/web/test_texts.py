"""The page speaks Chinese and English."""

from typing import Any

import pytest
from node import in_node, needs_node

from modelscope_handkp.gestures import GESTURE_NAMES

pytestmark = needs_node

READ = """Object.defineProperty(globalThis, "navigator", { value: { language: given.spoken }, configurable: true });
const { language, texts } = await import("./src/texts.js");
const shape = (value) => typeof value === "object"
  ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shape(inner)])) : typeof value;
return { language, shape: shape(texts), gestures: texts.gestures, words: texts.useCamera };"""


def read(spoken: str) -> Any:
    return in_node("", READ, spoken=spoken)


@pytest.mark.parametrize(("spoken", "language"), [("zh-CN", "zh"), ("zh", "zh"), ("en-GB", "en"), ("fr", "en")])
def test_the_language_is_chosen(spoken: str, language: str) -> None:
    assert read(spoken)["language"] == language


def test_both_languages_say_the_same_things_and_name_every_gesture() -> None:
    english, chinese = read("en"), read("zh")
    assert english["shape"] == chinese["shape"]
    assert english["words"] != chinese["words"]
    assert set(english["gestures"]) == set(GESTURE_NAMES)
