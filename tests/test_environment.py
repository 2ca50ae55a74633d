"""Environment variables of a block."""

import os

import pytest

from modelscope_handkp.environment import variables


def test_variables_are_set_in_the_block_and_as_before_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDKP_TEST_OLD", "old")
    monkeypatch.delenv("HANDKP_TEST_NEW", raising=False)
    with pytest.raises(RuntimeError), variables({"HANDKP_TEST_OLD": "a", "HANDKP_TEST_NEW": "b"}):
        assert (os.environ["HANDKP_TEST_OLD"], os.environ["HANDKP_TEST_NEW"]) == ("a", "b")
        raise RuntimeError
    assert os.environ["HANDKP_TEST_OLD"] == "old" and "HANDKP_TEST_NEW" not in os.environ
