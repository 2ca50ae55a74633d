"""Changes to ModelScope's registries, configurations and plugin loader, each made once by `register`.

ModelScope's functions are replaced in the modules that look them up when they are called. Nothing here imports more of
ModelScope than ``import modelscope`` does, but for its configuration and plugin modules, which are light. Releases of
ModelScope differ: a patch asks for what it patches, and never for a version.
"""

import functools
import logging
import re
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from modelscope.metainfo import CustomDatasets, Metrics, Models, Trainers
from modelscope.utils import plugins as loader
from modelscope.utils.ast_utils import INDEX_KEY
from modelscope.utils.config import Config
from modelscope.utils.import_utils import LazyImportModule
from modelscope.utils.registry import Registry, default_group

from . import names, offline

logger = logging.getLogger(__name__)

_UNNEEDED = {names.EASYCV_DISTRIBUTION, names.DISTRIBUTION}


def apply_all() -> None:
    """Make every patch of this module."""
    index_classes()
    restore_names()
    patch_registry()
    patch_config_plugins()
    patch_plugin_loader()
    patch_hub()


def index_classes() -> None:
    """Add this package's classes to ModelScope's index of modules.

    ModelScope looks there for the module to import when a class is built by its registered name, and warns about a
    name that is missing. With an entry for each of `names.REGISTERED`, a module of this package is imported when it is
    needed and not before.
    """
    index = class_index()
    for key, module in names.REGISTERED.items():
        index[key] = {"module": module, "filepath": "", "imports": []}


def class_index() -> dict[tuple[str, str, str], Any]:
    """ModelScope's index itself: (registry, group, name) -> the module to import; what is added to it counts."""
    read = getattr(LazyImportModule, "get_ast_index", None)  # a class attribute before ModelScope 1.22
    index: dict[tuple[str, str, str], Any] = (read() if read else LazyImportModule.AST_INDEX)[INDEX_KEY]
    return index


def restore_names() -> None:
    """Set the constants of ``modelscope.metainfo`` that scripts of the model card use.

    ModelScope dropped ``Trainers.easycv`` and three others together with EasyCV, so that those scripts would fail with
    an AttributeError.
    """
    Trainers.easycv = names.TRAINER
    Models.hand_2d_keypoints = names.MODEL
    CustomDatasets.HandCocoWholeBodyDataset = names.DATASET
    Metrics.EasyCVMetric = names.METRIC


def patch_registry() -> None:
    """Ignore a registration of one of this package's names by another package.

    ModelScope raises KeyError for the second registration of a name. pai-easycv registers most of these names, so that
    ``import easycv.toolkit.modelscope`` would fail after this package, or replace its classes before it. A
    registration with ``force=True`` is made as before.
    """
    original = Registry._register_module

    @functools.wraps(original)
    def register(
        self: Any,
        group_key: str = default_group,
        module_name: str | None = None,
        module_cls: Any = None,
        force: bool = False,
    ) -> None:
        key = (self.name.upper(), group_key, module_name or getattr(module_cls, "__name__", ""))
        if key in names.REGISTERED and not force and not _is_own(module_cls):
            logger.debug(
                "%s is not registered as %s, which names a class of %s", module_cls, key, names.REGISTERED[key]
            )
            return
        original(self, group_key, module_name, module_cls, force)

    Registry._register_module = register


def patch_config_plugins() -> None:
    """Remove pai-easycv from the "plugins" of this package's configurations when they are read.

    For a plugin in that list ModelScope runs ``pip install``, without asking, and ``pip wheel`` at every load. The
    hosted configuration lists pai-easycv, of which this package needs nothing. Other configurations are read as before.

    Before ModelScope 1.37 there is no list of trusted plugins, and from 1.30 on ``Model.from_pretrained`` refuses every
    plugin without ``trust_remote_code=True``. There this package is removed as well: it is already imported.
    """
    original = Config.__init__
    unneeded = {names.EASYCV_DISTRIBUTION} if _trusted_plugins() is not None else _UNNEEDED

    @functools.wraps(original)
    def read(self: Any, cfg_dict: Any = None, *args: Any, **kwargs: Any) -> None:
        original(self, without_plugins(cfg_dict, unneeded), *args, **kwargs)

    Config.__init__ = read


def without_plugins(config: Any, unneeded: Collection[str]) -> Any:
    """``config`` without the plugins ``unneeded`` if model and pipeline are this package's, else ``config``."""
    if not isinstance(config, dict) or not isinstance(config.get("plugins"), list):
        return config
    if _type_of(config, "model") != names.MODEL or _type_of(config, "pipeline") not in (None, names.PIPELINE):
        return config
    left = [plugin for plugin in config["plugins"] if _distribution(plugin) not in unneeded]
    config = {key: value for key, value in config.items() if key != "plugins"}
    return {**config, "plugins": left} if left else config


def patch_plugin_loader() -> None:
    """Take ``"plugins": ["modelscope-handkp"]`` of a configuration as installed, imported and trusted.

    To learn what to import, ModelScope would run ``pip wheel modelscope-handkp``, which needs a network, and it would
    ask for ``trust_remote_code=True``. This package is already imported when this function runs, so that nothing is
    left to install or import, and its name joins ModelScope's list of plugins that need no trust. Other plugins are
    handled as before.
    """
    install, find = loader.install_requirements_by_names, loader.get_modules_from_package

    @functools.wraps(install)
    def install_others(plugins: list[str]) -> Any:
        return install([plugin for plugin in plugins if _distribution(plugin) != names.DISTRIBUTION])

    @functools.wraps(find)
    def find_modules(package: str) -> Any:
        if _distribution(package) == names.DISTRIBUTION:
            return [], "", names.DISTRIBUTION
        return find(package)

    loader.install_requirements_by_names = install_others
    loader.get_modules_from_package = find_modules
    trusted = _trusted_plugins()
    if trusted is not None:
        trusted.append(names.DISTRIBUTION)


def _trusted_plugins() -> list[str] | None:
    """ModelScope's list of plugins that need no trust; None in releases without one."""
    return getattr(loader, "PLUGIN_WHITE_LIST", None)


def patch_hub() -> None:
    """Answer from the copy on this machine about a model of this package where the hub does not answer.

    ``pipeline(id)``, ``Model.from_pretrained(id)`` and ``build_trainer(model=id)`` ask the hub through three functions,
    each of which would wait for minutes. About other models they ask it as before.
    """
    from modelscope.hub.api import HubApi
    from modelscope.hub.file_download import model_file_download as download_file
    from modelscope.hub.snapshot_download import snapshot_download as download

    describe = HubApi.get_model

    @functools.wraps(download)
    def offline_download(model_id: Any = None, *args: Any, **kwargs: Any) -> Any:
        copy = _copy_asked_for(model_id, args, kwargs)
        return download(model_id, *args, **kwargs) if copy is None else str(copy)

    @functools.wraps(download_file)
    def offline_file(model_id: Any, file_path: Any, *args: Any, **kwargs: Any) -> Any:
        copy = _copy_asked_for(model_id, args, kwargs)
        if copy is None or not (copy / file_path).is_file():
            return download_file(model_id, file_path, *args, **kwargs)
        return str(copy / file_path)

    @functools.wraps(describe)
    def offline_description(self: Any, model_id: Any, *args: Any, **kwargs: Any) -> Any:
        return describe(self, model_id, *args, **kwargs) if _copy_asked_for(model_id, args, kwargs) is None else {}

    _replace(download, offline_download)
    _replace(download_file, offline_file)
    HubApi.get_model = offline_description


def _copy_asked_for(model_id: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Path | None:
    """`offline.copy_of` for the arguments of a hub function, of which the first of ``args`` is the revision.

    Calls that say where to download to, or ask for what is there already, are left to ModelScope.
    """
    if len(args) > 1 or any(kwargs.get(key) for key in ("cache_dir", "local_dir", "local_files_only")):
        return None
    return offline.copy_of(model_id, kwargs.get("revision", args[0] if args else None))


def _replace(function: Any, by: Any) -> None:
    """Put ``by`` in place of ``function`` in ModelScope's modules that have imported it; later ones import ``by``."""
    name = by.__name__
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] == "modelscope" and vars(module).get(name) is function:
            setattr(module, name, by)


def _is_own(module_cls: Any) -> bool:
    return str(getattr(module_cls, "__module__", "")).split(".")[0] == names.PACKAGE


def _type_of(config: dict[str, Any], key: str) -> Any:
    value = config.get(key)
    return value.get("type") if isinstance(value, dict) else None


def _distribution(requirement: Any) -> str:
    """Pai_EasyCV>=0.8 -> pai-easycv."""
    name = re.match(r"\s*([A-Za-z0-9._-]*)", str(requirement))
    return re.sub(r"[-_.]+", "-", name.group(1)).lower() if name else ""
