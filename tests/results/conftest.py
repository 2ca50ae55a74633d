"""What the tests of results share."""

import resource
import signal
from collections.abc import Callable, Iterator

import pytest


@pytest.fixture
def disk_of() -> Iterator[Callable[[int], None]]:
    """disk_of(bytes): files of this process grow no larger, as on a disk that is full."""
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)
