"""ModelScope's registries and plugin loader, met where they are: five small changes, each made once.

Nothing here imports more of ModelScope than ``import modelscope`` does, but for its configuration and plugin modules,
which are light. Functions of ModelScope are replaced in the module that looks them up when it calls them.
"""

import functools
import logging
import re
from typing import Any

from modelscope.metainfo import CustomDatasets, Metrics, Models, Trainers
from modelscope.utils import plugins as loader
from modelscope.utils.ast_utils import INDEX_KEY
from modelscope.utils.config import Config
from modelscope.utils.import_utils import LazyImportModule
from modelscope.utils.registry import Registry, default_group

from . import names

logger = logging.getLogger(__name__)


def index_names() -> None:
    """Tell ModelScope which module to import when one of our names is built, as it does for its own classes."""
    index = LazyImportModule.get_ast_index()[INDEX_KEY]
    for key, module in names.REGISTERED.items():
        index[key] = {"module": module, "filepath": "", "imports": []}


def name_again() -> None:
    """Give ModelScope's lists of names those that scripts of the model card use and that it dropped with EasyCV."""
    Trainers.easycv = names.TRAINER
    Models.hand_2d_keypoints = names.MODEL
    CustomDatasets.HandCocoWholeBodyDataset = names.DATASET
    Metrics.EasyCVMetric = names.METRIC


def keep_names() -> None:
    """Let no other package take our names in a registry, nor fail for asking: pai-easycv asks for most of them.

    ModelScope answers a second registration of a name with KeyError, so that ``import easycv.toolkit.modelscope`` would
    not survive after ours. ``force=True`` is a user's word and stands.
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
            logger.debug("%s of %s gives way to %s", module_cls, key, names.REGISTERED[key])
            return
        original(self, group_key, module_name, module_cls, force)

    Registry._register_module = register


def read_without_easycv() -> None:
    """Drop pai-easycv from the "plugins" of configurations of our model as they are read, and from no others.

    ModelScope would pip-install it, unasked, and then run ``pip wheel`` on it at every load. Our model needs nothing
    of it, installed or not; a configuration that names other classes of it is served as before.
    """
    original = Config.__init__

    @functools.wraps(original)
    def read(self: Any, cfg_dict: Any = None, *args: Any, **kwargs: Any) -> None:
        original(self, without_easycv(cfg_dict), *args, **kwargs)

    Config.__init__ = read


def without_easycv(config: Any) -> Any:
    """``config`` without pai-easycv among its plugins if it is one of our model, else ``config`` itself."""
    if not isinstance(config, dict) or not isinstance(config.get("plugins"), list):
        return config
    if _type_of(config, "model") != names.MODEL or _type_of(config, "pipeline") not in (None, names.PIPELINE):
        return config
    left = [plugin for plugin in config["plugins"] if _distribution(plugin) != names.EASYCV_DISTRIBUTION]
    config = {key: value for key, value in config.items() if key != "plugins"}
    return {**config, "plugins": left} if left else config


def answer_for_ourselves() -> None:
    """Let a configuration's ``"plugins": ["modelscope-handkp"]`` find the package that is already imported.

    ModelScope would run ``pip wheel modelscope-handkp``, which fails without network, to learn what to import. There
    is nothing left to install, import or trust: our name joins ModelScope's own list of plugins that need no
    ``trust_remote_code``. Other plugins of the list are handled as before.
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
    loader.PLUGIN_WHITE_LIST.append(names.DISTRIBUTION)


def _is_own(module_cls: Any) -> bool:
    return str(getattr(module_cls, "__module__", "")).split(".")[0] == names.PACKAGE


def _type_of(config: dict[str, Any], block: str) -> Any:
    value = config.get(block)
    return value.get("type") if isinstance(value, dict) else None


def _distribution(requirement: Any) -> str:
    """Pai_EasyCV>=0.8 -> pai-easycv."""
    name = re.match(r"\s*([A-Za-z0-9._-]*)", str(requirement))
    return re.sub(r"[-_.]+", "-", name.group(1)).lower() if name else ""
