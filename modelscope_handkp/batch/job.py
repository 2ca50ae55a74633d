"""`run_batch`: annotate a whole set on a cluster, so that a kill loses nothing and nothing is done twice."""

import json
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
from .cluster import choose_workers, connected, quiet
from .inputs import list_items
from .lock import only_job
from .parts import Written, written_parts
from .plan import Plan, read_plan, write_plan
from .storage import Disk, absolute, storage_of

MAX_BLOCKS = 20_000  # of a job, since Ray keeps count of each
MAX_FAILED = 20  # parts that may fail before the job is given up


class Summary(NamedTuple):
    """What a job did.

    Attributes:
        output: its folder. images: images and frames that are in the result. errors: of these, those with an error.
        missing: numbers of the parts that are not there. reason: why one of them is not; "" where its worker ended.
        resumed: images and frames that were there before. seconds: this run took.
    """

    output: str
    images: int
    errors: int
    missing: tuple[int, ...]
    reason: str
    resumed: int
    seconds: float


def run_batch(
    source: str,
    output: str,
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
        address: of a Ray cluster, as in `cluster.connected`.
        resume: go on with what is in ``output``, where something is.
    Raises:
        InputError: ``output`` has something in it and is not to be resumed, is written by another job, or holds a job
            with other settings; no cluster; or more than `MAX_FAILED` parts failed.
        MissingFileError, MissingPackageError: nothing is there; a package is missing. OSError: it cannot be written.
        As `HandEstimator.from_pretrained`.
    """
    if workers is not None:
        check_count("workers", workers)
    source, output = absolute(source), absolute(output)
    begun = time.monotonic()
    with only_job(output):
        settings = {"source": source, "column": column, "track": track, "options": _plain(options)}
        plan = _begun(output, settings, resume)
        items = list_items(source, column, track=track)
        HandEstimator.from_pretrained(**options)  # what cannot work is refused here, not by each worker
        with connected(address) as ray, quiet(ray, MAX_FAILED):
            plan = plan or write_plan(output, items, settings)
            before = written_parts(plan)
            done = list(before)
            if left := _left(plan, before):
                arguments = {"options": options, "column": column, "track": track}
                blocks = [block.tolist() for block in np.array_split(left, min(len(left), MAX_BLOCKS))]
                dataset = annotate_parts(ray, plan, blocks, choose_workers(ray, workers), **arguments)
                done += _followed(plan, before, dataset.iter_rows())
    reason = next((part.failure for part in done if part.failure), "")
    done = [part for part in done if not part.failure]
    images, errors, resumed = _images(done), sum(part.errors for part in done), _images(before)
    return Summary(output, images, errors, tuple(_left(plan, done)), reason, resumed, time.monotonic() - begun)


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
    other = [name for name, value in settings.items() if plan.settings.get(name) != value]
    if other:
        was, now = ({name: about.get(name) for name in other} for about in (plan.settings, settings))
        raise InputError(f"{output} holds a job with {was}, which cannot be resumed with {now}.")
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


def _plain(options: dict[str, Any]) -> Any:
    """As JSON gives them back."""
    return json.loads(json.dumps(options, default=repr))
