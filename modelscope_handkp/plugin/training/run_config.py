"""The configuration of a training run: what goes in, and what is published with the trained model."""

import copy
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...errors import ConfigError, InputError
from ...model_dir.config import plain
from ...training.work_dir import DEFAULT_WORK_DIR
from .. import names

KINDS = ("type", "policy")  # keys that say what a block is
HOOKS = "hooks"  # the list whose order means nothing: hooks have priorities
# of the hooks and of the logging and checkpoint blocks: what concerns this machine and this run, a token among it
TOKEN_KEY = "hub_token"
RUN_KEYS = ("save_dir", "out_dir", "output_dir", "push_to_hub", "hub_repo_id", TOKEN_KEY, "private_hub",
            "hub_revision", "upload_strategy")  # fmt: skip


def prepare_config(cfg: Any, work_dir: str | None, cfg_options: Mapping[str, Any]) -> Any:
    """Change a ModelScope configuration in place to what the trainer reads, and return it.

    Tuples become lists, ``cfg_options`` are merged by `merge_options`, and ``train.work_dir`` is ``work_dir``, else the
    configuration's, else `DEFAULT_WORK_DIR`.

    Raises:
        ConfigError: options that cannot be merged. InputError: the work directory cannot be written.
    """
    cfg._cfg_dict.update(plain(cfg._cfg_dict.to_dict()))
    options = cfg.safe_get("train.optimizer.options") or {}
    for key in [key for key, value in options.items() if value is None]:
        del options[key]  # ModelScope cannot merge a block into "grad_clip": null
    merge_options(cfg, cfg_options)
    chosen = work_dir or cfg.safe_get("train.work_dir") or DEFAULT_WORK_DIR
    cfg.merge_from_dict({"train.work_dir": chosen})
    _check_writable(Path(chosen))
    return cfg


def merge_options(cfg: Any, cfg_options: Mapping[str, Any]) -> None:
    """Merge dotted keys into a ModelScope configuration, in place; ``cfg_options`` stays as it is.

    A block replaces an inherited block of another kind as a whole, and is merged into one of the same kind or of none.
    The kind is the block's ``type`` or ``policy``: ``{"train.optimizer": {"type": "AdamW", "lr": 1e-4}}`` over SGD
    keeps neither its momentum nor its ``options``. A list of such blocks, as of transforms, replaces the inherited one
    as a whole, unless it has the same kinds in the same order. The hooks of ``train.hooks``, whose order means nothing,
    are merged by type, and new ones added. A key into a block, such as ``train.optimizer.lr``, changes that value
    alone, even where it is the ``type``.

    Raises:
        ConfigError: a key that is no text, or a value that does not go where the key leads.
    """
    for key in cfg_options:
        if not isinstance(key, str):
            raise ConfigError(f"cfg_options takes dotted keys such as 'train.optimizer.lr', got {key!r}.")
    options = copy.deepcopy(dict(cfg_options))
    for key, value in options.items():
        *above, last = key.split(".")
        _remove_other_kinds(_at(cfg._cfg_dict, above), {last: value})
    try:
        cfg.merge_from_dict(options)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"cfg_options {list(options)} do not fit the configuration: {error}.") from error


def _at(node: Any, path: list[str]) -> Any:
    """What lies under ``path``; a number counts into a list."""
    for part in path:
        node = _get(node, part)
    return node


def _get(node: Any, key: str) -> Any:
    if isinstance(node, list):
        return node[int(key)] if key.isdigit() and int(key) < len(node) else None
    return node.get(key) if isinstance(node, dict) else None


def _remove_other_kinds(inherited: Any, given: Mapping[str, Any]) -> None:
    """Remove from ``inherited``, in place, each block that one of another kind in ``given`` takes the place of."""
    for key, new in given.items():
        old = _get(inherited, key)
        if old is None:
            continue
        if _is_of_another_kind(key, old, new):
            inherited[int(key) if isinstance(inherited, list) else key] = type(old)()
        elif isinstance(new, dict):
            _remove_other_kinds(old, new)


def _is_of_another_kind(key: str, old: Any, new: Any) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        kinds = _kind(old), _kind(new)
        return None not in kinds and kinds[0] != kinds[1]
    if isinstance(old, list) and isinstance(new, list) and key != HOOKS:
        before, now = [_kind(block) for block in old], [_kind(block) for block in new]
        return before != now or len(set(map(str, now))) < len(now)  # ModelScope merges each into the first of its type
    return False


def _kind(block: Any) -> Any:
    """The ``type`` of a block, else its ``policy``; None without one."""
    return next((block[key] for key in KINDS if block.get(key) is not None), None) if isinstance(block, dict) else None


def published_config(cfg: Any) -> dict[str, Any]:
    """The configuration of the trained model: as trained, this package as its plugin in place of pai-easycv, without
    paths of this machine and without what says where the model is published."""
    config: dict[str, Any] = plain(cfg._cfg_dict.to_dict())
    config["plugins"] = sorted({*config.get("plugins", []), names.DISTRIBUTION} - {names.EASYCV_DISTRIBUTION})
    train = config["train"]
    train["work_dir"] = None
    train["hooks"] = [hook for hook in train.get("hooks", []) if hook.get("type") != "DDPHook"]
    for key in (HOOKS, "logging", "checkpoint"):
        _remove_run(train.get(key))
    return config


@contextmanager
def hidden_tokens(cfg: Any) -> Iterator[None]:
    """Within the block a ModelScope configuration has ``***`` for each token of the hub."""
    blocks = [block for block in _blocks(cfg._cfg_dict) if block.get(TOKEN_KEY)]
    tokens = [block[TOKEN_KEY] for block in blocks]
    for block in blocks:
        block[TOKEN_KEY] = "***"
    try:
        yield
    finally:
        for block, token in zip(blocks, tokens):
            block[TOKEN_KEY] = token


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable.{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise InputError(f"work_dir {folder} cannot be written: {error.strerror or error}.") from error


def _remove_run(config: Any) -> None:
    for block in _blocks(config):
        for key in RUN_KEYS:
            block.pop(key, None)


def _blocks(config: Any) -> Iterator[dict[str, Any]]:
    """Every object of a configuration, at any depth."""
    if isinstance(config, dict):
        yield config
    for inner in list(config.values()) if isinstance(config, dict) else config if isinstance(config, list) else ():
        yield from _blocks(inner)
