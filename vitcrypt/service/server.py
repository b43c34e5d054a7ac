"""Running the service with uvicorn: one process, and no connection that waits for ever."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from vitcrypt.service.address import is_loopback

TOO_SLOW = b'{"detail":"the request took too long to arrive"}'
RESPONSE = b"HTTP/1.1 408 Request Timeout\r\ncontent-type: application/json\r\nconnection: close\r\n"


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

    class Patient(HttpToolsProtocol):
        """uvicorn's protocol, but not patient without end: it has no time limit on headers of its own."""

        _patience: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._wait()

        def connection_lost(self, exc: Exception | None) -> None:
            self._arrived()
            super().connection_lost(exc)

        def on_message_begin(self) -> None:
            self._wait()
            super().on_message_begin()

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
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(RESPONSE + b"content-length: %d\r\n\r\n" % len(TOO_SLOW) + TOO_SLOW)
            self.transport.close()

    logging.getLogger("uvicorn.error").addFilter(lambda record: "Unsupported upgrade" not in record.getMessage())
    config = uvicorn.Config(
        app,
        http=Patient,
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=512,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=5,
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([listening])
