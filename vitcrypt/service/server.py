"""Running the service with uvicorn: one process, and a clock on every connection in every state."""

from __future__ import annotations

import contextlib
import logging
import resource
import socket

import uvicorn
from fastapi import FastAPI

from vitcrypt.service.address import is_loopback
from vitcrypt.service.connection import Connection, Crowd

MAX_CONNECTIONS = 512
"""Connections at once; for each one more, the one that has waited for its client for longest is closed."""

FILES = 4 * MAX_CONNECTIONS
"""Open files that the process asks for."""


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
    app: FastAPI,
    read_seconds: float,
    max_connections: int = MAX_CONNECTIONS,
    idle_seconds: float = 30.0,
) -> uvicorn.Server:
    """Return a server that does not run yet.

    Args:
        app: What `create_app` or `create_demo` returned; `app.state.on_drop`, if it is there, is told why a connection
            was ended.
        read_seconds: How long a request may take to arrive, and an answer to be taken.
        max_connections: At once.
        idle_seconds: How long a connection may wait for its next request.
    """
    told = getattr(app.state, "on_drop", lambda _: None)

    class Here(Connection):
        others = Crowd(max_connections, read_seconds + 1, idle_seconds, told)  # the application gives up first

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


def serve(app: FastAPI, listening: socket.socket, read_seconds: float) -> None:
    """Serve on what `listen` returned until interrupted; `read_seconds` as of `server_of`."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < FILES:
        with contextlib.suppress(ValueError, OSError):  # then accepting waits, instead of failing
            resource.setrlimit(resource.RLIMIT_NOFILE, (FILES if hard < 0 else min(FILES, hard), hard))
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    with contextlib.suppress(KeyboardInterrupt):
        server_of(app, read_seconds).run([listening])
