"""The jobs of a pool as one array of SLURM jobs, by submitit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import submitit
from submitit.core.utils import FailedJobError, FailedSubmissionError, UncompletedJobError
from submitit.helpers import DelayedSubmission

from vitcrypt.jobs.pool import Job, end, ended, run_jobs, start

LOOK_SECONDS = 15
"""Between two looks at the queue; as long a result may take to arrive over a shared disk."""


def run_on_slurm(
    jobs: list[Job],
    tell: Callable[[str], None],
    show: Callable[[str], None],
    folder: str,
    max_num_timeout: int,
    options: dict[str, Any],
) -> None:
    """Hand over all jobs as one array, and wait for them. Ctrl-C cancels them.

    Args:
        jobs: Of a sweep.
        tell: Is called with a line at every start and end of a job.
        show: Is called with how many are done.
        folder: Where submitit keeps its scripts and pickles.
        max_num_timeout: How often a job may come to its time limit and goes back into the queue.
        options: Of sbatch, as submitit names them.

    Raises:
        JobsFailedError: Some failed.
        ValueError: There is no SLURM here, or it refused the jobs.
    """
    if shutil.which("sbatch") is None or shutil.which("srun") is None:
        raise ValueError(
            "hydra/launcher=slurm: there is no sbatch on this machine; start the sweep where SLURM is, or set "
            "hydra/launcher=pool for the GPUs of this machine"
        )
    handed = _handed_over(jobs, folder, max_num_timeout, options)
    array = handed[0].job_id.partition("_")[0]
    tell(f"{len(jobs)} jobs, in the queue of SLURM as {array}; their output: {jobs[0].log.parent}")
    queue, hands = Queue(array), dict(zip(jobs, handed, strict=True))
    limit = f"hydra.launcher.timeout_min={options['timeout_min']} hydra.launcher.max_num_timeout={max_num_timeout}"
    run_jobs(jobs, [{}] * len(jobs), tell, 0, show, lambda job: Queued(job, hands[job], queue, limit))


def _handed_over(
    jobs: list[Job], folder: str, max_num_timeout: int, options: dict[str, Any]
) -> list[submitit.Job[int]]:
    executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=max_num_timeout)
    general = executor._valid_parameters()
    executor.update_parameters(**{n if n in general else f"slurm_{n}": value for n, value in options.items()})
    try:
        handed: list[submitit.Job[int]] = executor.map_array(OnNode(str(Path.cwd())), jobs)
    except (FailedJobError, FailedSubmissionError) as refused:
        reasons = [line for line in str(refused).splitlines() if "error" in line] or [str(refused)]
        raise ValueError(f"hydra.launcher: SLURM refused the jobs: {'; '.join(reasons)}") from None
    return handed


@dataclass
class OnNode:
    """What submitit runs on each node of a job: the command of the pool's job. It travels as a pickle.

    Args:
        folder: Where the sweep was started.
        again: It was in the queue before.
    """

    folder: str
    again: bool = False

    def __call__(self, job: Job) -> int:
        """Run the command to its end; return its exit code. On further nodes of a job the log has their number."""
        os.chdir(self.folder)
        rank, cores = os.environ.get("SLURM_PROCID", "0"), os.environ.get("SLURM_CPUS_PER_TASK")
        if rank != "0":
            job = replace(job, log=job.log.with_suffix(f".{rank}.log"), value=None)
        self.process = start(job, {"OMP_NUM_THREADS": cores} if cores else {}, self.again)
        return ended(self.process)

    def checkpoint(self, job: Job) -> DelayedSubmission:
        """End the process before SLURM does; return what to do when the job begins again."""
        end(self.process)
        return DelayedSubmission(OnNode(self.folder, again=True), job)


class Queue:
    """What of an array of jobs is still in SLURM's queue. It is asked for all jobs at once, and seldom.

    Args:
        array: The number of the array, or of a job alone.
    """

    def __init__(self, array: str) -> None:
        self.array, self.asked, self.inside = array, time.monotonic(), {array}

    def holds(self, number: str) -> bool:
        """Return whether a job waits or runs, or did when it was asked last."""
        if time.monotonic() - self.asked > LOOK_SECONDS:
            self.asked = time.monotonic()
            told = subprocess.run(["squeue", "-h", "-r", "-o", "%i", "-j", self.array], capture_output=True, text=True)
            if told.returncode == 0 or "Invalid job id" in told.stderr:  # of jobs that ended some minutes ago
                self.inside = set(told.stdout.split())
        return bool({number, self.array} & self.inside)


class Queued:
    """A job in SLURM's queue, as a pool sees it.

    Args:
        job: What it runs.
        handed: What submitit knows of it.
        queue: Where it is.
        limit: How long it may run, and how often.
    """

    def __init__(self, job: Job, handed: submitit.Job[int], queue: Queue, limit: str) -> None:
        self.job, self.handed, self.queue, self.limit = job, handed, queue, limit
        self.code: int | None = None
        self.left: float | None = None

    def poll(self) -> int | None:
        """Return its exit code, or None while it waits or runs; write into its log why SLURM ended it."""
        if self.code is None:
            if self.handed.paths.result_pickle.exists():
                self.code = self._result()
            elif not self.queue.holds(self.handed.job_id):
                self.left = self.left or time.monotonic()
                if time.monotonic() - self.left > LOOK_SECONDS:
                    self._write(f"SLURM ended its job {self.handed.job_id} ({self._state()}) before it left a result")
                    self.code = 1
        return self.code

    def send_signal(self, number: int) -> None:
        """Cancel it."""
        subprocess.run(["scancel", self.handed.job_id], capture_output=True)

    def wait(self, timeout: float) -> int | None:
        """Do nothing: SLURM ends it."""
        return self.code

    def kill(self) -> None:
        """Do nothing: SLURM ends it."""

    def _result(self) -> int:
        try:
            return int(max(map(abs, self.handed.results())))
        except UncompletedJobError as error:
            if "timed-out too many times" in str(error):
                self._write(
                    f"not done within {self.limit}; raise one of them: the same command goes on from its last epoch"
                )
            else:
                self._write(f"submitit failed: {str(error).rstrip('-' + chr(10)).splitlines()[-1]}")
            return 1

    def _state(self) -> str:
        """Return what SLURM says of a job that ended, as CANCELLED or OUT_OF_MEMORY."""
        told = subprocess.run(["scontrol", "show", "job", "-o", self.handed.job_id], capture_output=True, text=True)
        found = re.search(r"JobState=(\w+)", told.stdout)
        return found[1] if found else "SLURM no longer knows it"

    def _write(self, line: str) -> None:
        self.job.log.parent.mkdir(parents=True, exist_ok=True)
        with Path(self.job.log).open("a") as log:
            log.write(f"{line}\n")
