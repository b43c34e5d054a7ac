"""What requests share: places for images that wait, and memory for bodies."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FullError(RuntimeError):
    """There is no room for more; the client should come again later."""


class Room:
    """Places that all requests share: of images, or of bytes. They are given in the order of asking.

    Args:
        size: How many there are. What is alone may take more.
    """

    def __init__(self, size: int) -> None:
        self.size, self.taken, self.asked = size, 0, 0
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def crowded(self) -> bool:
        """Whether as many are asked for as there are, besides those that are taken."""
        return self.asked >= self.size

    def fits(self, count: int) -> bool:
        """Whether so many may be taken at once."""
        return self.taken + count <= self.size or not self.taken

    def take(self, count: int) -> None:
        """Take places; raise FullError if they are not there."""
        if not self.fits(count):
            raise FullError
        self.taken += count

    @asynccontextmanager
    async def hold(self, count: int, patience: float) -> AsyncIterator[None]:
        """Take places for the time of a block, after waiting for them for at most `patience` seconds.

        Raises:
            FullError: They did not come free, or too many are asked for already.
        """
        if self._line or not self.fits(count):
            await self._wait(count, patience)
        else:
            self.taken += count
        try:
            yield
        finally:
            self.leave(count)

    def leave(self, count: int) -> None:
        """Give places back, and to those who wait."""
        self.taken -= count
        while self._line and self.fits(self._line[0][0]):
            count, ticket = self._line.popleft()
            self.asked -= count
            if not ticket.cancelled():
                self.taken += count
                ticket.set_result(None)

    async def _wait(self, count: int, patience: float) -> None:
        if self.crowded or not patience:
            raise FullError
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = count, ticket
        self._line.append(entry)
        self.asked += count
        try:
            async with asyncio.timeout(patience):
                await ticket
        except BaseException as error:
            if not ticket.cancelled():
                self.leave(count)  # they came at the moment of giving up
            elif entry in self._line:
                self._line.remove(entry)
                self.asked -= count
                self.leave(0)
            if isinstance(error, TimeoutError):
                raise FullError from None
            raise
