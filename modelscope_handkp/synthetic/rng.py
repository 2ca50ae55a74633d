"""Seeded draws on a device: every random number of the renderer comes from an `Rng`."""

from __future__ import annotations

import math

import torch
from torch import Tensor


class Rng:
    """A torch.Generator with the draws that the renderer needs. Same seed and device, same numbers."""

    def __init__(self, seed: int, device: str | torch.device = "cpu") -> None:
        self.device = torch.device(device)
        self.generator = torch.Generator(device=self.device)
        self.generator.manual_seed(seed)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """float32, low <= value < high."""
        return torch.rand(shape, generator=self.generator, device=self.device) * (high - low) + low

    def log_uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """float32 between low and high (both above 0), whose logarithm is uniform."""
        return self.uniform(math.log(low), math.log(high), *shape).exp()

    def normal(self, std: float, *shape: int) -> Tensor:
        """float32 of mean 0 and standard deviation `std`."""
        return torch.randn(shape, generator=self.generator, device=self.device) * std

    def chance(self, probability: float, *shape: int) -> Tensor:
        """Boolean tensor, true with that probability."""
        return torch.rand(shape, generator=self.generator, device=self.device) < probability

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """int64, low <= value < high."""
        return torch.randint(low, high, shape, generator=self.generator, device=self.device)

    def choice(self, weights: Tensor, count: int) -> Tensor:
        """int64 (count,), indices drawn with probabilities in proportion to `weights`."""
        if not count:  # which torch refuses
            return torch.zeros(0, dtype=torch.int64, device=self.device)
        return torch.multinomial(weights.to(self.device), count, replacement=True, generator=self.generator)
