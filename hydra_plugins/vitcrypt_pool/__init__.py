"""hydra/launcher=pool: the jobs of a sweep as processes in a pool, one for each GPU (see vitcrypt/jobs/pool.py).

Beside it, the same jobs on clusters: hydra/launcher=slurm and hydra/launcher=ray. They stand here because Hydra takes
launchers from the namespace package `hydra_plugins` only, and imports it at every start: nothing heavy may be imported
at the top.
"""

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

if TYPE_CHECKING:
    from vitcrypt.jobs.pool import Job

Tell = Callable[[str], None]


@dataclass
class PoolConf:
    """`workers`: jobs at a time; None: one for each GPU, or one. `retries`: how often a failed job is repeated."""

    _target_: str = "hydra_plugins.vitcrypt_pool.PoolLauncher"
    workers: int | None = None
    retries: int = 1


@dataclass
class RayConf:
    """`address`: of a cluster, "auto" or HOST:PORT; None: a Ray of this machine, on loopback. `retries`: by Ray.

    `cpus`, `gpus`, `resources`: what a job takes of a node; None: a GPU where there are some.
    """

    _target_: str = "hydra_plugins.vitcrypt_pool.RayLauncher"
    address: str | None = None
    cpus: float = 1.0
    gpus: float | None = None
    resources: dict[str, float] = field(default_factory=dict)
    retries: int = 1


for name, node in (("pool", PoolConf), ("ray", RayConf)):  # slurm stands in conf/hydra/launcher
    ConfigStore.instance().store(group="hydra/launcher", name=name, node=node, provider="vitcrypt")


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

        from vitcrypt.jobs.pool import Job, JobsFailedError
        from vitcrypt.untrusted.text import console

        program = self._program()
        logs = Path(self.config.hydra.sweep.dir).absolute() / "logs"
        jobs = []
        for number, (name, overrides) in enumerate(zip(_names(job_overrides), job_overrides, strict=True)):
            file = f"{initial_job_idx + number}-{re.sub(r'[^a-zA-Z0-9_.=-]+', '_', name)[:150]}"
            command = (*program, *overrides, "hydra.mode=RUN")
            jobs.append(Job(name, command, logs / f"{file}.log", logs / f"{file}.value"))
        with console.status("starting") as status:  # shown on terminals only
            failure = None
            try:
                self.run(jobs, console.print, lambda line: status.update(Text(line)))
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

    def run(self, jobs: "list[Job]", tell: Tell, show: Tell) -> None:
        """Run all jobs, and raise JobsFailedError if some failed: here in processes, elsewhere on a cluster."""
        from vitcrypt.jobs.pool import run_jobs, slots

        places = slots(self.workers, visible_gpus())
        tell(f"{len(jobs)} jobs, {len(places)} at a time; their output: {jobs[0].log.parent}")
        run_jobs(jobs, places, tell, self.retries, show)

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


class SlurmLauncher(PoolLauncher):
    """Run each job of a sweep as the single run that it is, in a job of SLURM: see conf/hydra/launcher/slurm.yaml.

    `submitit_folder`: where submitit keeps its scripts and pickles. `max_num_timeout`: how often a job may come to its
    time limit. `options`: of sbatch, as submitit names them.
    """

    def __init__(self, submitit_folder: str, max_num_timeout: int, **options: Any) -> None:
        self.folder, self.max_num_timeout = submitit_folder, max_num_timeout
        self.options = {n: OmegaConf.to_object(v) if OmegaConf.is_config(v) else v for n, v in options.items()}

    def run(self, jobs: "list[Job]", tell: Tell, show: Tell) -> None:
        """Hand over all jobs as one array, and wait for them. Ctrl-C cancels them."""
        from vitcrypt.jobs.slurm import run_on_slurm

        run_on_slurm(jobs, tell, show, self.folder, self.max_num_timeout, self.options)


class RayLauncher(PoolLauncher):
    """Run each job of a sweep as the single run that it is, in a task of Ray: see `RayConf`."""

    def __init__(
        self, address: str | None, cpus: float, gpus: float | None, resources: dict[str, float], retries: int
    ) -> None:
        self.address, self.retries = address, retries
        self.needs = {"num_cpus": cpus, "num_gpus": gpus, "resources": dict(resources)}

    def run(self, jobs: "list[Job]", tell: Tell, show: Tell) -> None:
        """Hand over all jobs, and wait for them. Ctrl-C cancels them."""
        from vitcrypt.jobs.ray import run_on_ray

        run_on_ray(jobs, tell, show, self.address, self.retries, self.needs)


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
