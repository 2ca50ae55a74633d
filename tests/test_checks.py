"""Checks of arguments."""

from typing import Any

import numpy as np
import pytest

from modelscope_handkp.checks import check_count, check_threshold
from modelscope_handkp.errors import InputError


@pytest.mark.parametrize("value", [None, 0, 1, 0.5, np.float32(0.25), np.int64(1)])
def test_numbers_from_0_to_1_and_none_are_thresholds(value: Any) -> None:
    check_threshold("score_threshold", value)


@pytest.mark.parametrize("value", [-1e-9, 1 + 1e-9, float("nan"), True, False, "0.5", [0.5], "x" * 1000])
def test_other_thresholds_are_named(value: Any) -> None:
    with pytest.raises(InputError, match=r"^score_threshold must be a number from 0 to 1, got") as caught:
        check_threshold("score_threshold", value)
    assert repr(value)[:20] in str(caught.value)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize("value", [1, 2, 10**6])
def test_a_count_is_given_back(value: int) -> None:
    assert check_count("batch_size", value) == value


@pytest.mark.parametrize("value", [0, -1, 1.0, True, "8", None, "x" * 1000])
def test_other_counts_are_named(value: Any) -> None:
    with pytest.raises(InputError, match=r"^batch_size must be a positive integer, got") as caught:
        check_count("batch_size", value)
    assert repr(value)[:20] in str(caught.value)
    assert len(str(caught.value)) < 150
