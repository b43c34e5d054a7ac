"""The service without a process of its own: a server in a thread, on an application that is made for the test."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np

from vitcrypt.service import Bundle
from vitcrypt.service.app import create_app
from vitcrypt.service.backends import load_backend
from vitcrypt.service.limits import Limits
from vitcrypt.service.server import listen, server_of


@contextlib.contextmanager
def running(app, read_seconds: float = 1.0, **options) -> Iterator[int]:
    """Serve an application; give the port."""
    listening = listen("127.0.0.1", 0, None)
    port = listening.getsockname()[1]
    server = server_of(app, read_seconds, **options)
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield port
        assert thread.is_alive(), "the server lives"
    finally:
        server.should_exit = True
        thread.join(20)


@contextlib.contextmanager
def served(bundle: Bundle, limits: Limits, token: str | None = None) -> Iterator[str]:
    """Serve a bundle that was written, with ONNX; give the address."""
    app = create_app(bundle, load_backend(bundle, "onnx", 1), limits, token=token)
    with running(app, limits.read_seconds) as port:
        yield f"http://127.0.0.1:{port}"


def connected(port: int, sent: bytes = b"") -> socket.socket:
    """A connection on which something was sent."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.sendall(sent)
    return connection


def answer(connection: socket.socket) -> bytes:
    """All that comes until the other side ends the connection."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while data := connection.recv(65536):
            received += data
    return received


def first_bytes(images):
    """A backend that answers with the first byte of each image."""
    return np.eye(10, dtype=np.float32)[images[:, 0, 0, 0] % 10]
