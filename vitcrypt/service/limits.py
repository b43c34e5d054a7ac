"""What a service grants: what one request may bring, what all requests share, and who may reach it."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from starlette.exceptions import HTTPException


class FullError(HTTPException):
    """There is no room for more; the client should come again later."""

    def __init__(self) -> None:
        detail = "too many images are waiting, or too many bytes are under way; try again in a second"
        super().__init__(429, detail, {"Retry-After": "1"})


@dataclass(frozen=True)
class Limits:
    """What one request may bring.

    Args:
        max_bytes: Length of its body.
        max_images: Images in it.
        read_seconds: How long it may take to arrive.
        wait_seconds: How long it may wait until others make room for its images.
    """

    max_bytes: int = 32 * 2**20
    max_images: int = 256
    read_seconds: float = 10.0
    wait_seconds: float = 2.0


class Room:
    """Places that all requests share: for images that wait, or for bytes. They are given in the order of asking.

    Args:
        size: How many there are. A request that is alone may take more.
        on_change: Is called with how many are taken.
    """

    def __init__(self, size: int, on_change: Callable[[int], object] = lambda _: None) -> None:
        self.size, self.taken, self.asked, self.on_change = size, 0, 0, on_change
        self._turn, self._freed = asyncio.Lock(), asyncio.Event()

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
        self._change(count)

    def leave(self, count: int) -> None:
        """Give places back."""
        self._change(-count)
        self._freed.set()

    def _change(self, count: int) -> None:
        self.taken += count
        self.on_change(self.taken)

    @asynccontextmanager
    async def hold(self, count: int, patience: float) -> AsyncIterator[None]:
        """Take places for the time of a block, after waiting for them for at most `patience` seconds.

        Raises:
            FullError: They did not come free, or too many are asked for already.
        """
        if self.crowded:
            raise FullError
        if not self.asked and self.fits(count):
            self._change(count)
        else:
            await self._wait(count, patience)
        try:
            yield
        finally:
            self.leave(count)

    async def _wait(self, count: int, patience: float) -> None:
        self.asked += count
        try:
            async with asyncio.timeout(patience), self._turn:
                while not self.fits(count):
                    self._freed.clear()
                    await self._freed.wait()
                self._change(count)
        except TimeoutError:
            raise FullError from None
        finally:
            self.asked -= count


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
