"""The plan of what needs a GPU: killed, and cut into slices, it gives what it gives without a break."""

import hashlib
import json
import os
import random
import subprocess
import sys
import time

import paper_scale
import pytest
from campaign.job import Job
from campaign.plan import ATTACKS, Plan
from campaign.progress import ROOT, Place
from campaign.slices import in_order, run_slice
from configurations import composed

from vitcrypt.attacks.learned import gan, itn

EPOCHS = 20
COUNTING = f"""
import hashlib, json, os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1]) / "deep"; folder.mkdir(exist_ok=True)
last = folder / "last.ckpt"
epoch, state = json.loads(last.read_text()) if last.exists() else (0, sys.argv[2])
while epoch < {EPOCHS}:
    time.sleep(0.08)
    epoch, state = epoch + 1, hashlib.sha256(state.encode()).hexdigest()
    (folder / "part").write_text(json.dumps([epoch, state])); os.replace(folder / "part", last)
    print(f"epoch {{epoch}}/{EPOCHS}  loss 1.0", flush=True)
(folder / "part").write_text(json.dumps(state)); os.replace(folder / "part", folder / "result.json")
"""
SLICE = """
import pathlib, sys
from campaign.job import Job
from campaign.slices import run_slice
jobs = [Job(name, "tests", ("-c", sys.argv[2], "RESULTS", name), "", 1.0, 1.5, 0.1) for name in "ab"]
run_slice(jobs, pathlib.Path(sys.argv[1]), 60, print)
"""
FAILING = "print('error: there are no weights'); print('  put them there'); exit(1)"
KINDS = ("gan=", "itn=", "attack.method.keys", "model.fold_key", "encryption.channel_shuffle")
SLEEPING = "import time; time.sleep(3)"


def job(name, code=COUNTING, value=1.0, seconds=1.5, lasting=0.1, **options):
    return Job(name, "tests", ("-c", code, "RESULTS", name), "", value, seconds, lasting, EPOCHS, **options)


def result(results, name):
    return json.loads((results / name / "deep" / "result.json").read_text())


def unbroken(name):
    for _ in range(EPOCHS):
        name = hashlib.sha256(name.encode()).hexdigest()
    return name


@pytest.mark.slow
def test_short_slices_end_as_one_long_one(tmp_path):
    jobs, told = [job("a"), job("b", value=2.0)], []
    for _ in range(20):
        run_slice(jobs, tmp_path, 1.4, told.append)
    assert [result(tmp_path, name) for name in "ab"] == [unbroken("a"), unbroken("b")]
    assert any("stopped after" in line for line in told)
    assert Place(jobs[1], tmp_path).read().attempts > 1


def test_a_plan_that_is_killed_goes_on(tmp_path):
    """The plan alone, at random moments: nothing that it started is left running, nothing is lost or damaged."""
    draw, environment = random.Random(0), {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(2):
        plan, before = (
            subprocess.Popen([sys.executable, "-c", SLICE, tmp_path, COUNTING], env=environment),
            checkpoints(tmp_path),
        )
        while plan.poll() is None and checkpoints(tmp_path) == before:
            time.sleep(0.01)
        time.sleep(draw.uniform(0, 0.3))
        plan.kill()
        plan.wait()
        time.sleep(0.1)
        left = checkpoints(tmp_path)
        time.sleep(0.3)
        assert checkpoints(tmp_path) == left
    run_slice([job("a"), job("b")], tmp_path, 60, print)
    assert [result(tmp_path, name) for name in "ab"] == [unbroken("a"), unbroken("b")]


def checkpoints(folder):
    return {path: path.read_text() for path in folder.rglob("last.ckpt")}


def test_a_job_that_fails_says_why_and_others_go_on(tmp_path):
    jobs, told = [job("a", FAILING, value=9.0), job("b")], []
    run_slice(jobs, tmp_path, 60, told.append)
    assert result(tmp_path, "b") == unbroken("b")
    assert "there are no weights put them there" in " ".join(told)
    assert "failed: a: there are no weights" in paper_scale.remaining(jobs, tmp_path)
    again = [place.job.name for place in in_order([*jobs, job("c", value=0.1)], tmp_path)]
    assert again == ["c", "a"]  # what failed comes last, though it is worth most


def test_what_is_too_long_for_a_slice_is_told_and_not_begun_for_ever(tmp_path):
    jobs, told = [job("a", SLEEPING, seconds=0.1, resumes=False), job("b", SLEEPING)], []
    run_slice(jobs, tmp_path, 0.5, told.append)
    run_slice(jobs, tmp_path, 0.5, told.append)
    run_slice(jobs, tmp_path, 0.5, told.append)
    assert [Place(one, tmp_path).read().attempts for one in jobs] == [1, 1]
    assert "nothing came of it" in told[2]
    assert paper_scale.remaining(jobs, tmp_path, 0.5).count("too long for this slice") == 2


def test_what_is_left_is_measured_as_soon_as_there_is_an_epoch(tmp_path):
    one = job("a", seconds=1000.0)
    run_slice([one], tmp_path, 1.4, print)
    place = Place(one, tmp_path)
    assert 0 < place.epoch < EPOCHS
    assert place.left == pytest.approx(place.read().seconds * (EPOCHS / place.epoch - 1))
    assert paper_scale.state(place).startswith(f"epoch {place.epoch} of {EPOCHS}")


def test_checkpoints_of_finished_jobs_can_be_left_out(tmp_path):
    run_slice([job("a")], tmp_path, 60, print, keep=False)
    assert result(tmp_path, "a") == unbroken("a")
    assert not checkpoints(tmp_path)
    assert not in_order([job("a")], tmp_path)


def test_the_plan_is_whole():
    """Sixteen cells, every scheme under every learned attack, and each job lasts within nine minutes."""
    jobs = Plan().jobs()
    names = [one.name for one in jobs]
    assert len(set(names)) == len(names)
    assert len([one for one in jobs if one.group == "Table I"]) == 16
    for attack in ("gan_sia", "gan_small", "itn_block", "itn_unet"):
        assert {f"{attack}-{scheme}-32" for scheme in ("le", "etc", "ele", "pe", "proposed")} < set(names)
        assert f"{attack}-proposed-224" in names
    assert all((one.lasting if one.resumes else one.seconds) < 520 for one in jobs)


def test_images_are_taken_from_the_folder_that_is_given(tmp_path):
    (tmp_path / "cifar10.npz").touch()
    (tmp_path / "cifar100").mkdir()
    commands = {one.name: one.command for one in Plan(data=tmp_path).jobs()}
    assert {"data=npz", f"data.root={tmp_path}/cifar10.npz"} < set(commands["plain_resnet18-cifar10"])
    assert {"data=folder", f"data.root={tmp_path}/cifar100"} < set(commands["plain_resnet18-cifar100"])


@pytest.mark.slow
@pytest.mark.parametrize("small", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_option_of_the_plan_exists(small, tmp_path):
    """Of each kind one job: the configuration that its command asks for can be composed (rows: test_configs.py)."""
    seen = set()
    for one in Plan(small=small).jobs():
        kind = tuple(
            word for word in one.command if word.startswith(("row=", "attack", "model.fold_key", "image_size"))
        )
        if one.resumes and kind not in seen:
            seen.add(kind)
            words = [word.replace("RESULTS", str(tmp_path)) for word in one.command]
            values = composed(*words[6:], name=words[5], folder=ROOT / "experiments")
            assert values["results"] == str(tmp_path)
    assert len(seen) >= 9


def test_the_overview_in_the_readme_is_that_of_the_plan():
    assert paper_scale.overview(Plan().jobs()) in (ROOT / "experiments" / "README.md").read_text()


def test_learned_attacks_are_planned_with_their_published_epochs():
    recipes = {**gan.RECIPES, **itn.RECIPES}
    for attack in ATTACKS.values():
        assert attack.epochs == recipes[attack.options[1]].epochs
