"""The names of hooks that configurations know."""

from collections.abc import Callable
from typing import Any

import pytest
from modelscope.trainers.hooks.hook import Hook

from modelscope_handkp.errors import ConfigError
from modelscope_handkp.plugin.training.hooks import build_hook, known_hooks

CONVERTER = ("CheckpointHook", "EvaluationHook", "AddLrLogHook", "IterTimerHook", "TextLoggerHook", "TensorboardHook")


def test_all_hooks_of_the_converter_are_built_with_their_options() -> None:
    for name in CONVERTER:
        assert isinstance(build_hook({"type": name}), Hook)
    assert build_hook({"type": "CheckpointHook", "interval": 7}).interval == 7
    assert build_hook({"type": "BestCkptSaverHook", "metric_key": "EPE", "rule": "min"}).metric_key == "EPE"


def test_the_hooks_that_modelscope_has_of_the_same_name_are_replaced() -> None:
    for name in {*CONVERTER, "BestCkptSaverHook"} - {"IterTimerHook"}:
        assert type(build_hook({"type": name})).__module__.startswith("modelscope_handkp."), name


def test_other_hooks_of_modelscope_are_built_too() -> None:
    hook = build_hook({"type": "EarlyStopHook", "metric_key": "PCK", "patience": 3})
    assert type(hook).__module__.startswith("modelscope.") and hook.patience == 3


def test_known_are_ours_and_modelscopes_and_those_of_users() -> None:
    from modelscope.trainers.hooks.builder import HOOKS

    @HOOKS.register_module(module_name="HookOfAUser", force=True)
    class HookOfAUser(Hook):
        pass

    assert {*CONVERTER, "DDPHook", "EarlyStopHook", "HookOfAUser"} <= set(known_hooks())
    assert known_hooks() == sorted(known_hooks())
    assert isinstance(build_hook({"type": "HookOfAUser"}), HookOfAUser)


@pytest.mark.parametrize("name", ["EMAHook", None])
def test_an_unknown_hook_is_refused_with_those_that_are_known(name: Any) -> None:
    with pytest.raises(ConfigError, match=rf"{name!r}, which is not known; known are .*AddLrLogHook.*TensorboardHook"):
        build_hook({"type": name})


@pytest.mark.parametrize(
    "config", [{"type": "EvaluationHook", "interval": 0}, {"type": "AddLrLogHook", "every": 3}], ids=lambda c: c["type"]
)
def test_options_that_a_hook_does_not_take(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=rf"{config['type']} does not take"):
        build_hook(config)


def test_the_trainer_refuses_an_unknown_hook(build: Callable[..., Any]) -> None:
    with pytest.raises(ConfigError, match="'EMAHook'"):
        build({"train.hooks": [{"type": "EMAHook"}]})
