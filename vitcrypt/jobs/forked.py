"""Work in forked processes of this machine: they hold what this one holds, so that nothing but names is sent to them.

A key, for example, is in their memory and in no message, file, argument or variable. They end with this process.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any, TypeVar

from vitcrypt.jobs.pool import LIBC, end_with_parent
from vitcrypt.jobs.turns import AHEAD, batches, in_turn

MANY = 256
"""Items from which on processes are faster than threads, which wait for each other."""
S = TypeVar("S")
T = TypeVar("T")
_function: Callable[[Any], Any]
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 2**25


def attempt(function: Callable[[S], T]) -> Callable[[S], T | ValueError]:
    """Return the function so that it returns a ValueError that it would raise."""

    def attempted(item: S) -> T | ValueError:
        try:
            return function(item)
        except ValueError as error:
            return error

    return attempted


def can_fork() -> bool:
    """Say whether processes can be forked here and end with this one: on Linux."""
    return sys.platform == "linux"


@contextmanager
def mapping(
    function: Callable[[S], T], count: int, workers: int | None = None, chunk: int = 1, ahead: int = AHEAD
) -> Iterator[Callable[[Iterable[S]], Iterator[T]]]:
    """Hand out what maps a function in order: of many items as `forked` does, of few in threads.

    Threads of small work hand Python's lock to each other: reading, decoding and hashing small images in six of them,
    on two free cores, took five times the processor time of one, and four times as long (see `docs/cluster.md`).

    Args:
        function: As of `forked`.
        count: How many items there will be; 0 for what must run in threads.
        workers: Number of processes or threads.
        chunk: How many items are sent to a process at once.
        ahead: How many such chunks wait for their turn at most.

    Raises:
        ValueError: The function raised it.
    """

    def raised(result: T | ValueError) -> T:
        if isinstance(result, ValueError):
            raise result
        return result

    if count >= MANY and can_fork():
        with forked(attempt(function), workers, chunk, ahead) as mapped:
            yield lambda items: map(raised, mapped(items))
    else:
        with ThreadPoolExecutor(workers) as pool:
            yield lambda items: map(raised, in_turn(pool, attempt(function), items, chunk * ahead))


@contextmanager
def forked(
    function: Callable[[S], T], workers: int | None = None, chunk: int = 1, ahead: int = AHEAD
) -> Iterator[Callable[[Iterable[S]], Iterator[T]]]:
    """Hand out what maps a function in processes, in order; items and results are sent, the function is not.

    Args:
        function: Called in the processes. It must not use threads that this process had before.
        workers: Number of processes; None: one for each core.
        chunk: How many items are sent at once.
        ahead: How many such chunks wait for their turn at most.

    Raises:
        ChildProcessError: One was killed.
    """
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(workers or os.cpu_count(), context, _begin, (function, os.getpid())) as pool:
        try:
            yield lambda items: chain.from_iterable(in_turn(pool, _call, batches(items, chunk), ahead))
        except BrokenProcessPool:
            raise ChildProcessError(
                "a process that worked here was killed, perhaps as memory ran out; lower --workers and repeat"
            ) from None
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Let torch use one thread in each of ours, where it is loaded."""
    if (torch := sys.modules.get("torch")) is None:
        yield
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _begin(function: Callable[[Any], Any], parent: int) -> None:
    global _function
    _function = function
    gc.freeze()  # what this process was given is not looked through, which would copy the pages that it lies in
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that waits
    end_with_parent()
    if os.getppid() != parent:
        os._exit(1)
    with suppress(AttributeError):  # glibc's: what one image takes is kept for the next, and not given back each time
        for option in (M_TRIM_THRESHOLD, M_MMAP_THRESHOLD):
            LIBC.mallopt(option, KEPT_BYTES)  # type: ignore[union-attr]
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_num_threads(1)  # its other threads have not been forked


def _call(items: list[Any]) -> list[Any]:
    return [_function(item) for item in items]
