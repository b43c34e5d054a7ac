"""hydra/launcher=pool: the jobs of a sweep as processes in a pool, one for each GPU (see vitcrypt/pool.py).

It stands here because Hydra takes launchers from the namespace package `hydra_plugins` only, and imports it at every
start: nothing heavy may be imported at the top.
"""

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
        """Run all jobs; raise when they are done and some have failed."""
        from rich.text import Text

        from vitcrypt.pool import Job, run_jobs, slots
        from vitcrypt.untrusted.text import console

        program = self._program()
        logs = Path(self.config.hydra.sweep.dir) / "logs"
        jobs = []
        for name, overrides in zip(_names(job_overrides), job_overrides, strict=True):
            file = re.sub(r"[^\w.=-]+", "_", name)[:150] + ".log"
            jobs.append(Job(name, (*program, *overrides, "hydra.mode=RUN"), logs / file))
        places = slots(self.workers)
        console.print(f"{len(jobs)} jobs, {len(places)} at a time; their output: {logs}")
        with console.status("starting") as status:  # shown on terminals only
            run_jobs(jobs, places, self.retries, console.print, lambda line: status.update(Text(line)))
        return [JobReturn(overrides=list(o), status=JobStatus.COMPLETED, _return_value=None) for o in job_overrides]

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


def _names(job_overrides: Sequence[Sequence[str]]) -> list[str]:
    """Name each job by the overrides that not all have in common."""
    common = set.intersection(*map(set, job_overrides)) if len(job_overrides) > 1 else set()
    names = [" ".join(o for o in overrides if o not in common) for overrides in job_overrides]
    return [name or f"job {i}" for i, name in enumerate(names)]
