"""The hooks of a configuration's ``train.hooks``, by the names that EasyCV's converter and ModelScope write."""

from collections.abc import Mapping
from typing import Any

from modelscope.trainers.hooks.builder import HOOKS
from modelscope.trainers.hooks.iter_timer_hook import IterTimerHook
from modelscope.utils.registry import build_from_cfg

from ...errors import ConfigError
from .. import names
from ..patches import class_index
from .checkpoints import BestCheckpointHook, PeriodicCheckpointHook
from .log_hooks import EveryIterationTextHook, KeypointEvaluationHook, TensorboardImageHook
from .loop_hooks import AddLrLogHook, ProcessGroupHook

OWN_HOOKS: dict[str, Any] = {
    "AddLrLogHook": AddLrLogHook,
    "BestCkptSaverHook": BestCheckpointHook,
    "CheckpointHook": PeriodicCheckpointHook,
    "DDPHook": ProcessGroupHook,
    "EvaluationHook": KeypointEvaluationHook,
    "IterTimerHook": IterTimerHook,
    "TensorboardHook": TensorboardImageHook,
    "TextLoggerHook": EveryIterationTextHook,
}


def build_hook(config: Mapping[str, Any]) -> Any:
    """The hook of one block of ``train.hooks``: this package's by its name, else ModelScope's or a user's.

    Raises:
        ConfigError: no hook of that name, with the names that are known; or options that it does not take.
    """
    options = dict(config)
    name = options.pop("type", None)
    try:
        if name in OWN_HOOKS:
            return OWN_HOOKS[name](**options)
        if name in known_hooks():
            return build_from_cfg(dict(config), HOOKS)
    except (TypeError, AssertionError) as error:
        raise ConfigError(f"train.hooks: {name} does not take {options}: {error}.") from error
    raise ConfigError(f"train.hooks names {name!r}, which is not known; known are {', '.join(known_hooks())}.")


def known_hooks() -> list[str]:
    """Names of this package's hooks, of ModelScope's and of those that users registered."""
    indexed = {name for registry, group, name in class_index() if (registry, group) == ("HOOKS", names.DEFAULT_GROUP)}
    return sorted({*OWN_HOOKS, *indexed, *HOOKS.modules.get(names.DEFAULT_GROUP, {})})
