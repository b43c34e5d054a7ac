"""A pool for a sweep: one job on each GPU, the next as soon as one is free; on a CPU one after another.

Jobs are processes of this machine, or what runs them elsewhere: see `Running`.
"""

import ctypes
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

SKIPPED = "finished before, skipped"
POLL_SECONDS = 0.2
GRACE_SECONDS = 30
RETURNS = "VITCRYPT_POOL_RETURNS"  # the variable that names the file for a job's value


@dataclass(frozen=True)
class Job:
    """One run of a sweep.

    Args:
        name: What tells it from the others.
        command: Starts it.
        log: The file for its output.
        value: The file for what it returns, see `give_back`.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    value: Path | None = None

    @property
    def returned(self) -> float | None:
        """What it returned, if anything."""
        return float(self.value.read_text()) if self.value is not None and self.value.exists() else None


class JobsFailedError(RuntimeError):
    """Some jobs of a pool failed for good.

    Args:
        failed: Which.
        count: Of how many.
    """

    def __init__(self, failed: list[Job], count: int) -> None:
        self.failed = failed
        commands = {job: f"python {shlex.join(job.command[1:])}" for job in failed}
        lines = [f"  {job.name}\n    log:   {job.log}\n    again: {again}" for job, again in commands.items()]
        super().__init__(
            f"{len(failed)} of {count} jobs failed, the others are done; the same command repeats only those that "
            "failed:\n" + "\n".join(lines)
        )


def give_back(value: float) -> float:
    """Return a job's value, and leave it where the pool that started this process, if any, looks for it."""
    if place := os.environ.get(RETURNS):
        Path(place).write_text(repr(float(value)))
    return value


class Running(Protocol):
    """What runs a job: the part of `subprocess.Popen` that a pool uses. A job of a cluster has the same."""

    def poll(self) -> int | None:
        """Return its exit code, or None while it runs."""

    def send_signal(self, number: int, /) -> None:
        """Ask it to end."""

    def wait(self, timeout: float, /) -> int | None:
        """Wait for its end."""

    def kill(self) -> None:
        """End it."""


@dataclass
class _Running:
    job: Job
    attempt: int
    slot: dict[str, str]
    process: Running
    started: float


def run_jobs(
    jobs: list[Job],
    slots: list[dict[str, str]],
    tell: Callable[[str], None],
    retries: int = 1,
    show: Callable[[str], None] = lambda _: None,
    elsewhere: Callable[[Job], Running] | None = None,
) -> None:
    """Run all jobs, each in a process of its own; a failed one is repeated last and never stops the others.

    Args:
        jobs: What to run, in order.
        slots: One for each job at a time: what to add to its environment, as {"CUDA_VISIBLE_DEVICES": "3"}.
        tell: Is called with a line at every start and end of a job.
        retries: How often a failed job is repeated.
        show: Is called again and again with how many are done, which run, and the estimated end.
        elsewhere: Hands a job to a cluster, which finds the place and the time; there is no estimate then.

    Raises:
        JobsFailedError: Some failed for good; it names each and its log. The others are done.
    """
    waiting = deque((job, 0) for job in jobs)
    free, running, failed = list(slots), list[_Running](), list[Job]()
    done, seconds, places = 0, list[float](), 0 if elsewhere else len(slots)
    with _ending(running):
        while waiting or running:
            while free and waiting:
                (job, attempt), slot = waiting.popleft(), free.pop(0)
                process = elsewhere(job) if elsewhere else start(job, slot, again=attempt > 0)
                running.append(_Running(job, attempt, slot, process, time.monotonic()))
                gpu = slot.get("CUDA_VISIBLE_DEVICES")
                tell(f"started {job.name}" + (f" on GPU {gpu}" if gpu is not None else ""))
            names = ", ".join(one.job.name for one in running)
            show(f"{done}/{len(jobs)} done, running: {names}{_left(seconds, running, len(waiting), places)}")
            time.sleep(POLL_SECONDS)
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                free.append(one.slot)
                name, code, last = one.job.name, one.process.poll(), _last_line(one.job.log)
                if code == 0:
                    done += 1
                    if SKIPPED not in last:
                        seconds.append(time.monotonic() - one.started)
                    tell(f"[{done}/{len(jobs)}] {name}: {last}{_left(seconds, running, len(waiting), places)}")
                elif one.attempt < retries:
                    waiting.append((one.job, one.attempt + 1))
                    tell(f"failed, to be repeated: {name} (exit code {code}): {last}")
                else:
                    failed.append(one.job)
                    tell(f"failed: {name} (exit code {code}): {last}")
    if failed:
        raise JobsFailedError(failed, len(jobs))


def slots(workers: int | None, gpus: Sequence[str]) -> list[dict[str, str]]:
    """Return the places for jobs, as environment variables: one for each of these GPUs, one without any, or `workers`.

    Args:
        workers: The number of jobs at a time; None or 0: as many as there are GPUs, at least one.
        gpus: As CUDA_VISIBLE_DEVICES names them.

    Raises:
        ValueError: `workers` is negative.
    """
    count = workers or len(gpus) or 1
    if count < 1:
        raise ValueError(f"hydra.launcher.workers is the number of jobs at a time, at least 1; got {workers}")
    if gpus:
        return [{"CUDA_VISIBLE_DEVICES": gpus[i % len(gpus)]} for i in range(count)]
    threads = os.environ.get("OMP_NUM_THREADS") or str(max(1, (os.cpu_count() or 1) // count))
    return [{"OMP_NUM_THREADS": threads}] * count


def start(job: Job, slot: dict[str, str], again: bool = False) -> subprocess.Popen[bytes]:
    """Start a job as a process, which ends with this one.

    Args:
        job: What to run.
        slot: What to add to its environment.
        again: Add to the log of an earlier attempt.
    """
    job.log.parent.mkdir(parents=True, exist_ok=True)
    variables = {**os.environ, **slot, "PYTHONUNBUFFERED": "1", RETURNS: str(job.value or "")}
    if job.value is not None:
        job.value.unlink(missing_ok=True)
    with job.log.open("ab" if again else "wb") as log:
        return subprocess.Popen(
            job.command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches it through this process, once
            preexec_fn=end_with_parent,
        )


def ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a job that a cluster runs here; return its exit code."""
    while (code := process.poll()) is None:  # so that what a signal raises is raised soon
        time.sleep(POLL_SECONDS)
    return code


def end(process: Running) -> None:
    """Let a job finish its checkpoint, then kill it."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def end_with_parent() -> None:
    """Ask Linux to kill this process when its parent is gone, however that ended: the run's lock is then free."""
    if LIBC is not None:
        LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


@contextmanager
def _ending(running: list[_Running]) -> Iterator[None]:
    """Leave no process behind: on Ctrl-C each may finish its checkpoint, then it is killed."""
    try:
        yield
    finally:
        for one in running:
            one.process.send_signal(signal.SIGINT)
        for one in running:
            try:
                one.process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                one.process.kill()


def _left(seconds: list[float], running: list[_Running], waiting: int, slots: int) -> str:
    """Return the estimated end, from the mean time of the jobs that were not skipped."""
    if not (seconds and slots) or not (waiting or running):
        return ""
    mean, now = sum(seconds) / len(seconds), time.monotonic()
    work = mean * waiting + sum(max(mean - (now - one.started), 0) for one in running)
    left = timedelta(seconds=round(work / slots))
    return f" | {waiting + len(running)} left, about {left}, until {datetime.now() + left:%a %H:%M}"


def _last_line(log: Path) -> str:
    """Return the last line of a log that is neither empty nor indented."""
    if not log.exists():
        return "no output"
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip() and not line.startswith(" ")]
    return lines[-1] if lines else "no output"
