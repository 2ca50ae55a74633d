"""The Ray cluster that a job runs on."""

import contextlib
import logging
import os
import re
import signal
import socket
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..checks import check_count
from ..environment import variables
from ..errors import InputError, MissingPackageError

LOCAL = "local"  # Ray's name for a cluster of its own
ANSWER_SECONDS = 10
MAX_THREADS = 8  # of a worker with a GPU, to read images
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # else Ray reports the job to its makers
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # its files of logs have the rest; a terminal has the progress bar
}
OWN_LINE = re.compile(rb"\[\d{4}-[\d-]+ [\d:,]+ [IW] \d+ \d+\] \w+\.(cc|h):")  # of Ray's C++, no error
STANDARD_ERROR = 2  # of every process
QUIET = ("ray", "ray.data", "ray.serve", "ray.tune")  # loggers

logger = logging.getLogger(__name__)


class Workers(NamedTuple):
    """What a job asks the cluster for.

    Attributes:
        count: of workers. cpus, gpus: of each; it runs as many threads as it has CPUs.
    """

    count: int  # type: ignore[assignment]  # in place of tuple.count, which nobody needs
    cpus: int
    gpus: int


def import_ray() -> Any:
    """ray, with ray.data.

    Raises:
        MissingPackageError: it is not installed.
    """
    try:
        import ray
        import ray.data
    except ImportError:
        raise MissingPackageError("batch jobs need Ray: pip install 'modelscope-handkp[ray]'.") from None
    return ray


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """ray, connected to a cluster in the block; one that runs in this process already is used as it is.

    Args:
        address: as in `connect`.
    Raises:
        As `connect`.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    level = logging.getLogger("ray").level
    try:
        connect(ray, address)
        yield ray
    finally:
        ray.shutdown()
        logging.getLogger("ray").setLevel(level)


def connect(ray: Any, address: str | None) -> None:
    """Connect this process to a cluster, which then says nothing but errors.

    Args:
        address: of a cluster, "auto" for the one of this machine, ray://HOST:PORT; None: what RAY_ADDRESS says, else
            one of this machine alone, which is started and ended with this process.
    Raises:
        InputError: no cluster answers there, or it lets nobody in without its token.
    """
    address = check_address(address)
    options: dict[str, Any] = {"include_dashboard": False} if address == LOCAL else {}
    settings = {name: value for name, value in SETTINGS.items() if name not in os.environ}
    try:
        with _own_signals(), variables(settings), _without_its_lines(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # Ray raises anything, also a bare Exception
        reason = _reason(error)
        if address == LOCAL:
            raise InputError(f"Ray did not start on this machine; is it busy? Try again: {reason}.") from None
        if isinstance(error, (getattr(ray.exceptions, "AuthenticationError", ()), ConnectionError)):
            raise InputError(
                f"the Ray cluster at {address} does not let this process in ({reason}): if it has a token, copy its "
                "~/.ray/auth_token to this machine and set RAY_AUTH_MODE=token; if not, set RAY_AUTH_MODE=disabled."
            ) from None
        raise InputError(f"no Ray cluster can be used at {address}: {reason}.") from None


def check_address(address: str | None) -> str:
    """The address that is meant. Ray itself waits for minutes where nothing answers.

    Raises:
        InputError: nothing answers at HOST:PORT.
    """
    address = str(address or os.environ.get("RAY_ADDRESS") or LOCAL)  # without one Ray takes any cluster that it finds
    match = re.fullmatch(r"(?:ray://)?(.+):(\d{1,5})", address)
    try:
        if match:
            socket.create_connection((match[1], int(match[2])), ANSWER_SECONDS).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise InputError(f"no Ray cluster can be used at {address:.200}: {_reason(error)}.") from None
    return address


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{' '.join(text.split()):.200}".rstrip(".")


@contextmanager
def _own_signals() -> Iterator[None]:
    """Behind the block SIGTERM does what it did before: Ray's own handler, which stays, aborts the process."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


@contextmanager
def _without_its_lines() -> Iterator[None]:
    """Behind the block the standard error has what was written to it in the block, but for what Ray's C++ says before
    it looks at `SETTINGS`."""
    try:
        terminal = os.dup(STANDARD_ERROR)
    except OSError:  # it is closed
        terminal = os.open(os.devnull, os.O_WRONLY)
    with tempfile.TemporaryFile() as written, os.fdopen(terminal, "wb") as file:
        os.dup2(written.fileno(), STANDARD_ERROR)
        try:
            yield
        finally:
            os.dup2(terminal, STANDARD_ERROR)
            written.seek(0)
            with contextlib.suppress(OSError):
                file.writelines(line for line in written if not OWN_LINE.match(line))


def choose_workers(ray: Any, count: int | None) -> Workers:
    """One worker a GPU where the cluster has GPUs, else one a CPU; or as many as asked for, of which a warning says
    that they do not fit.

    Raises:
        InputError: a count that is no positive number.
    """
    resources = ray.cluster_resources()
    cpus, gpus = max(1, int(resources.get("CPU", 1))), int(resources.get("GPU", 0))
    if count is not None:
        count, room, unit = check_count("workers", count), gpus or cpus, "GPU" if gpus else "CPU"
        if count > room:
            have = f"{room} {unit}{'s' * (room > 1)}"
            logger.warning("workers %d: the cluster has %s, so that no more than %d work at once.", count, have, room)
    if gpus:
        return Workers(count or gpus, max(1, min(cpus // gpus, MAX_THREADS)), 1)
    return Workers(count or cpus, 1, 0)


@contextmanager
def quiet() -> Iterator[None]:
    """In the block Ray's loggers say nothing."""
    loggers = [logging.getLogger(name) for name in QUIET]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
