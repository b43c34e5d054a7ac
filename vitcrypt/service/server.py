"""Running the service with uvicorn: one process, and a clock on every connection in every state.

uvicorn by itself limits neither how long a request takes to arrive, nor how long its head is, nor how long an answer
may wait to be taken. The protocol that is built upon here belongs to the versions that pyproject.toml allows.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, ClassVar

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vitcrypt.service.limits import is_loopback

MAX_CONNECTIONS = 512
"""Connections at once; for each one more, the one that has waited for its client for longest is closed."""
FILES = 4 * MAX_CONNECTIONS
"""Open files that the process asks for."""
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


def listen(host: str, port: int, token: str | None) -> socket.socket:
    """Take an address; port 0 takes a free one.

    Raises:
        ValueError: Others can reach `host` and there is no token.
        OSError: The address is taken, or not one of this machine.
    """
    if not is_loopback(host) and token is None:
        raise ValueError(
            f"--host {host} lets others in, and anyone could ask: set a token (--token-file FILE, or VITCRYPT_TOKEN), "
            "or stay on --host 127.0.0.1 behind a reverse proxy with TLS"
        )
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise OSError(f"cannot listen on {host}, port {port}: {error.strerror}; try another --port") from error


def server_of(
    app: FastAPI, read_seconds: float, max_connections: int = MAX_CONNECTIONS, idle_seconds: float = 30.0
) -> uvicorn.Server:
    """Return a server that does not run yet.

    Args:
        app: What `create_app` or `create_demo` returned; `app.state.on_drop`, if it is there, is called with the
            reason when a connection is ended.
        read_seconds: How long a request may take to arrive, and an answer to be taken.
        max_connections: At once.
        idle_seconds: How long a connection may wait for its next request.
    """
    on_drop = getattr(app.state, "on_drop", lambda _: None)

    class Here(_Connection):
        crowd = _Crowd(max_connections, read_seconds + 1, idle_seconds, on_drop)  # the application gives up first

    config = uvicorn.Config(
        app,
        http=Here,
        ws="none",
        log_level="error",  # what clients do wrong is counted, and writes no lines
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=MAX_CONNECTIONS,
        timeout_keep_alive=2**20,  # one clock is enough
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)


def serve(app: FastAPI, listening: socket.socket, read_seconds: float, workers: int = 1) -> None:
    """Serve on what `listen` returned until interrupted, as one of so many; `read_seconds` as of `server_of`."""
    with contextlib.suppress(ImportError, ValueError, OSError):  # then accepting waits, instead of failing
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if 0 <= soft < FILES:
            resource.setrlimit(resource.RLIMIT_NOFILE, (FILES if hard < 0 else min(FILES, hard), hard))
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    with contextlib.suppress(KeyboardInterrupt):
        server_of(app, read_seconds, max(1, MAX_CONNECTIONS // workers)).run([listening])


class _Phase(Enum):
    """What a connection waits for. It is the client's turn in all but the last, and a clock runs."""

    IDLE = auto()  # the next request
    ARRIVING = auto()  # the first request, or the rest of one
    TAKING = auto()  # that the client takes what was sent
    WORKING = auto()  # the service


@dataclass
class _Crowd:
    """All connections of a server, and those that wait for their client, the longest waiting first."""

    most: int
    seconds: float
    idle_seconds: float
    on_drop: Callable[[str], object]
    open: set[_Connection] = field(default_factory=set)
    waiting: dict[_Connection, None] = field(default_factory=dict)

    def enter(self, connection: _Connection) -> None:
        """Take a new connection; for each one too many, end an idle one, or else one whose client is slow."""
        self.open.add(connection)
        while len(self.open) > self.most and self.waiting:
            idle = (other for other in self.waiting if other.phase is _Phase.IDLE)
            next(idle, next(iter(self.waiting))).drop("crowd")

    def leave(self, connection: _Connection) -> None:
        self.open.discard(connection)
        self.waiting.pop(connection, None)


class _Outgoing:
    """A transport that takes nothing more once it closes; that of uvloop would raise."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)


class _Connection(HttpToolsProtocol):
    """uvicorn's protocol with a phase, and an end to every phase in which it waits for the client."""

    crowd: ClassVar[_Crowd]
    phase: _Phase | None = None
    _clock: asyncio.TimerHandle | None = None
    _in_head = True  # of a request
    _arriving = True  # a request, or the first one is awaited
    _dropped = False
    _bare = 0  # bytes since the last ones of a body
    _left = 0  # bytes that the client had not taken when the clock started

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_Outgoing(transport))  # type: ignore[arg-type]
        transport.set_write_buffer_limits(high=0)  # tells from the first byte on that an answer is not taken
        self._look()
        self.crowd.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._dropped or self.transport.is_closing():
            return
        self._bare += len(data)
        super().data_received(data)
        if self.transport.is_closing():  # uvicorn answered 400
            self.crowd.on_drop("invalid")
        elif self._bare > MAX_HEAD:
            self.drop("head")
        self._look()

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED:
            raise ValueError("too many requests wait for their answers")  # the parser makes a 400 of it
        self._arriving = self._in_head = True
        super().on_message_begin()
        self._look(again=True)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # what comes after the body is of no use here
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        if sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD:
            raise ValueError("too many headers")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._bare = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._arriving, self._bare = False, 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._look()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._look()

    def drop(self, reason: str) -> None:
        """End the connection, with an answer if the client waits for none yet, and without waiting for the client."""
        self.crowd.on_drop(reason)
        answered = self.cycle is None or self.cycle.response_complete
        may_answer = self._in_head and answered and not (self._dropped or self.flow.write_paused)
        self._end()
        if not may_answer:
            self.transport.abort()
            return
        status, detail = REASONS[reason]
        body = json.dumps({"detail": detail}, allow_nan=False).encode()
        head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n"
        self.transport.write((head + b"content-length: %d\r\n\r\n") % (status, len(body)) + body)
        self.transport.write_eof()  # closing at once would take the answer back, where more of the request arrives
        self._clock = self.loop.call_later(LINGER, self.transport.abort)

    def _look(self, again: bool = False) -> None:
        """Find the phase; its clock starts when it begins, and `again` with every request."""
        if self._dropped:
            return
        if self.flow.write_paused or self.transport.is_closing():
            phase = _Phase.TAKING
        elif self._arriving:
            phase = _Phase.ARRIVING
        else:
            phase = _Phase.IDLE if self.cycle is None or self.cycle.response_complete else _Phase.WORKING
        if phase is self.phase and not (again and phase is _Phase.ARRIVING):
            return
        self.phase = phase
        self.crowd.waiting.pop(self, None)
        if phase is not _Phase.WORKING:
            self.crowd.waiting[self] = None
        self._start()

    def _start(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
        self._left = self.transport.get_write_buffer_size()
        if self.phase is _Phase.IDLE:
            self._clock = self.loop.call_later(self.crowd.idle_seconds, self.transport.abort)
        elif self.phase is not _Phase.WORKING:
            self._clock = self.loop.call_later(self.crowd.seconds, self._late)

    def _late(self) -> None:
        if self.phase is _Phase.TAKING and self._left - self.transport.get_write_buffer_size() >= LEAST_TAKEN:
            self._start()
        else:
            self.drop("slow")

    def _end(self) -> None:
        """Stop the clock and leave the crowd: from here on nothing that comes counts."""
        self._dropped = True
        if self._clock is not None:
            self._clock.cancel()
        self.crowd.leave(self)
