"""The face towards ModelScope: importing `modelscope_handkp` registers it, lazily and once.

Only this package imports ModelScope. Its modules hold no maths; ModelScope imports each when one of its names is built.
"""

import functools
import logging

logger = logging.getLogger(__name__)


@functools.cache
def register() -> bool:
    """Make ModelScope's ``pipeline()``, ``Model.from_pretrained()``, ``build_trainer()`` and builders know our names.

    Costs a few hundredths of a second over ``import modelscope``. Calling it again changes nothing.

    Returns:
        whether ModelScope is there. Without it, or with its hub client alone, nothing is registered.
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
    patches.index_names()
    patches.name_again()
    patches.keep_names()
    patches.read_without_easycv()
    patches.answer_for_ourselves()
    return True
