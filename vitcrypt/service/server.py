"""Running the service with uvicorn: one process, and no connection that waits for ever."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vitcrypt.service.address import is_loopback

MAX_HEAD = 2**16
"""Bytes that the head of a request may have."""

MAX_CONNECTIONS = 512
"""Connections at once; requests on more of them are answered 429."""


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


def serve(app: FastAPI, listening: socket.socket, read_seconds: float) -> None:
    """Serve until interrupted.

    Args:
        app: What `create_app` returned.
        listening: What `listen` returned.
        read_seconds: How long a request may take to arrive; slower ones are answered 408.
    """
    crowded = JSONResponse(
        {"detail": f"more than {MAX_CONNECTIONS} connections at once; try again in a second"},
        429,
        {"Retry-After": "1", "Connection": "close"},
    )

    class Patient(HttpToolsProtocol):
        """uvicorn's protocol with an end to its patience: by itself it limits neither time nor length of a head."""

        _patience: asyncio.TimerHandle | None = None
        _head: int | None = 0  # bytes so far; None in the body

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._arrived()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self._head is not None:
                self._head += len(data)
                if self._head > MAX_HEAD:
                    self._end(b"431 Request Header Fields Too Large", f"more than {MAX_HEAD} bytes of headers")

        def on_message_begin(self) -> None:
            self._head = 0
            self._wait()
            super().on_message_begin()

        def on_header(self, name: bytes, value: bytes) -> None:
            if self._head is not None:  # what comes after the body is of no use here
                super().on_header(name, value)

        def on_headers_complete(self) -> None:
            self._head = None
            self.app = crowded if len(self.connections) > MAX_CONNECTIONS else self.config.loaded_app
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._arrived()
            super().on_message_complete()

        def _wait(self) -> None:
            self._arrived()
            self._patience = self.loop.call_later(read_seconds + 1, self._give_up)  # the application goes first

        def _arrived(self) -> None:
            if self._patience is not None:
                self._patience.cancel()
                self._patience = None

        def _give_up(self) -> None:
            self._end(b"408 Request Timeout", "the request took too long to arrive")

        def _end(self, status: bytes, reason: str) -> None:
            if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
                body = json.dumps({"detail": reason}).encode()
                head = (
                    b"HTTP/1.1 %s\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
                )
                self.transport.write(head % (status, len(body)) + body)
            self.transport.close()

    logging.getLogger("uvicorn.error").addFilter(lambda record: "Unsupported upgrade" not in record.getMessage())
    config = uvicorn.Config(
        app,
        http=Patient,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([listening])
