"""Signals that end a command."""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .exit_codes import OF_SIGNAL

SIGNALS = ("SIGTERM", "SIGHUP")  # of `kill` and of a terminal that is closed; Windows has no SIGHUP


@contextmanager
def orderly_termination() -> Iterator[None]:
    """In the block these signals raise `SystemExit`, so that files are closed; one that is ignored or handled stays so.

    Outside the main thread, which alone may handle signals, nothing changes.
    """
    is_main = threading.current_thread() is threading.main_thread()
    numbers = [getattr(signal, name) for name in SIGNALS if is_main and hasattr(signal, name)]
    changed = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]
    for number in changed:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in changed:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, _frame: Any) -> None:
    sys.exit(OF_SIGNAL + number)
