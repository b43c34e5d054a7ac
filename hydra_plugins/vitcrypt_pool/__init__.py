"""hydra/launcher=pool: the jobs of a sweep as processes in a pool, one for each GPU (see vitcrypt/jobs/pool.py).

It stands here because Hydra takes launchers from the namespace package `hydra_plugins` only, and imports it at every
start: nothing heavy may be imported at the top.
"""

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class PoolConf:
    """`workers`: jobs at a time; None: one for each GPU, or one. `retries`: how often a failed job is repeated."""

    _target_: str = "hydra_plugins.vitcrypt_pool.PoolLauncher"
    workers: int | None = None
    retries: int = 1


ConfigStore.instance().store(group="hydra/launcher", name="pool", node=PoolConf, provider="vitcrypt")


class PoolLauncher(Launcher):
    """Run each job of a sweep as the single run that it is, in a process of its own."""

    def __init__(self, workers: int | None = None, retries: int = 1) -> None:
        self.workers, self.retries = workers, retries

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Note the program and its configuration."""
        self.task_function, self.config = task_function, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run all jobs; return what each returned, or its error, in order.

        The error names all jobs that failed: Hydra's own sweeper raises the first one it meets, when all are done.
        """
        from rich.text import Text

        from vitcrypt.jobs.pool import Job, JobsFailedError, run_jobs, slots
        from vitcrypt.untrusted.text import console

        program = self._program()
        logs = Path(self.config.hydra.sweep.dir).absolute() / "logs"
        jobs = []
        for number, (name, overrides) in enumerate(zip(_names(job_overrides), job_overrides, strict=True)):
            file = f"{initial_job_idx + number}-{re.sub(r'[^a-zA-Z0-9_.=-]+', '_', name)[:150]}"
            command = (*program, *overrides, "hydra.mode=RUN")
            jobs.append(Job(name, command, logs / f"{file}.log", logs / f"{file}.value"))
        places = slots(self.workers, visible_gpus())
        console.print(f"{len(jobs)} jobs, {len(places)} at a time; their output: {logs}")
        with console.status("starting") as status:  # shown on terminals only
            failure = None
            try:
                run_jobs(jobs, places, console.print, self.retries, lambda line: status.update(Text(line)))
            except JobsFailedError as error:
                failure = error
        returns = []
        for job, overrides in zip(jobs, job_overrides, strict=True):
            returned = JobReturn(overrides=list(overrides), status=JobStatus.COMPLETED, _return_value=job.returned)
            if failure is not None and job in failure.failed:
                returned.status, returned._return_value = JobStatus.FAILED, failure
            if job.value is not None:
                job.value.unlink(missing_ok=True)
            returns.append(returned)
        return returns

    def _program(self) -> list[str]:
        """Return the command of this program, up to the overrides of a job."""
        module = self.task_function.__module__
        if module == "__main__":
            module = sys.modules["__main__"].__spec__.name  # type: ignore[union-attr]
        command = [sys.executable, "-m", module]
        for source in self.config.hydra.runtime.config_sources:
            if source.provider == "command-line":
                command += ["--config-dir", source.path]
        command += ["--config-name", self.config.hydra.job.config_name]
        sweep = ("hydra.mode", "hydra.sweep", "hydra.launcher", "hydra/launcher", "hydra/sweeper")
        return command + [o for o in self.config.hydra.overrides.hydra if not o.lstrip("+~").startswith(sweep)]


def visible_gpus() -> list[str]:
    """Return the GPUs that jobs may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        import torch

        return [str(number) for number in range(torch.cuda.device_count())]
    return [device for device in visible.split(",") if device and device != "-1"]


def _names(job_overrides: Sequence[Sequence[str]]) -> list[str]:
    """Name each job by the overrides that not all have in common."""
    common = set.intersection(*map(set, job_overrides)) if len(job_overrides) > 1 else set()
    names = [" ".join(o for o in overrides if o not in common) for overrides in job_overrides]
    return [name or f"job {i}" for i, name in enumerate(names)]
