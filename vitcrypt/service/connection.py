"""One connection of the service, and what it may take of the time and the places of others.

uvicorn by itself limits neither how long a request takes to arrive, nor how long its head is, nor how long an answer
may wait to be taken. What is built upon here belongs to the versions of uvicorn that pyproject.toml allows.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 2**14
"""Bytes that may come in a row without being part of a body: the head of a request, or what follows its body."""

MAX_PIPELINED = 16
"""Requests on one connection that may wait for their answers."""

LEAST_TAKEN = 2**16
"""Bytes of a long answer that a client must take within the time for it, to be given as much again."""

LINGER = 2.0
"""Seconds in which a client may still read why its connection ends."""

REASONS = {
    "slow": (b"408 Request Timeout", "the request took too long to arrive"),
    "head": (b"431 Request Header Fields Too Large", f"more than {MAX_HEAD} bytes of headers"),
    "crowd": (b"429 Too Many Requests", "too many connections at once; try again in a second"),
}


class Phase(Enum):
    """What a connection waits for. It is the client's turn in all but the last, and a clock runs."""

    IDLE = auto()
    """The next request."""
    ARRIVING = auto()
    """The first request, or the rest of one."""
    TAKING = auto()
    """That the client takes what was sent."""
    WORKING = auto()
    """The service."""


@dataclass
class Crowd:
    """All connections of a server.

    Args:
        most: How many there may be.
        seconds: How long a request may take to arrive, and an answer to be taken.
        idle_seconds: How long a connection may wait for its next request.
        on_drop: Is told why a connection was ended: one of REASONS, or "invalid".
    """

    most: int
    seconds: float
    idle_seconds: float
    on_drop: Callable[[str], object]
    open: set[Connection] = field(default_factory=set)
    idle: dict[Connection, None] = field(default_factory=dict)
    slow: dict[Connection, None] = field(default_factory=dict)

    def enter(self, connection: Connection) -> None:
        """Take a new connection; for each one too many, end the one that waits for its client for longest."""
        self.open.add(connection)
        self.note(connection)
        while len(self.open) > self.most and (line := self.idle or self.slow):
            victim = next(iter(line))
            self.leave(victim)
            victim.drop("crowd")

    def note(self, connection: Connection) -> None:
        """Put a connection whose phase begins now behind all others."""
        self.idle.pop(connection, None)
        self.slow.pop(connection, None)
        if connection in self.open and connection.phase is not Phase.WORKING:
            (self.idle if connection.phase is Phase.IDLE else self.slow)[connection] = None

    def leave(self, connection: Connection) -> None:
        """Forget a connection."""
        self.open.discard(connection)
        self.note(connection)


class _Outgoing:
    """A transport that takes nothing more once it closes; that of uvloop would raise."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)


class Connection(HttpToolsProtocol):
    """uvicorn's protocol with a phase, and an end to every phase in which it waits for the client."""

    others: ClassVar[Crowd]
    phase = Phase.ARRIVING
    _clock: asyncio.TimerHandle | None = None
    _arriving = True
    _in_head = True
    _blocked = False
    _dropped = False
    _bare = 0  # bytes since the last ones of a body
    _head = 0  # bytes of headers
    _unanswered = 0
    _left = 0  # bytes that the client had not taken when the clock started

    def connection_made(self, transport: Any) -> None:
        """Begin with a clock: a silent client is one whose request does not arrive."""
        super().connection_made(_Outgoing(transport))  # type: ignore[arg-type]
        transport.set_write_buffer_limits(high=0)  # tells from the first byte on that an answer is not taken
        self._begin(Phase.ARRIVING)
        self.others.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop()
        self._dropped = True
        self.others.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless the connection is about to end."""
        if self._dropped or self.transport.is_closing():
            return
        self._bare += len(data)
        super().data_received(data)
        if self.transport.is_closing():  # uvicorn answered 400
            self.others.on_drop("invalid")
        elif self._bare > MAX_HEAD:
            self.drop("head")
        self._look()

    def on_message_begin(self) -> None:
        """A request begins; bytes before its first letter are none."""
        if self._unanswered >= MAX_PIPELINED:
            raise ValueError("too many requests wait for their answers")
        self._arriving = self._in_head = True
        self._unanswered += 1
        self._head = 0
        super().on_message_begin()
        self._look(again=True)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; what comes after the body is of no use here."""
        self._head += len(name) + len(value)
        if self._head > MAX_HEAD:
            raise ValueError("too many headers")  # the parser makes a 400 of it
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """From here on the application answers."""
        self._in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._bare = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is here: it is the turn of the service."""
        self._arriving, self._bare = False, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is on its way."""
        self._unanswered -= 1
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """The client does not take what was sent."""
        super().pause_writing()
        self._blocked = True
        self._look()

    def resume_writing(self) -> None:
        """It did."""
        super().resume_writing()
        self._blocked = False
        self._look()

    def drop(self, reason: str) -> None:
        """End the connection, with an answer if the client waits for none yet, and without waiting for the client."""
        self.others.on_drop(reason)
        answered = self.cycle is None or self.cycle.response_complete
        if self._dropped or self._blocked or not (self._in_head and answered):
            self.transport.abort()
            return
        status, detail = REASONS[reason]
        body = json.dumps({"detail": detail}, allow_nan=False).encode()
        head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n"
        self.transport.write((head + b"content-length: %d\r\n\r\n") % (status, len(body)) + body)
        self.transport.write_eof()  # closing at once would take the answer back, where more of the request arrives
        self._dropped = True
        self._stop()
        self._clock = self.loop.call_later(LINGER, self.transport.abort)

    def _look(self, again: bool = False) -> None:
        """Find the phase; its clock starts when it begins, and `again` with every request."""
        if self._dropped:
            return
        if self._blocked or self.transport.is_closing():
            phase = Phase.TAKING
        elif self._arriving:
            phase = Phase.ARRIVING
        elif self.cycle is None or self.cycle.response_complete:
            phase = Phase.IDLE
        else:
            phase = Phase.WORKING
        if phase is not self.phase or (again and phase is Phase.ARRIVING):
            self._begin(phase)

    def _begin(self, phase: Phase) -> None:
        self.phase = phase
        self.others.note(self)
        self._start()

    def _start(self) -> None:
        self._stop()
        self._left = self.transport.get_write_buffer_size()
        if self.phase is Phase.IDLE:
            self._clock = self.loop.call_later(self.others.idle_seconds, self.transport.abort)
        elif self.phase is not Phase.WORKING:
            self._clock = self.loop.call_later(self.others.seconds, self._late)

    def _late(self) -> None:
        if self.phase is Phase.TAKING and self._left - self.transport.get_write_buffer_size() >= LEAST_TAKEN:
            self._start()
        else:
            self.drop("slow")

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None
