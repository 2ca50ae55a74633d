"""Choices of drawing."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelscope_handkp import Hands
from modelscope_handkp.errors import InputError, MissingFileError
from modelscope_handkp.results import DrawingStyle
from modelscope_handkp.results.labels import chinese_font
from modelscope_handkp.results.style import hand_color
from modelscope_handkp.skeleton import FINGER_COLORS

YELLOW = (0, 215, 255)


def hands(ids: list[int] | None = None, is_left: list[Any] | None = None, count: int = 2) -> Hands:
    """Hands side by side, each 150 pixels wide."""
    keypoints = np.zeros((count, 21, 3), np.float32)
    fingers = [[30 + 25 * joint, 60 + 25 * finger] for finger in range(5) for joint in range(4)]
    for number in range(count):
        keypoints[number, :, :2] = [[20, 110], *fingers]
        keypoints[number, :, 0] += 150 * number
    keypoints[..., 2] = 1
    boxes = [[10 + 150 * number, 50, 120 + 150 * number, 170] for number in range(count)]
    return Hands(keypoints, boxes, np.full(count, 0.9), np.full(count, 0.93), ids=ids, is_left=is_left)


def draw(found: Hands, background: int = 128, **options: Any) -> np.ndarray:
    return found.draw(np.full((200, 150 * len(found), 3), background, np.uint8), DrawingStyle(**options))


def has(image: np.ndarray, color: tuple[int, int, int]) -> bool:
    return bool((image == color).all(axis=-1).any())


def test_the_default_is_what_is_drawn_without_a_style(tmp_path: Path) -> None:
    found, image = hands([3, 4]), np.full((200, 300, 3), 128, np.uint8)
    np.testing.assert_array_equal(found.draw(image), draw(found))
    found.save(tmp_path / "a.png", image, DrawingStyle(color="hand"))
    found.save(tmp_path / "b.png", image)
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_a_colour_a_hand_by_its_id() -> None:
    image = draw(hands([7, 2]), color="hand")
    assert has(image[:, :150], hand_color(7)) and not has(image[:, :150], hand_color(2))
    assert has(image[:, 150:], hand_color(2)) and not has(image[:, 150:], hand_color(7))
    assert not has(image, YELLOW) and not any(has(image, color) for color in FINGER_COLORS)
    swapped = draw(hands([2, 7]), color="hand", label="none")
    np.testing.assert_array_equal(swapped[:, :150], draw(hands([7, 2]), color="hand", label="none")[:, 150:])


def test_without_ids_hands_still_have_colours_of_their_own() -> None:
    image = draw(hands(), color="hand")
    assert has(image[:, :150], hand_color(0)) and has(image[:, 150:], hand_color(1))


def test_colours_of_hands_are_well_apart() -> None:
    colors = np.array([hand_color(number) for number in range(8)], float)
    distances = np.linalg.norm(colors[:, None] - colors[None], axis=-1)[~np.eye(8, dtype=bool)]
    assert distances.min() > 60
    assert hand_color(10**18) == hand_color(10**18) and min(hand_color(-5)) >= 0


def test_boxes_and_labels_can_be_left_out() -> None:
    nothing = draw(hands(), boxes=False, label="none")
    assert not has(nothing, YELLOW)
    assert (nothing[:45] == 128).all()
    assert all(has(nothing, color) for color in FINGER_COLORS)
    assert (draw(hands(), boxes=False)[:45] != 128).any()
    only_boxes = draw(hands(), label="none")
    assert (only_boxes[170, 10:120] != 128).any(axis=-1).all() and (only_boxes[:45] == 128).all()


@pytest.mark.parametrize(
    ("options", "ids", "is_left", "expected"),
    [
        ({}, None, None, "0.93"),
        ({}, [3], [True], "3 0.93"),
        ({"label": "id"}, [3], None, "3"),
        ({"label": "id"}, None, None, ""),
        ({"label": "confidence"}, [3], None, "0.93"),
        ({"label": "none", "language": "en"}, [3], None, ""),
        ({"language": "en"}, [3], None, "hand 3 0.93"),
        ({"language": "en"}, [3], [True], "left hand 3 0.93"),
        ({"language": "en"}, None, [False], "right hand 0.93"),
        ({"language": "zh"}, [3], None, "手 3 0.93"),
        ({"language": "zh"}, [3], [True], "左手 3 0.93"),
        ({"language": "zh", "label": "id"}, [12], [False], "右手 12"),
    ],
)
def test_what_a_label_says(options: dict, ids: list[int] | None, is_left: list[bool] | None, expected: str) -> None:
    (hand,) = hands(ids, is_left, 1)
    assert DrawingStyle(**options).label_of(hand) == expected


def test_ids_are_drawn_where_they_are_known() -> None:
    assert (draw(hands([3, 4], count=2)) != draw(hands())).any()
    assert (draw(hands([3, 4]))[:50, :150] != draw(hands([5, 4]))[:50, :150]).any()


def test_the_width_of_lines_and_the_radius_of_points() -> None:
    for width in (1, 4, 9):
        image = draw(hands(count=1), background=0, line_width=width, point_radius=0, label="none", boxes=False)
        column = (image[50:70, 40] == FINGER_COLORS[0]).all(axis=-1).sum()  # across the thumb, between two joints
        assert abs(column - width) <= 2
    for radius in (2, 6):
        image = draw(hands(count=1), point_radius=radius, line_width=1, label="none", boxes=False)
        column = (image[60 - 12 : 60 + 12, 105] != 128).any(axis=-1).sum()  # the tip of the thumb
        assert abs(column - 2 * radius - 1) <= 2
    box = draw(hands(count=1), line_width=8, label="none")
    assert abs((box[40:60, 100] == YELLOW).all(axis=-1).sum() - 4) <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"color": "rainbow"}, "color must be one of finger, hand, got 'rainbow'"),
        ({"label": True}, "label must be one of all, id, confidence, none, got True"),
        ({"language": "de"}, "language must be one of None, en, zh, got 'de'"),
        ({"boxes": 1}, "boxes must be one of True, False, got 1"),
        ({"line_width": 0}, "line_width must be a whole number of pixels from 1 to 1000, got 0"),
        ({"line_width": 2.5}, "line_width"),
        ({"line_width": True}, "line_width"),
        ({"point_radius": -1}, "point_radius must be a number of pixels from 0 to 1000, got -1"),
        ({"point_radius": float("nan")}, "point_radius"),
        ({"font": 3}, "font must be the path"),
        ({"color": ["hand"]}, "color"),
    ],
)
def test_a_value_that_cannot_be_is_refused(options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        DrawingStyle(**options)


@pytest.fixture
def make_font(tmp_path: Path) -> Callable[..., Path]:
    """make_font(name, characters) -> a font in which each of the characters is a bar as wide as its place in them."""
    builder = pytest.importorskip("fontTools.fontBuilder", reason="fontTools is not installed")
    pens = pytest.importorskip("fontTools.pens.ttGlyphPen")

    def bar(width: int) -> Any:
        pen = pens.TTGlyphPen(None)
        pen.moveTo((50, 0))
        for point in ((50, 700), (width, 700), (width, 0)):
            pen.lineTo(point)
        pen.closePath()
        return pen.glyph()

    def make(name: str, characters: str) -> Path:
        font = builder.FontBuilder(1000, isTTF=True)
        names = [".notdef", *(f"u{ord(character):X}" for character in characters)]
        font.setupGlyphOrder(names)
        font.setupCharacterMap({ord(character): name for character, name in zip(characters, names[1:])})
        font.setupGlyf({name: bar(300 + 50 * place) for place, name in enumerate(names)})
        font.setupHorizontalMetrics(dict.fromkeys(names, (1000, 50)))
        font.setupHorizontalHeader(ascent=800, descent=-200)
        font.setupNameTable({"familyName": "Bars", "styleName": "Regular"})
        font.setupOS2()
        font.setupPost()
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        font.save(path)
        return path

    return make


CHARACTERS = "手左右 0123456789."


def test_chinese_is_written_in_a_font_that_has_it(make_font: Callable[..., Path]) -> None:
    font = make_font("bars.ttf", CHARACTERS)
    unknown, left = (draw(hands([3], sides, 1), language="zh", font=font)[:50] for sides in (None, [True]))
    assert has(unknown, YELLOW) and (unknown != left).any()
    widths = [np.nonzero((image != 128).any(axis=(0, 2)))[0].max() for image in (unknown, left)]
    assert widths[1] > widths[0] + 10  # one more character
    assert unknown.min() < 30  # the rim


def test_a_font_without_chinese_is_refused(make_font: Callable[..., Path]) -> None:
    font = make_font("bars.ttf", "0123456789.")
    with pytest.raises(InputError, match=r"bars\.ttf has no Chinese characters: install one"):
        draw(hands(), language="zh", font=font)
    assert has(draw(hands(), font=font)[:50], YELLOW)  # digits it has


def test_a_font_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.ttf").write_text("no font")
    for language in ("en", "zh", None):
        with pytest.raises(InputError, match="is no font that can be read"):
            draw(hands(), language=language, font=tmp_path / "a.ttf")
        with pytest.raises(MissingFileError, match=r"there is no font .*b\.ttf"):
            draw(hands(), language=language, font=str(tmp_path / "b.ttf"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system whose only fonts lie in the user's home."""
    monkeypatch.setattr("modelscope_handkp.results.labels.font_folders", lambda: [tmp_path / "fonts"])
    chinese_font.cache_clear()
    yield tmp_path / "fonts"
    chinese_font.cache_clear()


def test_a_font_of_the_system_is_found(home: Path, make_font: Callable[..., Path]) -> None:
    make_font("fonts/a/wqy-microhei.ttc", CHARACTERS)
    make_font("fonts/b/NotoSansCJK-Regular.ttc", "0123456789.")  # of that name, but without the characters
    make_font("fonts/b/other.ttf", CHARACTERS)
    assert Path(chinese_font()).name == "wqy-microhei.ttc"
    assert has(draw(hands(), language="zh")[:50], YELLOW)


def test_a_system_without_a_chinese_font_says_what_to_do(home: Path) -> None:
    with pytest.raises(
        InputError, match=r"no font with Chinese characters .* install one, .* or name its file .font=, --font"
    ):
        draw(hands(), language="zh")
    draw(hands(), language="zh", label="none")  # which needs none
    draw(hands(), language="en")


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_fonts_are_looked_for_where_the_system_keeps_them(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from modelscope_handkp.results.labels import font_folders

    monkeypatch.setattr(sys, "platform", platform)
    folders = [str(folder) for folder in font_folders()]
    expected = {"linux": "/usr/share/fonts", "darwin": "/System/Library/Fonts", "win32": "Fonts"}[platform]
    assert any(expected in folder for folder in folders)
