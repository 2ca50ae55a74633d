"""Levels of difficulty, by name or one's own."""

from dataclasses import fields

import pytest

from modelscope_handkp.errors import InputError
from modelscope_handkp.synthetic import EASY, HARD, LEVELS, MEDIUM, Level
from modelscope_handkp.synthetic.levels import get_level


def test_names_lead_to_levels():
    assert LEVELS == {"easy": EASY, "medium": MEDIUM, "hard": HARD}
    assert [get_level(name) for name in ("easy", "medium", "hard")] == [EASY, MEDIUM, HARD]
    own = Level("own", clutter=0.3)
    assert get_level(own) is own


def test_an_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(InputError, match=r"'extreme'.*easy, medium, hard"):
        get_level("extreme")


def test_every_strength_grows_from_level_to_level():
    strengths = [field.name for field in fields(Level) if field.name not in ("name", "hand_px")]
    assert len(strengths) == 7
    for name in strengths:
        values = [getattr(level, name) for level in (EASY, MEDIUM, HARD)]
        assert 0 <= values[0] < values[1] < values[2] <= 1
    assert EASY.hand_px[0] > MEDIUM.hand_px[0] > HARD.hand_px[0] >= 16


def test_a_level_without_strengths_is_plain():
    plain = Level("plain")
    assert {getattr(plain, field.name) for field in fields(Level)[2:]} == {0.0}
