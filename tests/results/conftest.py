"""What the tests of results share."""

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

Disk = Callable[[int], AbstractContextManager[None]]


@pytest.fixture
def disk_of() -> Disk:
    """In ``with disk_of(bytes):`` files of this process grow no larger, as on a full disk; nor does a log."""
    return limited


@contextmanager
def limited(size: int) -> Iterator[None]:
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
