"""Programs as processes of their own, forked from one that has imported the libraries: a start takes no seconds.

All else is as for `python -m MODULE`: its own environment, folder, signals and exit code. What a library reads from the
environment when it is imported is not; and what a process imports cannot be tested so.
"""

import atexit
import contextlib
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import weakref
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import IO

LIBRARIES = ["torch", "lightning.pytorch", "timm", "torchmetrics", "hydra", "omegaconf", "pandas", "pydantic", "rich"]
LIBRARIES += ["hydra.main", "matplotlib.figure", "matplotlib.backends.backend_agg", "PIL.Image", "sklearn.datasets"]
LIBRARIES += ["sklearn.model_selection", "torch.utils.data", "cryptography.hazmat.primitives.ciphers.aead", "typer"]
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload([*LIBRARIES, __name__])


class Forked:
    """The part of `subprocess.Popen` that the tests use.

    Args:
        module: What `python -m` would run.
        arguments: Of the program.
        folder: Where it runs.
        variables: Its environment, all of it.
        output: Where it prints, errors too; None: into a pipe, `stdout`.
        errors: A file for its errors alone.
    """

    def __init__(
        self,
        module: str,
        arguments: list[str],
        folder: Path,
        variables: dict[str, str],
        output: IO[str] | None = None,
        errors: IO[str] | None = None,
    ) -> None:
        self.args = [sys.executable, "-m", module, *map(str, arguments)]
        reading, writing = os.pipe() if output is None else (None, os.dup(output.fileno()))
        # Connection is what multiprocessing hands over with its descriptor; this end is closed when both are
        ends = [Connection(writing, readable=False)]
        ends += [Connection(os.dup(errors.fileno()), readable=False)] if errors else []
        self.stdout = os.fdopen(reading, errors="replace") if reading is not None else None
        self._process = SERVER.Process(target=_run, args=(module, self.args[3:], str(folder), variables, *ends))
        self._process.start()
        for end in ends:
            end.close()
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    poll = returncode.fget

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def wait(self, timeout: float | None = None) -> int:
        if not wait([self._process.sentinel], timeout):
            raise subprocess.TimeoutExpired(self.args, timeout)
        self._process.join()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str | None, None]:
        """Return what it still prints and wait for its end; its children may not hold the pipe open."""
        printed = self.stdout.read() if self.stdout else None
        self.wait(timeout)
        return printed, None


def _run(module: str, arguments: list[str], folder: str, variables: dict[str, str], *ends: Connection) -> None:
    output, errors = ends[0], ends[-1]
    os.dup2(output.fileno(), 1)
    os.dup2(errors.fileno(), 2)
    for end in {*ends}:
        end.close()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin, sys.stdout = os.fdopen(0, closefd=False), os.fdopen(1, "w", buffering=1, errors="replace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, errors="backslashreplace", closefd=False)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    atexit._clear()  # what the server would tidy up at its end, as a folder that a library made, is not this one's
    weakref.finalize._registry.clear()
    weakref.finalize._registered_with_atexit = False
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    sys.path.insert(0, folder)
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # multiprocessing leaves them out
        with contextlib.suppress(OSError):
            sys.stdout.flush()
