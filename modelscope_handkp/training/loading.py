"""Data loaders whose order and random numbers follow from seed and epoch alone, so that a run repeats and resumes."""

import random
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from modelscope.trainers.hooks.hook import Hook
from modelscope.trainers.hooks.priority import Priority
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler

from ..errors import DatasetError


class _Loader(DataLoader):  # type: ignore[type-arg]
    """A DataLoader that leaves out the batches of which no picture can be read: `collate` makes None of them."""

    needs_all = False  # processes that average their gradients wait for one another: each must have its batch
    needs_one = False  # an epoch of training without a batch would go unnoticed

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        for batch in super().__iter__():
            if batch is not None:
                self.needs_one = False
                yield batch
            elif self.needs_all:
                raise DatasetError("no picture of a batch can be read, and each of several processes needs its batch.")
        if self.needs_one:
            raise DatasetError("no picture of the training data set can be read.")


class EpochSampler(Sampler):  # type: ignore[type-arg]
    """Indices of one process in one epoch.

    Args:
        length: of the data set. shuffle: draw the order from (seed, epoch).
        rank, world: this process and their number; all together give each index once.
        pad: repeat the first indices until every process has equally many, as gradient averaging needs.
    """

    def __init__(self, length: int, shuffle: bool, seed: int, rank: int = 0, world: int = 1, pad: bool = False) -> None:
        self.length, self.shuffle, self.seed = length, shuffle, seed
        self.rank, self.world, self.pad = rank, world, pad
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
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
) -> DataLoader[Any]:
    """A DataLoader over this process's share; ``options`` are DataLoader's own, ``sampler`` replaces ours."""
    if sampler is None and not isinstance(dataset, IterableDataset):
        sampler = EpochSampler(len(dataset), shuffle, seed, rank, world, pad)  # type: ignore[arg-type]
    loader = _Loader(
        dataset,
        batch_size=batch_size_per_gpu,
        num_workers=workers_per_gpu,
        sampler=sampler,
        worker_init_fn=_start_worker,
        generator=torch.Generator(),
        **options,
    )
    loader.needs_all, loader.needs_one = pad and world > 1, pad
    return loader


def set_epoch(loader: DataLoader[Any], seed: int, epoch: int) -> None:
    """Draw everything of ``loader`` for this epoch: the order, our transforms, the workers' global generators."""
    if hasattr(loader.sampler, "set_epoch"):
        loader.sampler.set_epoch(epoch)
    if loader.generator is not None:
        loader.generator.manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))
    _tell(loader.dataset, epoch)


class EpochHook(Hook):
    """`set_epoch` for the training loader before each epoch; keeps ``trainer.in_epoch``."""

    PRIORITY = Priority.HIGHEST

    def before_train_epoch(self, trainer: Any) -> None:
        trainer.in_epoch = True
        set_epoch(trainer.train_dataloader, trainer._seed, trainer.epoch)

    def after_train_epoch(self, trainer: Any) -> None:
        trainer.in_epoch = False
        skipped = getattr(trainer.train_dataset, "skipped", 0)
        if skipped:
            trainer.logger.warning(f"{skipped} training samples were left out so far, since their pictures are broken")


def _tell(dataset: Any, epoch: int) -> None:
    """``dataset.set_epoch``, also through torch's Subset and ConcatDataset."""
    if hasattr(dataset, "set_epoch"):
        dataset.set_epoch(epoch)
    for inner in (getattr(dataset, "dataset", None), *(getattr(dataset, "datasets", None) or ())):
        if inner is not None:
            _tell(inner, epoch)


def _start_worker(worker: int) -> None:
    seed = torch.initial_seed() % 2**32  # the loader's generator gave it, another for each worker
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  for data sets that draw from it
    cv2.setNumThreads(0)  # one process a core is enough
