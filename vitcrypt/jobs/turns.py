"""Handing out work to threads or processes, no more of it ahead of its turn than is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from itertools import islice
from typing import TypeVar

S = TypeVar("S")
T = TypeVar("T")
AHEAD = 256


def in_turn(pool: Executor, function: Callable[[S], T], items: Iterable[S], ahead: int = AHEAD) -> Iterator[T]:
    """Map in the threads or processes of a pool and in order, with at most `ahead` items that wait for their turn.

    What the pool's own `map` does, it does for all items at once: a million of them take gigabytes.
    """
    waiting: deque[Future[T]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def batches(items: Iterable[S], size: int) -> Iterator[list[S]]:
    """Yield items in lists of this size; the last one may be shorter."""
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch
