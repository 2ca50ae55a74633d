"""`annotate_dataset`: a set of images and videos -> a `ray.data.Dataset` of their hands."""

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from ..checks import check_count
from ..errors import HandkpError
from ..estimator import HandEstimator
from ..results.image_rows import image_table
from .cluster import Workers, choose_workers, connect, import_ray
from .inputs import list_items
from .options import whole_options
from .parts import Written, write_part
from .paths import absolute
from .plan import Plan, PlanReader, groups, items_of, items_table
from .worker import Annotator

ROWS_AT_ONCE = 64  # that a worker hands on
TASKS_WAITING = 2  # of a worker, the one that runs with it
RETRIES = 10  # of a part whose worker ended; one that ends each time is given up


def annotate_dataset(
    source: str | os.PathLike[str],
    workers: int | None = None,
    column: str | None = None,
    track: bool = False,
    **options: Any,
) -> Any:
    """The hands of all images and videos of a source, as a lazy `ray.data.Dataset` on the cluster of this process.

    A row is an image or a frame, with the columns of `results.image_rows.image_schema`; one that cannot be read has its
    error. To write a data set that can be resumed, use `run_batch`. A process that is not connected to a cluster is
    connected as by `cluster.connect` without an address, and stays so.

    Args:
        source: as `inputs.list_items` takes it.
        workers: each holds the model. None: one a GPU, or one a CPU where there are none.
        column: of Parquet. track: follow the hands of videos, which are not split then, so that hands have ids.
        options: of `HandEstimator.from_pretrained`, but that the engine is "auto" by default; a model directory must be
            there on each machine.
    Raises:
        MissingFileError, InputError: nothing is there, it cannot be read, no such option, no cluster.
        MissingPackageError: no Ray. As `HandEstimator.from_pretrained`.
    """
    if workers is not None:
        check_count("workers", workers)
    options = whole_options(options)
    ray = import_ray()
    items = list_items(absolute(source), column, track=track)
    HandEstimator.from_pretrained(**options)  # what cannot work is refused here, not by each worker
    tables = [items_table(group) for group in groups(items)]
    if not ray.is_initialized():
        connect(ray, None)
        logging.getLogger("ray.data").setLevel(logging.ERROR)  # as `connect` has it for "ray"
    asked = choose_workers(ray, workers)
    arguments = {"options": options, "column": column, "track": track, "threads": asked.cpus}
    return _mapped(ray.data.from_arrow(tables), _Items, arguments, asked)


def annotate_parts(
    ray: Any, plan: Plan, parts: Sequence[Sequence[int]], workers: Workers, failed: int, **arguments: Any
) -> Any:
    """Write parts of a plan, as a lazy `ray.data.Dataset` with a row of `Written` a part.

    Args:
        parts: numbers, in blocks that go to a worker at once.
        failed: blocks that may fail.
        arguments: of `Annotator`.
    """
    import pyarrow

    blocks = [pyarrow.table({"part": pyarrow.array(block, pyarrow.int64())}) for block in parts]
    arguments = {**arguments, "plan": plan, "threads": workers.cpus}
    dataset = _mapped(ray.data.from_arrow(blocks), _Parts, arguments, workers)
    dataset.context.enable_progress_bars = False
    dataset.context.max_errored_blocks = failed
    return dataset


def _mapped(dataset: Any, kind: type, arguments: dict[str, Any], workers: Workers) -> Any:
    """A dataset through a pool of actors. Its context is its own; settings in it are no other data set's."""
    from ray.data import ActorPoolStrategy

    dataset.context.print_on_execution_start = False
    pool = ActorPoolStrategy(
        min_size=1,
        max_size=workers.count,
        initial_size=workers.count,
        max_tasks_in_flight_per_actor=TASKS_WAITING,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of ray_remote_args_fn, which later releases have another name for
        return dataset.map_batches(
            kind,
            fn_constructor_kwargs=arguments,
            batch_size=None,
            batch_format="pyarrow",
            compute=pool,
            num_cpus=workers.cpus,
            num_gpus=workers.gpus,
            ray_remote_args_fn=_retried,
        )


def _retried() -> dict[str, Any]:
    return {"max_task_retries": RETRIES}


class _Items:
    """An actor: tables of items -> tables of rows."""

    def __init__(self, **arguments: Any) -> None:
        self._annotator = Annotator(**arguments)

    def __call__(self, items: Any) -> Iterator[Any]:
        rows = self._annotator.rows(items_of(items))
        while some := list(islice(rows, ROWS_AT_ONCE)):
            yield image_table(some)


class _Parts:
    """An actor: numbers of parts -> what was written."""

    def __init__(self, plan: Plan, **arguments: Any) -> None:
        self._plan, self._reader = plan, PlanReader(plan)
        self._annotator = Annotator(**arguments)

    def __call__(self, parts: Any) -> Iterator[Any]:
        import pyarrow

        for part in parts.column("part").to_pylist():
            try:
                written = write_part(self._plan, part, self._annotator.rows(self._reader.items(part)))
            except (HandkpError, OSError) as error:  # a full disk, a store that does not answer
                written = Written(part, 0, 0, str(error) or type(error).__name__)
            yield pyarrow.Table.from_pylist([written._asdict()])
