"""Several processes that serve behind one port: each listens for itself, and the kernel shares out the connections."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess

from vitcrypt.jobs.pool import end_with_parent
from vitcrypt.service.server import MAX_CONNECTIONS, listen

METRICS = "PROMETHEUS_MULTIPROC_DIR"
"""The variable that names a folder where all processes count; prometheus_client reads it when it is imported."""


def listen_together(host: str, port: int, token: str | None, workers: int) -> list[socket.socket]:
    """Take an address for so many processes; errors are those of `listen`."""
    first = listen(host, port, token)  # alone, so that an address that is taken is an error
    if workers == 1:
        return [first]
    taken, family = first.getsockname()[1], first.family
    first.close()
    return [
        socket.create_server((host, taken), family=family, backlog=MAX_CONNECTIONS, reuse_port=True)
        for _ in range(workers)
    ]


@contextlib.contextmanager
def counted_together() -> Iterator[None]:
    """Let /metrics of each of several processes tell what all of them counted."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ[METRICS] = folder
        yield


def serve_in_processes(serve: Callable[[socket.socket], None], sockets: list[socket.socket]) -> None:
    """Serve on each socket in a process of its own until SIGTERM or Ctrl-C; each then answers what it has taken.

    Args:
        serve: Serves on a socket until SIGTERM. No thread may run before it is called.
        sockets: Of `listen_together`.

    Raises:
        RuntimeError: A process ended by itself; the others were ended too.
    """
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_worker, args=(serve, one)) for one in sockets]
    ended: list[BaseProcess] = []
    try:
        for process in processes:
            process.start()
        gone = wait([process.sentinel for process in processes])
        ended = [process for process in processes if process.sentinel in gone]
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()
        signal.signal(signal.SIGTERM, before)
    if ended:
        raise RuntimeError(f"a worker ended by itself (exit code {ended[0].exitcode}), and with it the service")


def _worker(serve: Callable[[socket.socket], None], listening: socket.socket) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    end_with_parent()
    try:
        serve(listening)
    except (ValueError, OSError, RuntimeError) as error:
        sys.exit(f"error: {error}")
