"""Kill paper_scale.py and all that it started at random moments of slices of random length, and compare with no break.

    python experiments/kill_plan.py --kills 10 --seed 13

At `--scale small`, so that a CPU suffices. Each job is done once without a break. Then the plan works in slices, and in
each of them the whole group of processes is killed (SIGKILL) at a random moment, half of them soon after a checkpoint
was written, or the slice ends before; when it was killed so often it may finish. Every result.json must be the same,
less times and memory: the hash of the trained network, all measures, what attacks restored.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kill_jobs import lasting

JOBS = ("proposed_vit_b16-cifar10", "etc_shakedrop-cifar10", "itn_block-pe-32")


def kill(folder: Path, kills: int, draw: random.Random, jobs: Sequence[str] = JOBS) -> list[str]:
    """Do jobs without a break and with so many kills; return when each kill was.

    Raises:
        AssertionError: The results differ, or a slice ends before it is killed, again and again.
    """
    whole, broken, moments = folder / "whole", folder / "broken", list[str]()
    started = time.monotonic()
    start(whole, jobs, "1h").wait()
    seconds, expected = (time.monotonic() - started) / len(jobs), results(whole)
    assert len(expected) == len(jobs), f"without a break there are {len(expected)} results of {len(jobs)}"
    for _ in range(20 * kills):
        moments += killed(broken, jobs, draw, seconds)
        if last := len(moments) == kills:
            start(broken, jobs, "1h").wait()
        found = results(broken)
        if last or len(found) == len(jobs):
            differing = [name for name in expected if found.get(name) != expected[name]]
            assert not differing, f"what was killed differs from what was not, or is not there: {differing}"
            shutil.rmtree(broken)  # if all was done before it was killed so often: once more
        if last:
            return moments
    raise AssertionError(f"{len(moments)} kills in {20 * kills} slices: they end before they are killed")


def killed(folder: Path, jobs: Sequence[str], draw: random.Random, seconds: float) -> list[str]:
    """Do a slice and kill it, if it does not end before; return when that was."""
    length, in_training = draw.uniform(0.7, 2.5) * seconds, draw.random() < 0.5
    latest, before, started = draw.uniform(0.3, 1.0) * length, checkpoints(folder), time.monotonic()
    plan = start(folder, jobs, f"{length:.1f}s")
    while plan.poll() is None and time.monotonic() - started < latest:
        if in_training and checkpoints(folder) - before:
            time.sleep(draw.uniform(0.0, 1.0))
            break
        time.sleep(0.01)
    if plan.poll() is not None:
        return []
    written = " after a checkpoint" if checkpoints(folder) - before else ""
    os.killpg(plan.pid, signal.SIGKILL)
    plan.wait()
    return [f"{time.monotonic() - started:.0f} s{written}"]


def start(results: Path, jobs: Sequence[str], length: str) -> subprocess.Popen[bytes]:
    """Begin a slice, as the leader of a group of processes."""
    script = str(Path(__file__).with_name("paper_scale.py"))
    options = ("--scale", "small", "--results", str(results), "--slice", length, "--only", *jobs)
    return subprocess.Popen([sys.executable, script, *options], start_new_session=True, stdout=subprocess.DEVNULL)


def checkpoints(folder: Path) -> set[tuple[Path, int]]:
    """Return the checkpoints of trainings below a folder, each with its time."""
    found = set()
    for path in folder.rglob("*.ckpt"):
        with contextlib.suppress(FileNotFoundError):
            found.add((path, path.stat().st_mtime_ns))
    return found


def results(folder: Path) -> dict[str, Any]:
    """Return every result below a folder, less what another run of the same would not repeat."""
    paths = sorted(folder.rglob("result.json"))
    return {path.relative_to(folder).as_posix(): lasting(json.loads(path.read_text())) for path in paths}


def main() -> None:
    """Kill, repeat, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", nargs="+", default=JOBS, help="of the plan; default: %(default)s")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        moments = kill(Path(folder), asked.kills, random.Random(asked.seed), asked.jobs)
    print(f"seed {asked.seed}, {len(moments)} kills, after {', '.join(moments)}; {len(asked.jobs)} results are equal")


if __name__ == "__main__":
    main()
