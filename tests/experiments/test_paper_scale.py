"""The plan of what needs a GPU: killed and cut into slices it gives what it gives without a break."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import kill_jobs
import paper_scale
import pytest
import yaml
from campaign.job import Job
from campaign.plan import ATTACKS, Plan
from campaign.progress import ROOT, Place
from campaign.slices import attempt, in_order, run_slice
from configurations import composed

from vitcrypt.attacks.learned import gan, itn

COUNTING = """
import hashlib, json, os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1]) / "deep"; folder.mkdir(exist_ok=True)
last = folder / "last.ckpt"
epoch, state = json.loads(last.read_text()) if last.exists() else (0, sys.argv[2])
while epoch < 8:
    time.sleep(0.05)
    epoch, state = epoch + 1, hashlib.sha256(state.encode()).hexdigest()
    (folder / "part").write_text(json.dumps([epoch, state])); os.replace(folder / "part", last)
    print(f"epoch {epoch}/8  loss 1.0", flush=True)
(folder / "part").write_text(json.dumps(state)); os.replace(folder / "part", folder / "result.json")
"""
SLEEPING = "import time; time.sleep(5)"
FAILING = "print('error: no weights here\\n  put them there'); exit(1)"


def job(name, code=COUNTING, value=1.0, seconds=0.5, lasting=0.05, **options):
    return Job(name, "tests", ("-c", code, "RESULTS", name), "", value, seconds, lasting, epochs=8, **options)


def result(results, name):
    return json.loads((results / name / "deep" / "result.json").read_text())


def expected(name):
    for _ in range(8):
        name = hashlib.sha256(name.encode()).hexdigest()
    return name


def test_short_slices_end_as_one_long_one(tmp_path):
    jobs, told = [job("a"), job("b", value=2.0)], []
    for _ in range(40):
        if not in_order(jobs, tmp_path):
            break
        run_slice(jobs, tmp_path, 0.35, told.append)
    assert [result(tmp_path, name) for name in "ab"] == [expected("a"), expected("b")]
    assert any("stopped" in line for line in told)
    assert Place(jobs[0], tmp_path).read().attempts > 1


def test_a_plan_that_is_killed_goes_on(tmp_path):
    """The whole group at once, at random moments: nothing is left running, nothing is lost or damaged."""
    code = (
        "import sys; from pathlib import Path; from test_paper_scale import job; from campaign.slices import run_slice;"
        "run_slice([job('a'), job('b')], Path(sys.argv[1]), 10, print)"
    )
    draw = random.Random(0)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(3):
        plan = subprocess.Popen([sys.executable, "-c", code, tmp_path], env=environment, start_new_session=True)
        while plan.poll() is None and not list(tmp_path.rglob("last.ckpt")):
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.2))
        os.killpg(plan.pid, signal.SIGKILL)
        plan.wait()
        held = list(tmp_path.rglob("last.ckpt"))
        states = [path.read_text() for path in held]
        time.sleep(0.12)
        assert [path.read_text() for path in held] == states  # its job has ended with it
    run_slice([job("a"), job("b")], tmp_path, 10, print)
    assert [result(tmp_path, name) for name in "ab"] == [expected("a"), expected("b")]
