"""`run_batch`: annotate a whole set on a cluster, so that a kill loses nothing and nothing is done twice."""

import os
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from ..checks import check_count
from ..errors import HandkpError, InputError
from ..estimator import HandEstimator
from ..files import remove_partial
from .annotate import annotate_parts
from .cluster import check_address, choose_workers, connected, import_ray, quiet
from .inputs import list_items
from .lock import only_job
from .options import differences, job_settings, whole_options
from .parts import Written, first_errors, written_parts
from .paths import absolute
from .plan import Plan, begin, read_plan, write_plan
from .storage import Disk, storage_of

MAX_BLOCKS = 20_000  # of a job, since Ray keeps count of each
MAX_FAILED = 20  # parts that may fail before the job is given up
SHOWN_ERRORS = 5  # of images, in a summary


class Summary(NamedTuple):
    """What a job did.

    Attributes:
        output: its folder. images: images and frames that are in the result. errors: of these, those with an error.
        missing: numbers of the parts that are not there. reason: why one of them is not; "" where its worker ended.
        resumed: images and frames that were there before. seconds: this run took.
        first_errors: a sentence for each of the first `SHOWN_ERRORS` with an error; the column ``error`` has all.
    """

    output: str
    images: int
    errors: int
    missing: tuple[int, ...]
    reason: str
    resumed: int
    seconds: float
    first_errors: tuple[str, ...] = ()


def run_batch(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    address: str | None = None,
    workers: int | None = None,
    column: str | None = None,
    track: bool = False,
    resume: bool = False,
    **options: Any,
) -> Summary:
    """Find the hands of all images and videos of a source, and write a Parquet data set of them.

    What is to be done is listed once and kept beside the result. Each part of it is a file, which is written whole or
    not at all, by the worker that made it; so each image is in the result once, whatever is killed.

    Args:
        source, workers, column, track, options: as in `annotate.annotate_dataset`.
        output: a folder, on a disk that all machines see or on an object store.
        address: of a Ray cluster, as in `cluster.connect`.
        resume: go on with what is in ``output``, where something is. Of a job that is done, nothing is started.
    Raises:
        InputError: ``output`` has something in it and is not to be resumed, is written by another job, or holds a job
            with other settings; no cluster; or more than `MAX_FAILED` parts failed.
        MissingFileError, MissingPackageError: nothing is there; a package is missing. OSError: it cannot be written.
        As `HandEstimator.from_pretrained`.
    """
    if workers is not None:
        check_count("workers", workers)
    source, output, options = absolute(source), absolute(output), whole_options(options)
    settings = job_settings(source, column, track, options)
    start = time.monotonic()
    with only_job(output):
        plan = _begun(output, settings, resume)
        before = written_parts(plan) if plan else []
        done = list(before)
        if plan is None or _left(plan, before):
            import_ray()
            check_address(address)
            items = list_items(source, column, track=track)
            HandEstimator.from_pretrained(**options)  # what cannot work is refused here, not by each worker
            plan = plan or write_plan(output, items, settings)
            with connected(address) as ray, quiet():
                begin(plan)
                arguments = {"options": options, "column": column, "track": track}
                left = _left(plan, before)
                blocks = [block.tolist() for block in np.array_split(left, min(len(left), MAX_BLOCKS))]
                dataset = annotate_parts(ray, plan, blocks, choose_workers(ray, workers), MAX_FAILED, **arguments)
                done += _followed(plan, before, dataset.iter_rows())
    reason = next((part.failure for part in done if part.failure), "")
    done = [part for part in done if not part.failure]
    images, errors, resumed = _images(done), sum(part.errors for part in done), _images(before)
    named = tuple(first_errors(plan, done, SHOWN_ERRORS))
    seconds = time.monotonic() - start
    return Summary(output, images, errors, tuple(_left(plan, done)), reason, resumed, seconds, named)


def _left(plan: Plan, parts: list[Written]) -> list[int]:
    """The numbers of the other parts."""
    return sorted(set(range(plan.parts)) - {part.part for part in parts})


def _images(parts: list[Written]) -> int:
    return sum(part.images for part in parts)


def _begun(output: str, settings: dict[str, Any], resume: bool) -> Plan | None:
    """The plan of a job that is resumed; None to begin.

    Raises:
        InputError: as `run_batch`.
    """
    plan = read_plan(output)
    files = storage_of(output).entries(output)[0]
    if plan is None and not files:
        return None
    if plan is None:
        raise InputError(f"{output} has files in it: name a new or an empty folder.")
    if not resume:
        raise InputError(f"{output} holds a job that was begun: resume it (--resume), or name another folder.")
    if other := differences(plan.settings, settings):
        raise InputError(f"{output} was begun with {other}: resume it with the same, or name another folder.")
    if isinstance(storage_of(output), Disk):
        remove_partial(output)
    return plan


def _followed(plan: Plan, before: list[Written], rows: Iterator[dict[str, Any]]) -> Iterator[Written]:
    """The parts as they are written, or fail, with a progress bar.

    Raises:
        InputError: the job was given up.
    """
    from ray.exceptions import RayError

    errors, failed = sum(part.errors for part in before), 0
    with tqdm(total=plan.images, initial=_images(before), unit=" images") as progress:
        try:
            for row in rows:
                written = Written(**row)
                errors += written.errors
                failed += bool(written.failure)
                progress.set_postfix(errors=errors)
                progress.update(written.images)
                yield written
                if failed > MAX_FAILED:
                    raise _given_up(written.failure)
        except RayError as error:
            raise _given_up(_reason(error)) from None


def _given_up(reason: str) -> InputError:
    return InputError(f"the job was given up: {reason.rstrip('.')}. What is done is kept: resume it (--resume).")


def _reason(error: Any) -> str:
    """The sentence of what a worker raised."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, (HandkpError, OSError)):
        cause = getattr(cause, "cause", None) or cause.__cause__
    lines = str(cause or error).strip().splitlines() or [type(error).__name__]
    return (lines[0] if cause else lines[-1]).rstrip(".")
