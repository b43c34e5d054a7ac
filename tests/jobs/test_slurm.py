"""Sweeps on SLURM: their ends, failures, and the time limit; and one training on two nodes, started by srun."""

import re
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import slurm
from program import SMALL, environment, finish, results

pytest.importorskip("submitit", reason="pip install 'vitcrypt[slurm]'")

from submitit.core.utils import UncompletedJobError

from hydra_plugins.vitcrypt_pool import SlurmLauncher
from vitcrypt.jobs import slurm as on_slurm
from vitcrypt.jobs.pool import Job

HERE = pytest.mark.skipif(slurm.absent() is not None, reason=str(slurm.absent()))


def test_without_slurm_a_sweep_says_where_to_start_it(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="no sbatch on this machine; start the sweep where SLURM is"):
        SlurmLauncher("folder", 3).run([], print, print)


def test_what_sbatch_refuses_is_told_in_its_words(tmp_path, monkeypatch):
    for name in ("sbatch", "srun"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'sbatch: error: invalid partition specified: gpu' >&2; exit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ValueError, match="SLURM refused the jobs: sbatch: error: invalid partition specified: gpu"):
        on_slurm._handed_over([Job("a", ("x",), tmp_path / "a.log")], str(tmp_path), 1, {"timeout_min": 1})


def queued(folder, monkeypatch, *, squeue, results=None):
    """A job of an array of which squeue prints this."""
    paths = SimpleNamespace(result_pickle=folder / "result.pkl")
    if results:
        paths.result_pickle.touch()
    monkeypatch.setattr(on_slurm, "LOOK_SECONDS", 0)
    monkeypatch.setattr(on_slurm.subprocess, "run", lambda command, **_: squeue[command[0]])
    handed = SimpleNamespace(job_id="7_1", paths=paths, results=results)
    return on_slurm.Queued(Job("a", ("x",), folder / "a.log"), handed, on_slurm.Queue("7"), "timeout_min=1 times=0")


def told(text, code=0, error=""):
    return SimpleNamespace(stdout=text, returncode=code, stderr=error)


def test_a_job_that_slurm_ended_leaves_its_reason_in_its_log(tmp_path, monkeypatch):
    states = {"squeue": told("7_0\n7_1\n"), "scontrol": told("JobId=9 JobState=OUT_OF_MEMORY Reason=x")}
    job = queued(tmp_path, monkeypatch, squeue=states)
    assert job.poll() is None
    states["squeue"] = told("", 1, "slurm_load_jobs error: Unable to contact slurm controller")
    assert [job.poll(), job.poll()] == [None, None], "SLURM that does not answer is no end"
    states["squeue"] = told("7_0\n")
    job.poll()
    assert job.poll() == 1
    assert "SLURM ended its job 7_1 (OUT_OF_MEMORY)" in (tmp_path / "a.log").read_text()


def test_a_job_at_its_last_time_limit_says_what_to_raise(tmp_path, monkeypatch):
    def raised():
        raise UncompletedJobError("Job not requeued because: timed-out too many times.")

    assert queued(tmp_path, monkeypatch, squeue={}, results=raised).poll() == 1
    assert "not done within timeout_min=1 times=0; raise one of them" in (tmp_path / "a.log").read_text()
    assert queued(tmp_path, monkeypatch, squeue={}, results=lambda: [0, 3]).poll() == 3


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The environment that finds a SLURM of this machine."""
    with slurm.slurm(tmp_path_factory.mktemp("slurm")) as variables:
        yield environment(**variables, PYTHONUNBUFFERED="1", GLOO_SOCKET_IFNAME="lo")


@HERE
@pytest.mark.slow
def test_a_sweep_goes_through_the_time_limit_prints_accuracies_and_names_what_failed(tmp_path, cluster):
    """The signal that comes before the limit is sent by hand: SLURM's shortest is a minute."""
    sweep = ["-m", *SMALL, "hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=1"]
    sweep += ["encryption=plain,le", "model.block_size=3", "trainer.max_epochs=12"]  # le fails: no such blocks
    command = [sys.executable, "-m", "vitcrypt.run", *sweep]
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=tmp_path, env=cluster, **pipe) as process:
        printed = next(line for line in process.stdout if "in the queue of SLURM" in line)
        array = re.search(r"as (\d+);", printed)[1]
        log = tmp_path / "results/.sweep/logs/0-encryption=plain.log"
        while "epoch 2/" not in (log.read_text() if log.exists() else ""):
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.1)
        subprocess.run(["scancel", "--signal=USR2", f"{array}_0"], env=cluster, check=True)
        printed = process.stdout.read()
    assert process.returncode == 1, printed
    (result,) = results(tmp_path)
    assert len(result["training"]["history"]) == 12
    assert "(resuming)" in log.read_text()
    assert re.search(r"\[1/2\] encryption=plain: .*test accuracy \d", printed)
    assert "1 of 2 jobs failed" in printed
    assert "does not divide" in printed
    assert "Traceback" not in printed


@HERE
@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_srun_trains_on_two_nodes_the_network_of_one(tmp_path, cluster):
    run = [*SMALL, "trainer.max_epochs=1"]
    srun = ["srun", "--nodes=2", "--ntasks-per-node=1", sys.executable, "-m", "vitcrypt.run", *run]
    two = subprocess.run(
        [*srun, "trainer.num_nodes=2", "results=two"],
        cwd=tmp_path,
        env=cluster,
        capture_output=True,
        text=True,
    )
    assert two.returncode == 0, two.stdout + two.stderr
    assert "node 1 of 2: trains with 127.0.0.1" in two.stdout
    finish(*run, "trainer.devices=2", "results=one", folder=tmp_path)
    assert [r["weights"]["trained_sha256"] for r in results(tmp_path / "one")] == [
        r["weights"]["trained_sha256"] for r in results(tmp_path / "two")
    ]
