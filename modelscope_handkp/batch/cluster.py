"""The Ray cluster that a job runs on."""

import logging
import os
import re
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from ..checks import check_count
from ..errors import InputError, MissingPackageError

LOCAL = "local"  # Ray's name for a cluster of its own
ANSWER_SECONDS = 10
MAX_THREADS = 8  # of a worker with a GPU, to read images
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # else Ray reports the job to its makers
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # its files of logs have the rest; a terminal has the progress bar
}
QUIET = ("ray", "ray.data", "ray.serve", "ray.tune")  # loggers


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
        address: of a cluster, "auto" for the one of this machine, ray://HOST:PORT; None: what RAY_ADDRESS says, else
            one of this machine alone, which is started and ended.
    Raises:
        InputError: no cluster answers there. MissingPackageError: Ray is not installed.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    address = address or os.environ.get("RAY_ADDRESS") or LOCAL  # without one Ray takes any cluster that it finds
    options: dict[str, Any] = {"include_dashboard": False} if address == LOCAL else {}
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        _check_answers(address)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:  # Ray raises anything, also a bare Exception
        reason = (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0].rstrip(".")
        if address == LOCAL:
            raise InputError(f"Ray did not start on this machine; is it busy? Try again: {reason:.200}.") from None
        raise InputError(f"no Ray cluster can be used at {address}: {reason:.200}.") from None
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handler)  # in place of Ray's, which aborts the process
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Ray itself waits for minutes.

    Raises:
        OSError: nothing answers at HOST:PORT.
    """
    match = re.fullmatch(r"(?:ray://)?(.+):(\d{1,5})", address)
    if match:
        socket.create_connection((match[1], int(match[2])), ANSWER_SECONDS).close()


def choose_workers(ray: Any, count: int | None) -> Workers:
    """One worker a GPU where the cluster has GPUs, else one a CPU; or as many as asked for.

    Raises:
        InputError: a count that is no positive number.
    """
    resources = ray.cluster_resources()
    cpus, gpus = int(resources.get("CPU", 1)), int(resources.get("GPU", 0))
    if count is not None:
        check_count("workers", count)
    if gpus:
        return Workers(count or gpus, max(1, min(cpus // gpus, MAX_THREADS)), 1)
    return Workers(count or max(1, cpus), 1, 0)


@contextmanager
def quiet(ray: Any, failed_parts: int) -> Iterator[None]:
    """In the block Ray Data neither shows bars nor says what it begins, and a job outlives some parts that fail."""
    context = ray.data.DataContext.get_current()
    before = context.enable_progress_bars, context.max_errored_blocks
    loggers = [logging.getLogger(name) for name in QUIET]
    levels = [logger.level for logger in loggers]
    context.enable_progress_bars, context.max_errored_blocks = False, failed_parts
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        context.enable_progress_bars, context.max_errored_blocks = before
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
