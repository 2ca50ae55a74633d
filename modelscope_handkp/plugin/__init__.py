"""The plugin for ModelScope: importing `modelscope_handkp` registers it once.

Only this package imports ModelScope. Its modules hold no maths, and ModelScope imports each when a class of it is built
by its registered name.
"""

import functools
import logging

logger = logging.getLogger(__name__)


@functools.cache
def register() -> bool:
    """Register this package's names with ModelScope's ``pipeline()``, ``Model.from_pretrained()``, ``build_trainer()``
    and builders.

    Costs a few hundredths of a second over ``import modelscope``. Calling it again changes nothing.

    Returns:
        whether ModelScope is installed. Without it, or with its hub client alone, nothing is registered.
    """
    try:
        from . import patches
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if missing.startswith(__name__):
            raise
        if missing.split(".")[0] != "modelscope":
            logger.warning(
                "ModelScope is installed without its framework (no %s): hand keypoints are not registered with it. "
                'To use them there: pip install "modelscope[framework]".',
                missing,
            )
        return False
    patches.index_classes()
    patches.restore_names()
    patches.patch_registry()
    patches.patch_config_plugins()
    patches.patch_plugin_loader()
    return True
