"""Rendered images on disk: a ring that one process fills while another trains from it, reproducibly."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from modelscope_handkp.errors import InputError

Render = Callable[[int, int, int], tuple[Tensor, Tensor]]  # seed, chunk, pixels -> images (n, 3, S, S), labels (n, ...)
POLL_SECONDS = 0.1


class Store:
    """A ring of images in memory-mapped files.

    images (capacity, 3, S, S) uint8 RGB; labels (capacity, ...) float32.
    """

    def __init__(self, folder: Path, capacity: int, size: int, label_shape: tuple[int, ...]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.arguments = (folder, capacity, size, label_shape)
        self.capacity = capacity
        self.images = self._open(folder / "images.npy", (capacity, 3, size, size), np.uint8)
        self.labels = self._open(folder / "labels.npy", (capacity, *label_shape), np.float32)
        self._count = self._open(folder / "count.npy", (2,), np.int64)
        self.renderer: BaseProcess | None = None

    @staticmethod
    def _open(path: Path, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        mode = "r+" if path.exists() else "w+"
        opened = np.lib.format.open_memmap(path, mode=mode, dtype=dtype, shape=shape)
        if opened.shape != shape:  # an existing file keeps its own
            raise InputError(f"{path} holds {opened.shape}, not {shape}: give another --cache, or delete its folder.")
        return opened

    @property
    def rendered(self) -> int:
        """Number of images added so far."""
        return int(self._count[0])

    @property
    def wanted(self) -> int:
        """Number of images that may be added, as of the last `draw`."""
        return int(self._count[1])

    def add(self, images: Tensor, labels: Tensor) -> None:
        """Append images (n, 3, S, S) in 0..1 and labels (n, ...), in place of the oldest when the ring is full."""
        places = np.arange(self.rendered, self.rendered + len(images)) % self.capacity
        self.images[places] = (images * 255 + 0.5).to(torch.uint8).numpy()
        self.labels[places] = labels.numpy()
        self._count[0] += len(images)

    def draw(self, rng: np.random.Generator, batch: int, available: int, ahead: int) -> NDArray[np.int64]:
        """`batch` places among the first `available` images, once they are there; `ahead` more may be rendered.

        The places follow from `rng` and `available` alone, however fast the other process renders.

        Raises:
            RuntimeError: that process has ended.
        """
        self._count[1] = available + ahead
        while self.rendered < available:
            if self.renderer is not None and not self.renderer.is_alive():
                raise RuntimeError("the process that renders has ended: its error is above")
            time.sleep(POLL_SECONDS)
        oldest = max(0, available + 2 * ahead - self.capacity)  # what is older may be overwritten by now
        return rng.integers(oldest, available, batch) % self.capacity


def _fill(render: Render, arguments: tuple[Any, ...], seed: int) -> None:
    """The rendering process: chunk after chunk, as far ahead as `draw` allows."""
    torch.set_num_threads(1)
    store, parent, size = Store(*arguments), os.getppid(), arguments[2]
    with torch.no_grad():
        while os.getppid() == parent:
            if store.rendered < store.wanted:
                store.add(*render(seed, store.rendered, size))
            else:
                time.sleep(POLL_SECONDS)


def start_rendering(render: Render, store: Store, seed: int) -> None:
    """Fill `store` in a process that ends with this one."""
    context = multiprocessing.get_context("spawn")
    store.renderer = context.Process(target=_fill, args=(render, store.arguments, seed), daemon=True)
    store.renderer.start()
