"""The plugin for ModelScope: importing `modelscope_handkp` registers it once.

Only this package imports ModelScope. Its modules hold no maths, and ModelScope imports each when a class of it is built
by its registered name.
"""

import functools
import importlib
import importlib.metadata
import logging
import re

logger = logging.getLogger(__name__)

OLDEST_RELEASE = "1.20"  # of ModelScope, that `make versions` tries and pyproject.toml asks for
INSTALL = f'pip install "modelscope[framework]>={OLDEST_RELEASE}" "modelscope[datasets]"'
INSTALL_PKG_RESOURCES = 'pip install "setuptools<81"'


@functools.cache
def register() -> bool:
    """Register this package's names with ModelScope's ``pipeline()``, ``Model.from_pretrained()``, ``build_trainer()``
    and builders.

    Costs a few hundredths of a second over ``import modelscope``. Calling it again changes nothing. Whatever ModelScope
    is installed, this raises nothing: what keeps the names from being registered is one sentence in the log.

    Returns:
        whether they are registered: not without ModelScope, with its hub client alone, or with a release that this
        package cannot be added to. `HandEstimator` works all the same.
    """
    try:
        importlib.import_module("modelscope")  # first, so that its absence is told from what it lacks
        from . import patches

        patches.apply_all()
    except Exception as error:  # releases differ in what they lack
        missing = error.name or "" if isinstance(error, ModuleNotFoundError) else ""
        if missing.startswith(__name__):
            raise
        if missing != "modelscope":
            logger.warning("hand keypoints are not registered with ModelScope, %s", _obstacle(error, missing))
        return False
    if _numbers(_release()) < _numbers(OLDEST_RELEASE):
        logger.warning(
            "ModelScope %s is older than %s, the oldest release that hand keypoints are tested with: %s",
            *(_release(), OLDEST_RELEASE, INSTALL),
        )
    return True


def _obstacle(error: Exception, missing: str) -> str:
    """What keeps them from it, and what to do; ``missing`` is the module that is not there, if that is why."""
    if missing == "pkg_resources":
        return f"which needs pkg_resources, and the installed setuptools has none: {INSTALL_PKG_RESOURCES}"
    if missing and missing.partition(".")[0] != "modelscope":
        return f"which is installed without its framework (no {missing}): {INSTALL}"
    return f"whose release {_release()} lacks what they need ({type(error).__name__}: {error}): {INSTALL}"


def _release() -> str:
    """ModelScope's version; empty where it is not installed as a package."""
    try:
        return importlib.metadata.version("modelscope")
    except importlib.metadata.PackageNotFoundError:
        return ""


def _numbers(release: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", release)[:2]] or [10**6]
