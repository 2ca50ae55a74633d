"""Data loaders whose order and random numbers follow from seed and epoch alone, so that a run repeats and resumes."""

import random
from collections.abc import Iterator, Sized
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

from ..errors import DatasetError


class HandLoader(DataLoader):  # type: ignore[type-arg]
    """A DataLoader that skips batches of which no image can be read; `data.dataset.collate` gives None for them.

    Attributes:
        needs_every_batch: a skipped batch is an error, since processes that average their gradients wait for each
            other and each must have its batch.
        needs_a_batch: an epoch without any batch is an error, since training would end without having trained.
    Raises:
        DatasetError: while iterating, as those two say.
    """

    needs_every_batch = False
    needs_a_batch = False

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        delivered = 0
        for batch in self._batches():
            if batch is not None:
                delivered += 1
                yield batch
            elif self.needs_every_batch:
                raise DatasetError("no image of a batch can be read, and each of several processes needs its batch.")
        if self.needs_a_batch and not delivered:
            raise DatasetError("no image of the training data set can be read.")

    def _batches(self) -> Iterator[Any]:
        """The batches; a worker's error in its own words, without the traceback that torch puts before them."""
        try:
            yield from super().__iter__()
        except DatasetError as error:
            raise DatasetError(str(error).rpartition(f"{DatasetError.__name__}: ")[2].strip()) from None


class EpochSampler(Sampler):  # type: ignore[type-arg]
    """The indices of one process in one epoch.

    Args:
        length: of the data set.
        shuffle: draw the order from (seed, epoch); otherwise in the data set's order.
        rank, world: the number of this process and of all; together they give each index once.
        pad: repeat the first indices until every process has equally many, as gradient averaging needs.
    """

    def __init__(self, length: int, shuffle: bool, seed: int, rank: int = 0, world: int = 1, pad: bool = False) -> None:
        self.length, self.shuffle, self.seed = length, shuffle, seed
        self.rank, self.world, self.pad = rank, world, pad
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Give the order of epoch ``epoch`` from now on."""
        self.epoch = epoch

    def _order(self) -> list[int]:
        order = np.arange(self.length)
        if self.shuffle:
            np.random.default_rng([self.seed, self.epoch]).shuffle(order)
        if self.pad:
            order = np.resize(order, -(-self.length // self.world) * self.world)
        indices: list[int] = order[self.rank :: self.world].tolist()
        return indices

    def __iter__(self) -> Iterator[int]:
        return iter(self._order())

    def __len__(self) -> int:
        return len(self._order())


def build_loader(
    dataset: Dataset[Any],
    batch_size_per_gpu: int,
    workers_per_gpu: int,
    seed: int,
    sampler: Any = None,
    shuffle: bool = False,
    rank: int = 0,
    world: int = 1,
    pad: bool = False,
    **options: Any,
) -> HandLoader:
    """A loader over this process's share of a data set.

    Args:
        batch_size_per_gpu: samples of a batch of this process. workers_per_gpu: processes that load them; 0: this one.
        sampler: in place of an `EpochSampler`, which takes ``shuffle``, ``seed``, ``rank``, ``world`` and ``pad``.
        pad: also says that the loader is for training, where an epoch must have a batch.
        options: further arguments of torch's DataLoader.
    Raises:
        TypeError, ValueError: an argument that DataLoader does not take; ``drop_last`` that leaves no batch to train
            on, or samples out of an evaluation.
    """
    if sampler is None and not isinstance(dataset, IterableDataset):
        sampler = EpochSampler(len(dataset), shuffle, seed, rank, world, pad)  # type: ignore[arg-type]
    loader = HandLoader(
        dataset,
        batch_size=batch_size_per_gpu,
        num_workers=workers_per_gpu,
        sampler=sampler,
        worker_init_fn=_start_worker,
        generator=torch.Generator(),
        **options,
    )
    if options.get("drop_last"):
        if not pad:
            raise ValueError("drop_last would leave samples out of the evaluation; remove it")
        if isinstance(sampler, Sized) and len(sampler) < batch_size_per_gpu:
            raise ValueError(
                f"drop_last leaves no batch, since {len(sampler)} samples are fewer than a batch of "
                f"{batch_size_per_gpu}; remove it, or set a smaller batch_size_per_gpu"
            )
    loader.needs_every_batch, loader.needs_a_batch = pad and world > 1, pad
    return loader


def set_epoch(loader: DataLoader[Any], seed: int, epoch: int) -> None:
    """Fix everything random of ``loader`` for this epoch: the order, the transforms, the workers' generators."""
    if hasattr(loader.sampler, "set_epoch"):
        loader.sampler.set_epoch(epoch)
    if loader.generator is not None:
        loader.generator.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))
    _set_epoch_of_dataset(loader.dataset, epoch)


def _set_epoch_of_dataset(dataset: Any, epoch: int) -> None:
    """``dataset.set_epoch``, also through torch's Subset and ConcatDataset."""
    if hasattr(dataset, "set_epoch"):
        dataset.set_epoch(epoch)
    for inner in (getattr(dataset, "dataset", None), *(getattr(dataset, "datasets", None) or ())):
        if inner is not None:
            _set_epoch_of_dataset(inner, epoch)


def _start_worker(worker: int) -> None:
    seed = torch.initial_seed() % 2**32  # numpy takes 32 bits; torch seeds each worker from the loader's generator
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  data sets of users draw from it
    cv2.setNumThreads(0)  # the workers share the cores; threads of OpenCV in each would only compete
