"""A slice of time: what is worth most by its time comes first, and is asked to stop when the time is over."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

from campaign.job import Job
from campaign.progress import ROOT, Place, reason
from vitcrypt.jobs.pool import end_with_parent

NOTED_SECONDS = 5.0  # how much of the time spent is forgotten if the plan itself is killed
GRACE_SECONDS = 20.0  # for a checkpoint that is being written


def in_order(jobs: Sequence[Job], results: Path) -> list[Place]:
    """Return the jobs that are not done, by value for each second that is left; those that failed come last."""
    places = [place for job in jobs if not (place := Place(job, results)).done]
    return sorted(places, key=lambda place: (bool(place.read().failed), -place.job.value / place.left))


def run_slice(
    jobs: Sequence[Job], results: Path, seconds: float, tell: Callable[[str], None], keep: bool = True
) -> None:
    """Do what comes next within so many seconds, each job once at most.

    Args:
        jobs: The plan.
        results: Where the folders of the jobs lie.
        seconds: The slice.
        tell: Is called with lines for the user.
        keep: The checkpoints of finished jobs.

    Raises:
        KeyboardInterrupt: It was asked to stop; so was the job that ran.
    """
    grace = min(GRACE_SECONDS, seconds / 10)
    end = time.monotonic() + seconds - grace
    for place in in_order(jobs, results):
        if (left := end - time.monotonic()) >= place.needed:
            tell(f"{time.strftime('%H:%M:%S')} {place.job.name}: {place.job.gives}")
            tell(f"  {place.command}")
            tell(f"  {attempt(place, left, grace)}")
    finished = () if keep else (place for job in jobs if (place := Place(job, results)).done)
    for checkpoint in chain.from_iterable(place.folder.rglob("*.ckpt") for place in finished):
        checkpoint.unlink()


def attempt(place: Place, seconds: float, grace: float) -> str:
    """Run a job for so many seconds at most; note and return what came of it."""
    place.folder.mkdir(parents=True, exist_ok=True)
    before, progress, started = place.checkpoint, place.read(), time.monotonic()
    offset, spent = place.log.stat().st_size if place.log.exists() else 0, progress.seconds
    progress.attempts += 1
    with place.log.open("ab") as log:
        process = _start(place, log)
        try:
            while process.poll() is None and (passed := time.monotonic() - started) < seconds:
                progress.seconds = spent + passed
                place.write(progress)
                _wait(process, min(NOTED_SECONDS, seconds - passed))
        finally:
            stopped = _stop(process, grace)
    took = time.monotonic() - started
    progress.seconds, progress.failed = spent + took, ""
    progress.finished = not place.job.resumes and process.returncode == 0
    lasts = place.job.resumes and place.checkpoint != before
    if stopped and not lasts:
        progress.stuck = max(progress.stuck, took)
    if not stopped and not place.done and not progress.finished:
        signalled = f"ended by signal {-process.returncode}; " if process.returncode < 0 else ""
        progress.failed = signalled + reason(place.log, offset)
    place.write(progress)
    return _outcome(place, took, lasts)


def _outcome(place: Place, took: float, lasts: bool) -> str:
    """Return in words what came of an attempt."""
    progress = place.read()
    if place.done:
        return f"done, {duration(progress.seconds)} in all"
    if progress.failed:
        return f"failed after {duration(took)}: {progress.failed}\n  all it said: {place.log}"
    if lasts:
        return f"stopped after {duration(took)}, about {duration(place.left)} left"
    return f"stopped after {duration(took)}, and nothing came of it that stays: it needs more time at once"


def _start(place: Place, log: object) -> subprocess.Popen[bytes]:
    added = place.job.environment
    paths = {name: os.pathsep.join(filter(None, [value, os.environ.get(name)])) for name, value in added.items()}
    return subprocess.Popen(
        [sys.executable, *place.arguments],
        cwd=ROOT,
        env={**os.environ, **paths, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=log,  # type: ignore[arg-type]
        stderr=subprocess.STDOUT,
        start_new_session=True,  # Ctrl-C reaches it through this process, once
        preexec_fn=end_with_parent,
    )


def _wait(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait so long at most; return whether it has ended."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _stop(process: subprocess.Popen[bytes], grace: float) -> bool:
    """Ask a process to stop, as Ctrl-C does, and end it and all that it started; return whether it still ran."""
    if process.poll() is not None:
        return False
    process.send_signal(signal.SIGINT)
    _wait(process, grace)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return True


def duration(seconds: float) -> str:
    """Return a time as a person would say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
