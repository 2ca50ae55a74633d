"""Configurations as plain values. Both kinds come from a hub: they are parsed, never executed.

configuration.json     ModelScope's; tuples may be jsonplus objects, they become lists
detection/config.py    mmdet 2.x / EasyCV; assignments of literals, dict(...) calls and names assigned before
"""

import ast
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import ConfigError, MissingFileError
from ..file_kind import HEAD_BYTES, JSON, TEXT, file_kind

CONFIGURATION_FILE = "configuration.json"
MAX_CONFIG_BYTES = 4 * 1024**2
MAX_PYTHON_BYTES = 64 * 1024  # parsing Python takes a thousand times its size, and deep expressions crash Python 3.10
MAX_DEPTH = 64  # of nested values; a real configuration has about ten
MAX_WEIGHTS = 250_000_000  # of a configured network: a gigabyte
MAX_VALUES = 100_000  # names that stand for lists of names can double with every line


def read_configuration(model_dir: str | Path) -> dict[str, Any]:
    """Read ``configuration.json`` of a model directory.

    Returns:
        the configuration with jsonplus tuples (``{"__class__": "tuple", "__value__": [...]}``) as lists.
    Raises:
        MissingFileError: no such file. ConfigError: too large, or not a JSON object.
    """
    path = Path(model_dir) / CONFIGURATION_FILE
    text = _read_text(path, MAX_CONFIG_BYTES)
    try:
        config = plain(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid JSON: {error}.") from None
    if not isinstance(config, dict):
        raise ConfigError(f"{path} must hold a JSON object, it holds a {type(config).__name__}.")
    return config


def plain(node: Any) -> Any:
    """Tuples, real ones and jsonplus ones, become lists, throughout."""
    if isinstance(node, dict):
        if node.get("__class__") == "tuple":
            return plain(node.get("__value__", []))
        return {key: plain(value) for key, value in node.items()}
    return [plain(value) for value in node] if isinstance(node, (list, tuple)) else node


def require(config: Any, key: str) -> Any:
    """The value under a dotted key, such as ``model.backbone.type``.

    Raises:
        ConfigError: a part of the key is missing; the message names the whole key.
    """
    node = config
    for part in key.split("."):
        if not isinstance(node, dict) or part not in node:
            raise ConfigError(f"the configuration has no {key!r} (nothing under {part!r}).")
        node = node[part]
    return node


def block(config: Any, key: str) -> dict[str, Any]:
    """The object under a dotted key; empty where there is none.

    Raises:
        ConfigError: it is something else than an object.
    """
    node = config
    for part in key.split("."):
        node = node.get(part) if isinstance(node, dict) else None
    if not isinstance(node or {}, dict):
        raise ConfigError(f"the configuration's {key!r} must be an object of names and values, got {node!r:.80}.")
    return node or {}


def require_number(config: Any, key: str, low: float, high: float) -> float:
    """The number under a dotted key.

    Raises:
        ConfigError: missing, not a number, or not in low..high; named.
    """
    value = require(config, key)
    # A boolean is an int to Python, and NaN is not between anything.
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not low <= value <= high:
        raise ConfigError(f"the configuration's {key!r} must be a number from {low:g} to {high:g}, got {value!r:.80}.")
    return value


@contextmanager
def building(what: str) -> Iterator[None]:
    """Turn whatever Python and torch raise on values of a wrong kind into a `ConfigError` about ``what``."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"{what} cannot be built: {type(error).__name__}: {error}.") from error


def check_weights(count: float, what: str) -> None:
    """Refuse a network of about ``count`` weights before memory is taken for it.

    Raises:
        ConfigError: more than `MAX_WEIGHTS`.
    """
    if count > MAX_WEIGHTS:
        raise ConfigError(f"{what} would have about {count:.0e} weights; at most {MAX_WEIGHTS:.0e} are built.")


def read_python_config(path: str | Path) -> dict[str, Any]:
    """Read an mmdet-style Python configuration without running it.

    Allowed are docstrings, assignments of literals, ``dict(...)`` calls, lists, tuples, numbers with a sign, and names
    that were assigned before, also as ``**name`` in a dict.

    Returns:
        the assigned names and their values, tuples as lists.
    Raises:
        MissingFileError: no such file. ConfigError: too large, not Python, or anything that is not such an assignment.
    """
    path = Path(path)
    text = _read_text(path, MAX_PYTHON_BYTES)
    try:
        values: dict[str, Any] = {}
        for statement in ast.parse(text).body:
            _assign(statement, values)
        _check_extent(values)
    except (_Refused, SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ConfigError(f"{path} may only assign plain values: {error or type(error).__name__}.") from None
    return values


class _Refused(Exception):
    pass


def _assign(statement: ast.stmt, values: dict[str, Any]) -> None:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return  # a docstring
    if not (
        isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name)
    ):
        raise _Refused(f"line {statement.lineno} is a {type(statement).__name__}")
    values[statement.targets[0].id] = _value(statement.value, values, 0)


def _value(node: ast.expr, names: dict[str, Any], depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise _Refused(f"line {node.lineno} is nested deeper than {MAX_DEPTH}")
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(item, names, depth + 1) for item in node.elts]
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        number = _value(node.operand, names, depth + 1)
        if isinstance(number, (int, float)):
            return -number if isinstance(node.op, ast.USub) else number
    if isinstance(node, ast.Dict):
        return _merge(zip(node.keys, node.values), names, depth)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict" and not node.args:
        return _merge(((keyword.arg, keyword.value) for keyword in node.keywords), names, depth)
    raise _Refused(f"line {node.lineno} has {ast.unparse(node)[:60]!r}")


def _merge(items: Any, names: dict[str, Any], depth: int) -> dict[Any, Any]:
    """A dict from (key, value) nodes; a key of None is ``**value``."""
    merged: dict[Any, Any] = {}
    for key, node in items:
        value = _value(node, names, depth + 1)
        if key is None:
            if not isinstance(value, dict):
                raise _Refused(f"line {node.lineno} spreads a value that is no dict")
            merged.update(value)
        else:
            merged[key if isinstance(key, str) else _value(key, names, depth + 1)] = value
    return merged


def _check_extent(values: dict[str, Any]) -> None:
    """Bound what a reader of the values would meet: the same list under many names counts each time."""
    waiting, count = [(value, 0) for value in values.values()], 0
    while waiting:
        value, depth = waiting.pop()
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        waiting += [(item, depth + 1) for item in inner]
        count += 1
        if depth > MAX_DEPTH or count > MAX_VALUES:
            raise _Refused(f"it expands to more than {MAX_VALUES} values or {MAX_DEPTH} levels")


def _read_text(path: Path, limit: int) -> str:
    if not os.path.isfile(path):  # noqa: PTH113  Path.is_file raises on a name that is too long
        raise MissingFileError(f"{path} does not exist.")
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise ConfigError(f"{path} is larger than {limit} bytes.")
    kind = file_kind(content[:HEAD_BYTES], {"UTF-": "save it as UTF-8", "": "restore the model's own file"})
    if kind and not kind.startswith((JSON, TEXT)):
        raise ConfigError(f"{path} is {kind}.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text: {error}.") from None
