"""The learning rate at an iteration, as mmcv's ``lr_config`` blocks mean it (mmcv 1.x, runner/hooks/lr_updater.py)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigError

WARMUPS = ("constant", "linear", "exp")


def _fixed(base: float, at: float, end: float) -> float:
    return base


def _step(base: float, at: float, end: float, step: Any, gamma: float = 0.1, min_lr: float | None = None) -> float:
    passed = at // step if isinstance(step, int) else sum(at >= border for border in step)
    rate = base * gamma**passed
    return float(rate if min_lr is None else max(rate, min_lr))


def _exp(base: float, at: float, end: float, gamma: float) -> float:
    return float(base * gamma**at)


def _poly(base: float, at: float, end: float, power: float = 1.0, min_lr: float = 0.0) -> float:
    return float((base - min_lr) * (1 - at / end) ** power + min_lr)


def _inv(base: float, at: float, end: float, gamma: float, power: float = 1.0) -> float:
    return float(base * (1 + gamma * at) ** -power)


def _cosine(
    base: float, at: float, end: float, min_lr: float | None = None, min_lr_ratio: float | None = None
) -> float:
    if (min_lr is None) == (min_lr_ratio is None):
        raise ConfigError("lr_scheduler policy CosineAnnealing needs one of min_lr and min_lr_ratio.")
    target = base * min_lr_ratio if min_lr_ratio is not None else float(min_lr or 0.0)
    return target + 0.5 * (base - target) * (math.cos(math.pi * at / end) + 1)


POLICIES: dict[str, Callable[..., float]] = {
    "fixed": _fixed,
    "step": _step,
    "exp": _exp,
    "poly": _poly,
    "inv": _inv,
    "cosineannealing": _cosine,
}


@dataclass(frozen=True)
class Schedule:
    """A learning rate as a function of epoch and iteration; it has no state, so a run resumes by knowing where it is.

    Args:
        policy: one of `POLICIES`, upper or lower case; ``options`` are the policy's own.
        by_epoch: the policy counts epochs (from 0), otherwise iterations.
        warmup: None or one of `WARMUPS`, over ``warmup_iters`` iterations (epochs with ``warmup_by_epoch``) from
            ``warmup_ratio`` of the rate.
    """

    policy: str
    options: dict[str, Any] = field(default_factory=dict)
    by_epoch: bool = True
    warmup: str | None = None
    warmup_iters: int = 0
    warmup_ratio: float = 0.1
    warmup_by_epoch: bool = False

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Schedule":
        """From a block such as ``{"policy": "step", "step": [170, 200], "warmup": "linear", ...}``.

        Raises:
            ConfigError: an unknown policy, warm-up or option; names it and those that are known.
        """
        own = {key: config[key] for key in cls.__dataclass_fields__ if key in config and key != "options"}
        options = {key: value for key, value in config.items() if key not in own}
        schedule = cls(**own, options=options)
        if schedule.policy.lower() not in POLICIES:
            known = ", ".join(sorted(POLICIES))
            raise ConfigError(f"lr_scheduler.policy {schedule.policy!r} is not known; known are {known}.")
        if schedule.warmup not in (None, *WARMUPS):
            raise ConfigError(f"lr_scheduler.warmup {schedule.warmup!r} is not known; known are {', '.join(WARMUPS)}.")
        try:
            schedule.rate(1.0, 0, 0, 1, 1)
        except TypeError as error:
            raise ConfigError(
                f"lr_scheduler options {options} do not fit policy {schedule.policy!r}: {error}."
            ) from None
        return schedule

    def rate(self, base: float, epoch: int, iteration: int, epochs: int, iterations_per_epoch: int) -> float:
        """The learning rate of iteration ``iteration`` (from 0, over the whole run), which is in ``epoch`` (from 0).

        Args:
            base: the optimizer's own rate. epochs, iterations_per_epoch: the length of the whole run.
        """
        at, end = (epoch, epochs) if self.by_epoch else (iteration, epochs * iterations_per_epoch)
        regular = POLICIES[self.policy.lower()](base, at, end, **self.options)
        length = self.warmup_iters * (iterations_per_epoch if self.warmup_by_epoch else 1)
        if self.warmup is None or iteration >= length:
            return regular
        if self.warmup == "constant":
            return regular * self.warmup_ratio
        if self.warmup == "exp":
            return float(regular * self.warmup_ratio ** (1 - iteration / length))
        return regular * (1 - (1 - iteration / length) * (1 - self.warmup_ratio))

    def rates(self, bases: Sequence[float], epoch: int, iteration: int, epochs: int, per_epoch: int) -> list[float]:
        """`rate` for each of the optimizer's parameter groups."""
        return [self.rate(base, epoch, iteration, epochs, per_epoch) for base in bases]
