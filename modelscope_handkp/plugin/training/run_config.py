"""The configuration of a training run: what goes in, and what is published with the trained model."""

import os
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...model_dir.config import plain
from ...training.work_dir import DEFAULT_WORK_DIR
from .. import names

PATH_KEYS = ("save_dir", "out_dir", "output_dir")  # of the logging and checkpoint blocks


def prepare_config(cfg: Any, work_dir: str | None, cfg_options: dict[str, Any]) -> Any:
    """Change a ModelScope configuration in place to what the trainer reads, and return it.

    Tuples become lists, ``cfg_options`` are merged (ModelScope does so only after the work directory is made), and
    ``train.work_dir`` is ``work_dir``, else the configuration's, else `DEFAULT_WORK_DIR`.

    Raises:
        InputError: the work directory cannot be written.
    """
    cfg._cfg_dict.update(plain(cfg._cfg_dict.to_dict()))
    options = cfg.safe_get("train.optimizer.options") or {}
    for key in [key for key, value in options.items() if value is None]:
        del options[key]  # ModelScope cannot merge a block into "grad_clip": null
    cfg.merge_from_dict(cfg_options)
    chosen = work_dir or cfg.safe_get("train.work_dir") or DEFAULT_WORK_DIR
    cfg.merge_from_dict({"train.work_dir": chosen})
    _check_writable(Path(chosen))
    return cfg


def published_config(cfg: Any) -> dict[str, Any]:
    """The configuration of the trained model: as trained, this package as its plugin, without paths of this machine."""
    config: dict[str, Any] = plain(cfg._cfg_dict.to_dict())
    config["plugins"] = sorted({*config.get("plugins", []), names.DISTRIBUTION})
    train = config["train"]
    train["work_dir"] = None
    train["hooks"] = [hook for hook in train.get("hooks", []) if hook.get("type") != "DDPHook"]
    for key in ("logging", "checkpoint"):
        _remove_paths(train.get(key))
    return config


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".writable.{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise InputError(f"work_dir {folder} cannot be written: {error.strerror or error}.") from error


def _remove_paths(config: Any) -> None:
    if isinstance(config, dict):
        for key in PATH_KEYS:
            config.pop(key, None)
        for inner in config.values():
            _remove_paths(inner)
