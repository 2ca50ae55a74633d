"""The settings of a job: those of `HandEstimator.from_pretrained`, checked at the door, and how two jobs differ."""

import inspect
import json
import os
from typing import Any

from ..engines import AUTO
from ..errors import InputError
from ..estimator import HandEstimator

PATHS = ("model_dir", "detector")
SHOWN = 200  # characters of a value in an error


def whole_options(options: dict[str, Any]) -> dict[str, Any]:
    """All arguments of `HandEstimator.from_pretrained`: those given, the engine "auto", and its defaults. Paths are
    absolute, since workers have other working directories.

    Raises:
        InputError: it has no argument of that name.
    """
    parameters = inspect.signature(HandEstimator.from_pretrained).parameters
    for name in options:
        if name not in parameters:
            raise InputError(f"a job has no option {name!r:.80}; its options are {', '.join(parameters)}.")
    whole = {**{name: parameter.default for name, parameter in parameters.items()}, "engine": AUTO, **options}
    for name in PATHS:
        path = whole[name]
        if isinstance(path, (str, os.PathLike)) and os.path.exists(path):  # noqa: PTH110  a hub id is no path
            whole[name] = os.path.abspath(path)  # noqa: PTH100
    return whole


def job_settings(source: str, column: str | None, track: bool, options: dict[str, Any]) -> dict[str, Any]:
    """What the rows of a job depend on, as JSON gives it back.

    Args:
        options: as `whole_options` gives them.
    """
    settings = {"source": source, "column": column, "track": track, "options": options}
    return dict(json.loads(json.dumps(settings, default=str)))


def differences(before: dict[str, Any], now: dict[str, Any]) -> str:
    """In words, such as "tta full and no track, now tta none and track"; "" where settings are the same.

    Args:
        before: read from a file, and perhaps anything.
        now: as `job_settings` gives them.
    """
    was, new = {**whole_options({}), **_flat(before)}, _flat(now)
    other = [name for name in new if was.get(name) != new[name]]
    if not other:
        return ""
    then, today = (" and ".join(_said(name, values.get(name)) for name in other) for values in (was, new))
    return f"{then}, now {today}"


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    options = settings.get("options")
    named = {name: value for name, value in settings.items() if name != "options"}
    return {**named, **(options if isinstance(options, dict) else {})}


def _said(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return name if value else f"no {name}"
    return f"the default {name}" if value is None else f"{name} {value!s:.{SHOWN}}"
