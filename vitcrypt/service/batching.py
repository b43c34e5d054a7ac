"""Dynamic batching: what concurrent requests bring is computed together."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vitcrypt.service.onnx import Backend

AT_ONCE = 5e-3
"""Seconds; what is computed in less is not handed to the thread, which would cost a good part of them."""


class Batcher:
    """Call it with images; it returns their logits when the batch that they came into is computed.

    While one batch is computed the next one gathers, so under load batches are full without anybody waiting for it.
    A batch that takes less than `AT_ONCE` is computed by the event loop itself.

    Args:
        backend: What computes them.
        max_batch: Images in one batch, at most.
        max_wait: Seconds that the first image of a batch waits for others though nothing is computed, at most.
        on_batch: Called with the size of every batch.
    """

    def __init__(
        self,
        backend: Backend,
        max_batch: int = 32,
        max_wait: float = 0.0,
        on_batch: Callable[[int], object] | None = None,
    ) -> None:
        if max_batch < 1 or max_wait < 0:
            raise ValueError(f"max_batch={max_batch}, max_wait={max_wait}: at least 1 and 0")
        self.backend, self.on_batch = backend, on_batch
        self.max_batch, self.max_wait = max_batch, max_wait
        self.queued = 0
        self._each = math.inf  # seconds that an image of the last batch took
        self._waiting: deque[tuple[NDArray[Any], asyncio.Future[NDArray[np.float32]]]] = deque()
        self._arrived, self._full = asyncio.Event(), asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "inference")

    async def __call__(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Return the logits of images, as the backend takes them -> float [B, K], in their order."""
        loop = asyncio.get_running_loop()
        parts = [images[i : i + self.max_batch] for i in range(0, len(images), self.max_batch)]
        futures: list[asyncio.Future[NDArray[np.float32]]] = [loop.create_future() for _ in parts]
        self._waiting.extend(zip(parts, futures, strict=True))
        self.queued += len(images)
        self._arrived.set()
        if self.queued >= self.max_batch:
            self._full.set()
        if len(futures) == 1:
            return await futures[0]
        return np.concatenate(await asyncio.gather(*futures))

    async def run(self) -> None:
        """Compute batches until cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._arrived.wait()
                await self._gathered()
                if not (taken := self._take()):
                    continue
                batch = np.concatenate([images for images, _ in taken]) if len(taken) > 1 else taken[0][0]
                if self.on_batch is not None:
                    self.on_batch(len(batch))
                try:
                    if len(batch) * self._each < AT_ONCE:
                        logits = self._compute(batch)
                    else:
                        logits = await loop.run_in_executor(self._thread, self._compute, batch)
                except Exception as error:  # of the backend: those who wait get it, and the next batch is tried
                    self._fail(taken, error)
                    continue
                start = 0
                for images, future in taken:
                    if not future.done():
                        future.set_result(logits[start : start + len(images)])
                    start += len(images)
        finally:
            self._fail(list(self._waiting), ConnectionAbortedError("the service is shutting down"))
            self._thread.shutdown(wait=False)

    def _compute(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        started = time.perf_counter()
        logits = self.backend(batch)
        self._each = (time.perf_counter() - started) / len(batch)
        return logits

    async def _gathered(self) -> None:
        """Wait for a full batch, but not long."""
        if self.queued < self.max_batch and self.max_wait:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._full.wait(), self.max_wait)

    def _take(self) -> list[tuple[NDArray[np.uint8], asyncio.Future[NDArray[np.float32]]]]:
        """Take the next batch off the queue, less what nobody waits for any more."""
        taken, size = [], 0
        while self._waiting and size + len(self._waiting[0][0]) <= self.max_batch:
            images, future = self._waiting.popleft()
            self.queued -= len(images)
            if not future.done():
                taken.append((images, future))
                size += len(images)
        if not self._waiting:
            self._arrived.clear()
        if self.queued < self.max_batch:
            self._full.clear()
        return taken

    @staticmethod
    def _fail(taken: list[tuple[NDArray[np.uint8], asyncio.Future[NDArray[np.float32]]]], error: Exception) -> None:
        for _, future in taken:
            if not future.done():
                future.set_exception(error)
