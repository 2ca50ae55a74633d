"""Keeping what ModelScope prints away from what is said here."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

LOGGERS = ("modelscope", "modelscope_hub")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within the block ModelScope's loggers, its ``print`` and warnings say nothing; progress bars are shown."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
