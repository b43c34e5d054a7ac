"""Ctrl-C that is neither lost nor turned into something else.

Python raises KeyboardInterrupt wherever the program happens to be. Below C++ that calls Python, as torch.save does to
write, it comes out as another error or ends the process at once; in a finaliser Python prints it and goes on.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

AGAIN_SECONDS = 0.01  # until a finaliser is done


@contextmanager
def told() -> Iterator[None]:
    """End the program after Ctrl-C with a line and exit code 130; after another one at once, whatever it is at."""
    try:
        yield
    except KeyboardInterrupt:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        with suppress(OSError):
            sys.stderr.write("\nInterrupted. Run the same command again to resume.\n")
            sys.stderr.flush()
        sys.exit(130)


@contextmanager
def deferred() -> Iterator[None]:
    """Let Ctrl-C wait until the block is done, however it ends. Python delivers it to the main thread only."""
    if threading.current_thread() is not threading.main_thread() or not callable(signal.getsignal(signal.SIGINT)):
        yield
        return
    asked: list[tuple[int, Any]] = []
    handler: Any = signal.signal(signal.SIGINT, lambda *signalled: asked.append(signalled))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if asked:
            handler(*asked[0])


@contextmanager
def repeated() -> Iterator[None]:
    """Raise KeyboardInterrupt again, a moment later, where Python had to ignore it."""

    def hook(ignored: sys.UnraisableHookArgs) -> None:
        if issubclass(ignored.exc_type, KeyboardInterrupt):
            _thread.start_new_thread(_again, ())  # raised from here it would be ignored too
        else:
            before(ignored)

    before, sys.unraisablehook = sys.unraisablehook, hook
    try:
        yield
    finally:
        sys.unraisablehook = before


def _again() -> None:
    time.sleep(AGAIN_SECONDS)
    os.kill(os.getpid(), signal.SIGINT)  # a real one, which wakes the main thread if it waits
