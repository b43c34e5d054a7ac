"""Ray, of this machine while it is used or a cluster that runs already; and the jobs of a pool as its tasks."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vitcrypt.jobs.pool import Job, end, ended, run_jobs, start


@contextmanager
def connected(address: str | None = None) -> Iterator[Any]:
    """Connect with Ray within this block; yield its module.

    Args:
        address: Of a cluster: "auto" or HOST:PORT. None: that of RAY_ADDRESS, else start one on this machine, which
            listens on loopback alone, has a token of its own that stands in no file, shows no dashboard, and ends with
            the block.

    Raises:
        RuntimeError: It would listen beyond loopback.
        ValueError: Ray is not installed, or none answers at the address.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to its makers
    if address is None:
        # what Ray reads when it is imported: take the address of loopback, as it does on other systems
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # Ray reads it once in a process
    try:
        import ray
    except ImportError:
        raise ValueError("Ray is not installed: pip install 'vitcrypt[ray]'") from None
    try:
        ray.init(address or "local", include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    except ConnectionError:
        raise ValueError(
            f"no Ray answers at {address}; begin one there (ray start --head), or leave hydra.launcher.address and "
            "RAY_ADDRESS out for one of this machine"
        ) from None
    try:
        if address is None and (here := ray.util.get_node_ip_address()) != "127.0.0.1":
            raise RuntimeError(
                f"Ray listens at {here} and not on loopback alone; start it yourself and set RAY_ADDRESS"
            )
        yield ray
    finally:
        ray.shutdown()


class ExitCodeError(RuntimeError):
    """A job ended with an exit code other than 0."""


def run_on_ray(
    jobs: list[Job],
    tell: Callable[[str], None],
    show: Callable[[str], None],
    address: str | None,
    retries: int,
    needs: dict[str, Any],
) -> None:
    """Hand over all jobs, and wait for them; Ray finds places, and repeats what fails or is lost with its node.

    Args:
        jobs: Of a sweep.
        tell: Is called with a line at every start and end of a job.
        show: Is called with how many are done.
        address: Of a cluster; None: this machine.
        retries: How often Ray repeats a job.
        needs: What a job takes of a node, as `ray.remote` names it: num_cpus, num_gpus, resources.

    Raises:
        JobsFailedError: Some failed.
        ValueError: Ray is not installed, or no node has what a job needs.
    """
    with connected(address) as ray:
        there = ray.cluster_resources()
        if needs["num_gpus"] is None:
            needs = {**needs, "num_gpus": 1 if there.get("GPU") else 0}
        asked = {"CPU": needs["num_cpus"], "GPU": needs["num_gpus"], **needs["resources"]}
        for name, amount in asked.items():
            if amount > there.get(name, 0):
                raise ValueError(f"hydra.launcher: a job needs {amount} {name}, and Ray has {there.get(name, 0):g}")
        task = ray.remote(max_retries=retries, retry_exceptions=[ExitCodeError], **needs)(on_node)
        where = f"Ray at {address}" if address else "a Ray of this machine"
        tell(f"{len(jobs)} jobs, handed to {where}; their output: {jobs[0].log.parent}")
        for job in jobs:
            job.log.unlink(missing_ok=True)
        run_jobs(
            jobs, [{}] * len(jobs), tell, 0, show, lambda job: _Task(ray, task.remote(job, str(Path.cwd())), job.log)
        )


def on_node(job: Job, folder: str) -> None:
    """Run the command of a job to its end, in the environment that Ray gives it.

    Raises:
        ExitCodeError: It failed; Ray then repeats it, and its log keeps both.
    """
    os.chdir(folder)
    process = start(job, {}, again=True)
    try:
        code = ended(process)
    except BaseException:  # cancelled
        end(process)
        raise
    if code:
        raise ExitCodeError(code)


class _Task:
    def __init__(self, ray: Any, reference: Any, log: Path) -> None:
        self.ray, self.reference, self.log = ray, reference, log
        self.code: int | None = None

    def poll(self) -> int | None:
        """Return its exit code, or None while it waits or runs; write into its log why Ray ended it."""
        if self.code is None and self.ray.wait([self.reference], timeout=0)[0]:
            try:
                self.ray.get(self.reference)
                self.code = 0
            except ExitCodeError as failed:
                self.code = int(failed.cause.args[0])  # type: ignore[attr-defined]
            except self.ray.exceptions.RayError as lost:
                self.code = 1
                with self.log.open("a") as log:
                    log.write(f"Ray lost the job: {str(lost).splitlines()[0]}\n")
        return self.code

    def send_signal(self, number: int) -> None:
        """Cancel it: its command may finish a checkpoint."""
        self.ray.cancel(self.reference)

    def wait(self, timeout: float) -> int | None:
        """Wait for its end."""
        self.ray.wait([self.reference], timeout=timeout)
        return self.poll()

    def kill(self) -> None:
        """End it."""
        self.ray.cancel(self.reference, force=True)
