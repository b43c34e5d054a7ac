"""Sweeps in a pool of processes: order, places, failures, the end of all when the parent ends."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hydra.core.utils import JobStatus
from omegaconf import OmegaConf
from program import SMALL, finish, results

from hydra_plugins.vitcrypt_pool import PoolLauncher, visible_gpus
from vitcrypt.jobs import pool
from vitcrypt.jobs.pool import Job, JobsFailedError, run_jobs, slots


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(pool, "POLL_SECONDS", 0.02)


def job(folder, name, program):
    return Job(name, (sys.executable, "-c", program), folder / f"{name}.log")


@pytest.mark.slow
def test_every_job_runs_once_in_its_place_and_says_its_last_word(tmp_path):
    program = "import os; print('gpu', os.environ['CUDA_VISIBLE_DEVICES']); print('  indented')"
    told = []
    jobs = [job(tmp_path, f"cell{i}", program) for i in range(5)]
    run_jobs(jobs, [{"CUDA_VISIBLE_DEVICES": "3"}, {"CUDA_VISIBLE_DEVICES": "7"}], tell=told.append)
    assert sorted({one.log.read_text().splitlines()[0] for one in jobs}) == ["gpu 3", "gpu 7"]
    assert sum(line.startswith("started cell") and line.endswith(("on GPU 3", "on GPU 7")) for line in told) == 5
    ends = [line for line in told if line.startswith("[")]
    assert [line.split("]")[0] for line in ends] == [f"[{i}/5" for i in range(1, 6)]
    assert all("gpu" in line and "about" in line and "until" in line for line in ends[:-1]), "with an estimated end"
    assert "about" not in ends[-1]


def test_never_more_at_once_than_there_are_places(tmp_path):
    program = "import time; print(time.time()); time.sleep(0.3); print(time.time())"
    jobs = [job(tmp_path, str(i), program) for i in range(4)]
    run_jobs(jobs, [{}, {}], tell=lambda _: None)
    spans = [tuple(map(float, one.log.read_text().split())) for one in jobs]
    assert all(sum(a <= start < b for a, b in spans) <= 2 for start, _ in spans)


@pytest.mark.slow
def test_a_failed_job_is_repeated_named_and_hides_no_other(tmp_path):
    flaky = f"""
from pathlib import Path
mark = Path({str(tmp_path / "mark")!r})
first = not mark.exists()
mark.touch()
raise SystemExit('only once' if first else 0)
"""
    jobs = [job(tmp_path, "bad", "raise SystemExit('error: no such data')"), job(tmp_path, "flaky", flaky)]
    jobs.append(job(tmp_path, "good", "print('fine')"))
    told = []
    with pytest.raises(RuntimeError, match="1 of 3 jobs failed") as error:
        run_jobs(jobs, [{}], retries=1, tell=told.append)
    assert "bad\n" in str(error.value)
    assert str(tmp_path / "bad.log") in str(error.value)
    assert "flaky" not in str(error.value)
    assert "[2/3] flaky: no output" not in told, "its log keeps what the first attempt said"
    assert (tmp_path / "bad.log").read_text().count("no such data") == 2
    assert any("failed, to be repeated: flaky" in line and "only once" in line for line in told)
    assert any(line.startswith("[1/3] good: fine") for line in told)


def test_without_retries_a_failure_is_final(tmp_path):
    with pytest.raises(RuntimeError):
        run_jobs([job(tmp_path, "bad", "raise SystemExit(3)")], [{}], retries=0, tell=lambda _: None)
    assert (tmp_path / "bad.log").read_text() == ""


def test_what_was_skipped_does_not_count_for_the_estimate(tmp_path):
    told = []
    jobs = [job(tmp_path, "a", f"print('x: {pool.SKIPPED}')"), job(tmp_path, "b", "pass")]
    run_jobs(jobs, [{}], tell=told.append)
    assert not any("about" in line for line in told)


@pytest.mark.parametrize(
    ("visible", "workers", "expected"),
    [
        ("0,2", None, [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "2"}]),
        ("5", 2, [{"CUDA_VISIBLE_DEVICES": "5"}] * 2),
        ("GPU-a1", None, [{"CUDA_VISIBLE_DEVICES": "GPU-a1"}]),
        ("", None, [{"OMP_NUM_THREADS": "1"}]),
        ("-1", 3, [{"OMP_NUM_THREADS": "1"}] * 3),
    ],
)
def test_one_place_for_each_gpu_or_as_many_as_asked_for(monkeypatch, visible, workers, expected):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert slots(workers, visible_gpus()) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_a_killed_pool_takes_its_jobs_with_it(tmp_path):
    child = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    program = f"""
import sys
from pathlib import Path
from vitcrypt.jobs.pool import Job, run_jobs
run_jobs([Job('a', (sys.executable, '-c', {child!r}), Path({str(tmp_path / "a.log")!r}))], [{{}}], print)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL)
    log = tmp_path / "a.log"
    while not (log.exists() and log.read_text().strip()):
        assert parent.poll() is None
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    number = int(log.read_text())
    for _ in range(250):
        try:
            state = Path(f"/proc/{number}/stat").read_text().split()[2]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.02)
    os.kill(number, signal.SIGKILL)
    raise AssertionError("the job outlived the pool")


@pytest.mark.slow
def test_a_sweep_in_processes_does_what_it_can_and_names_what_failed(tmp_path):
    sweep = ["-m", *SMALL, "hydra/launcher=pool", "hydra.launcher.workers=2", "hydra.launcher.retries=0"]
    sweep += ["trainer.max_epochs=1", "model.block_size=3", "encryption=plain,le"]
    printed = finish(*sweep, folder=tmp_path, code=1)
    assert len(results(tmp_path)) == 1, "plain has no blocks"
    assert "1 of 2 jobs failed" in printed
    assert "encryption=le" in printed
    assert "does not divide" in printed
    assert "Traceback" not in printed
    again = next(line.split("again: ")[1] for line in printed.splitlines() if "again: " in line)
    assert "hydra.mode=RUN" in again


@pytest.mark.slow
def test_submitit_runs_the_jobs_of_a_sweep(tmp_path):
    """On this machine rather than under SLURM; the jobs are pickled and started the same way."""
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    finish("-m", *SMALL, "hydra/launcher=submitit_local", "encryption=plain,le", folder=tmp_path)
    assert len(results(tmp_path)) == 2


ENDS = {"a": "give_back(0.25)", "b": "raise SystemExit('error: no')", "c": "give_back(float('nan'))", "d": "None"}


class Program:
    """Stands for the program of a sweep: the override ++what=X does what `ENDS` says of X."""

    def __init__(self, ends=ENDS):
        self.ends = ends

    def launcher(self, folder, monkeypatch):
        launcher = PoolLauncher(workers=2, retries=0)
        config = OmegaConf.create({"hydra": {"sweep": {"dir": str(folder)}}})
        launcher.setup(hydra_context=None, task_function=None, config=config)
        program = f"import sys; from vitcrypt.jobs.pool import give_back; exec({self.ends!r}[sys.argv[1][-1]])"
        monkeypatch.setattr(launcher, "_program", lambda: [sys.executable, "-c", program])
        return launcher


@pytest.mark.slow
def test_a_sweeper_gets_what_each_job_returned_or_its_error_in_order(tmp_path, monkeypatch):
    launcher = Program().launcher(tmp_path, monkeypatch)
    a, b, c, d = launcher.launch([["+what=a"], ["+what=b"], ["+what=c"], ["+what=d"]], initial_job_idx=0)
    assert a.return_value == 0.25
    assert math.isnan(c.return_value)
    assert d.return_value is None
    assert [job.status for job in (a, b, c, d)] == [JobStatus.COMPLETED, JobStatus.FAILED, *[JobStatus.COMPLETED] * 2]
    with pytest.raises(JobsFailedError, match="1 of 4 jobs failed"):
        _ = b.return_value
    assert a.overrides == ["+what=a"]
    assert not list(tmp_path.rglob("*.value"))


@pytest.mark.slow
def test_a_search_takes_the_best_of_one_batch_after_another(tmp_path, monkeypatch):
    launcher = Program({str(i): f"give_back({-abs(i - 5)})" for i in range(8)}).launcher(tmp_path, monkeypatch)
    best, found = 0, {}
    for batch in (range(2), range(4, 6)):  # as a sweeper asks that searches
        returned = launcher.launch([[f"+what={i}"] for i in batch], initial_job_idx=len(found))
        found |= {i: job.return_value for i, job in zip(batch, returned, strict=True)}
        best = max(found, key=found.get)
    assert best == 5
    assert found == {0: -5, 1: -4, 4: -1, 5: 0}
    assert len(list(tmp_path.rglob("*.log"))) == 4
