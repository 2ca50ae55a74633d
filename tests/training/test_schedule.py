"""Learning rates against tests/golden/lr_schedule.npz (mmcv 1.7.0's step policy with linear warm-up), 1e-9."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from modelscope_handkp.errors import ConfigError
from modelscope_handkp.training.schedule import Schedule

CARD = {"policy": "step", "step": [170, 200], "warmup": "linear", "warmup_iters": 500, "warmup_ratio": 0.001}
SHORT = {"policy": "step", "step": [4, 8], "warmup": "linear", "warmup_iters": 50, "warmup_ratio": 0.1}


@pytest.mark.parametrize(("name", "config", "epochs", "length"), [("card", CARD, 210, 7), ("short", SHORT, 10, 20)])
def test_golden(golden: Callable[[str], Any], name: str, config: dict[str, Any], epochs: int, length: int) -> None:
    schedule = Schedule.from_config(config)
    rates = [schedule.rate(5e-4, i // length, i, epochs, length) for i in range(epochs * length)]
    np.testing.assert_allclose(rates, golden("lr_schedule.npz")[name], rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("config", "epoch", "rate"),
    [
        ({"policy": "fixed"}, 9, 1.0),
        ({"policy": "step", "step": 2, "gamma": 0.5}, 5, 0.25),
        ({"policy": "step", "step": [1], "min_lr": 0.3}, 5, 0.3),
        ({"policy": "exp", "gamma": 0.5}, 3, 0.125),
        ({"policy": "poly", "power": 2, "min_lr": 0.1}, 5, 0.9 * 0.25 + 0.1),
        ({"policy": "inv", "gamma": 1.0}, 4, 0.2),
        ({"policy": "CosineAnnealing", "min_lr": 0.0}, 5, 0.5),
        ({"policy": "CosineAnnealing", "min_lr_ratio": 0.2}, 10, 0.2),
    ],
)
def test_policies(config: dict[str, Any], epoch: int, rate: float) -> None:
    assert Schedule.from_config(config).rate(1.0, epoch, epoch * 3, 10, 3) == pytest.approx(rate)


def test_by_iteration_and_warm_ups() -> None:
    by_iteration = Schedule.from_config({"policy": "poly", "by_epoch": False})
    assert by_iteration.rate(1.0, 0, 5, 2, 5) == pytest.approx(0.5)
    constant = Schedule.from_config({"policy": "fixed", "warmup": "constant", "warmup_iters": 2, "warmup_ratio": 0.3})
    assert [constant.rate(1.0, 0, i, 1, 9) for i in range(3)] == [0.3, 0.3, 1.0]
    without_length = Schedule.from_config({"policy": "fixed", "warmup": "linear"})
    assert without_length.rate(1.0, 0, 0, 1, 9) == 1.0
    growing = Schedule.from_config(
        {"policy": "fixed", "warmup": "exp", "warmup_iters": 1, "warmup_ratio": 0.25, "warmup_by_epoch": True}
    )
    assert [growing.rate(1.0, 0, i, 2, 2) for i in range(3)] == pytest.approx([0.25, 0.5, 1.0])


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"policy": "cyclic"}, "cyclic.*step"),
        ({"policy": "fixed", "options": {"gamma": 1}}, "options .* do not fit policy 'fixed'"),
        ({"policy": "step", "step": [1], "warmup": "slow", "warmup_iters": 1}, "slow.*linear"),
        ({"policy": "step", "steps": [1]}, "steps"),
        ({"policy": "CosineAnnealing"}, "min_lr"),
    ],
)
def test_unknown_is_refused_by_name(config: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        Schedule.from_config(config)
