"""hydra/launcher=slurm: the jobs of a sweep as jobs of SLURM, by submitit, which requeues what reaches its time limit.

Nothing heavy may be imported at the top, as Hydra imports it at every start.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class SlurmConf:
    """The options of submitit's launcher, with which a job resumes at its time limit, up to `max_num_timeout` times."""

    _target_: str = "hydra_plugins.vitcrypt_slurm.SlurmLauncher"
    submitit_folder: str = "${hydra.sweep.dir}/.submitit/%j"
    timeout_min: int = 240
    max_num_timeout: int = 100
    signal_delay_s: int = 120
    nodes: int = 1
    tasks_per_node: int = 1
    cpus_per_task: int | None = None
    gpus_per_node: int | None = None
    mem_gb: int | None = None
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    gres: str | None = None
    comment: str | None = None
    array_parallelism: int = 256
    name: str = "vitcrypt"
    stderr_to_stdout: bool = True
    setup: list[str] | None = None
    additional_parameters: dict[str, Any] = field(default_factory=dict)


ConfigStore.instance().store(group="hydra/launcher", name="slurm", node=SlurmConf, provider="vitcrypt")


class SlurmLauncher(Launcher):
    """Submit all jobs as one array, wait for them, and print what each returned."""

    def __init__(self, **params: Any) -> None:
        self.params = params

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Note the program and its configuration."""
        self.program = {"hydra_context": hydra_context, "task_function": task_function, "config": config}

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run all jobs; return what each returned, or its error, in order.

        Raises:
            RuntimeError: SLURM ended a job for good; the message has its reason.
        """
        try:
            from hydra_plugins.hydra_submitit_launcher.submitit_launcher import SlurmLauncher as Submitit
            from submitit.core.utils import FailedJobError, UncompletedJobError
        except ImportError:
            raise ValueError("hydra/launcher=slurm needs a package more; pip install 'vitcrypt[slurm]'") from None
        from vitcrypt.jobs.pool import names_of
        from vitcrypt.untrusted.text import console

        submitit = Submitit(**self.params)
        submitit.setup(**self.program)
        try:
            returns: list[JobReturn] = submitit.launch(job_overrides, initial_job_idx)
        except (FailedJobError, UncompletedJobError) as error:
            raise RuntimeError(
                f"{error}. The other jobs go on in SLURM (squeue); the same command resumes what was broken off, and "
                "skips what is finished. More time: hydra.launcher.timeout_min or max_num_timeout"
            ) from error
        for name, returned in zip(names_of(job_overrides), returns, strict=True):
            failed = returned.status != JobStatus.COMPLETED
            console.print(f"{name}: failed" if failed else f"{name}: {returned.return_value}")
        return returns
