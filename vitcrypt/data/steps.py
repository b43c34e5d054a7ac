"""How an epoch is divided: into steps of the optimiser, and each step over devices and into micro batches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Sampler


def seed_of(*numbers: int) -> int:
    """Return a seed of 63 bits that follows from seed, epoch, rank, ...: draws then do not depend on earlier draws."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


class Share(NamedTuple):
    """Which part of a step a micro batch is.

    Args:
        rows: Places of its images among the images of the step.
        images: How many images count. It is 0 where others have an image left and this device has none: then one is
            passed through the network for company.
        step: Images in the step, on all devices.
        weight: What the mean loss of this batch weighs, so that Lightning's mean over micro batches and devices becomes
            the mean over the images of the step.
        first: No other micro batch of this device in this step came before.
        epoch: Of the step.
    """

    rows: slice
    images: int
    step: int
    weight: float
    first: bool
    epoch: int = 0


@dataclass(frozen=True)
class Division:
    """Divide steps of `batch_size` images over `world_size` devices, each taking at most `micro_batch_size` at once.

    Device r has images r, r + world_size, ... of a step, in micro batches whose sizes differ by one at most.
    """

    batch_size: int
    micro_batch_size: int | None = None
    world_size: int = 1

    @property
    def accumulation(self) -> int:
        """Micro batches in a full step; the last one of an epoch may have fewer."""
        return self.parts(self.batch_size)

    def parts(self, step: int) -> int:
        """Return the number of micro batches on each device in a step of so many images."""
        share = math.ceil(step / self.world_size)
        return math.ceil(share / (self.micro_batch_size or share))

    def steps(self, images: int) -> list[int]:
        """Return the sizes of the steps of an epoch."""
        full, rest = divmod(images, self.batch_size)
        return [self.batch_size] * full + [rest] * (rest > 0)

    def shares(self, step: int, rank: int) -> Iterator[Share]:
        """Divide a step of so many images; yield what device `rank` has of it."""
        own, parts, world = len(range(rank, step, self.world_size)), self.parts(step), self.world_size
        for part in range(parts):
            start, stop = (min(i * (own // parts) + min(i, own % parts), own) for i in (part, part + 1))
            count = stop - start
            rows = slice(rank + world * start, rank + world * (stop - 1) + 1, world) if count else slice(0, 1)
            yield Share(rows, count, step, self.accumulation * world * count / step, part == 0)

    def smallest(self, steps: list[int]) -> int:
        """Return the size of the smallest micro batch in steps of these sizes."""
        shares = (share for step in set(steps) for rank in range(self.world_size) for share in self.shares(step, rank))
        return min(share.images or 1 for share in shares)


class StepSampler(Sampler[tuple[list[int], Share]]):
    """Yield the positions of each micro batch of an epoch on one device, and its share of its step.

    Args:
        images: How many there are.
        division: Of the steps.
        rank: Of the device.
        seed: Of the order, which is another one in each epoch; None: as they are, always.
    """

    def __init__(self, images: int, division: Division, rank: int = 0, seed: int | None = None) -> None:
        self.images, self.division, self.rank, self.seed, self.epoch = images, division, rank, seed, 0

    def __len__(self) -> int:
        return sum(map(self.division.parts, self.division.steps(self.images)))

    def __iter__(self) -> Iterator[tuple[list[int], Share]]:
        order, start = torch.arange(self.images), 0
        if self.seed is not None:
            order = torch.randperm(self.images, generator=torch.Generator().manual_seed(self.seed + self.epoch))
        for step in self.division.steps(self.images):
            for share in self.division.shares(step, self.rank):
                yield order[start : start + step][share.rows].tolist(), share._replace(epoch=self.epoch)
            start += step

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch; Lightning calls it before each."""
        self.epoch = epoch
