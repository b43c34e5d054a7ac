"""The program from end to end: cells, sweeps, skipping, resuming, several devices."""

import json
import os
import signal
import stat
from itertools import product

import numpy as np
import pytest
import torch
from program import SMALL, finish, results, start

from vitcrypt import run
from vitcrypt.data import digits
from vitcrypt.experiment import job
from vitcrypt.jobs.lock import alone_in
from vitcrypt.models import ImageClassifier

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("undrawn")]


@pytest.fixture
def program(tmp_path, monkeypatch, capfd):
    """Run in this process, in an empty folder: program(*overrides) -> (exit code, what was printed)."""
    monkeypatch.chdir(tmp_path)

    def call(*overrides, base=SMALL):
        monkeypatch.setattr("sys.argv", ["vitcrypt"])
        code = 0
        try:
            run.main([*base, *overrides])
        except SystemExit as error:
            code = error.code
        out, err = capfd.readouterr()
        return code, out + err

    return call


def test_a_finished_run_is_skipped_and_not_touched(program, tmp_path):
    program()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and path.name != ".lock"}
    code, printed = program()
    after = {path: path.stat().st_mtime_ns for path in before}
    assert code == 0
    assert "skipped" in printed
    assert before == after


def test_the_same_command_gives_the_same_network_and_another_seed_or_key_another_one(program, tmp_path):
    for overrides in (["results=a"], ["results=b"], ["results=a", "seed=1"], ["results=a", "key=test-1"]):
        program(*overrides)
    networks = [result["weights"]["trained_sha256"] for result in results(tmp_path)]
    assert len(networks) == 4
    assert len(set(networks)) == 3


def test_starting_over_puts_the_earlier_attempt_aside(program, tmp_path):
    program()
    code, printed = program("resume=false")
    assert code == 0
    assert "aside-1" in printed
    assert len(results(tmp_path)) == 2


@pytest.mark.parametrize("encryption", ["plain", "received"])
def test_without_encryption_no_key_is_read(program, tmp_path, encryption):
    code, printed = program(f"encryption={encryption}", "key=/nowhere/key.txt")
    assert code == 0, printed
    assert results(tmp_path)[0]["key"]["fingerprint"] is None


def test_every_image_may_have_its_own_key(program, tmp_path):
    code, printed = program("key_scope=per_image", "encryption=le", "trainer.max_epochs=1")
    assert code == 0, printed


def test_a_full_disk_at_a_checkpoint_keeps_the_one_before_and_the_run_resumes(program, tmp_path, monkeypatch):
    written = []

    def sometimes_full(descriptor):
        if stat.S_ISREG(os.fstat(descriptor).st_mode):  # a file, and not its folder
            written.append(descriptor)
        if len(written) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", sometimes_full)
    code, printed = program("trainer.max_epochs=3")
    assert code == 1
    assert "cannot write the checkpoint" in printed
    assert "No space left" in printed
    (kept,) = tmp_path.rglob("last.ckpt")
    assert torch.load(kept, weights_only=True)["epoch"] == 0
    code, printed = program("trainer.max_epochs=3")
    assert code == 0
    assert "resuming" in printed
    assert len(results(tmp_path)[0]["training"]["history"]) == 3


def test_a_damaged_checkpoint_is_an_error_and_stays_for_inspection(program, tmp_path):
    program()
    (path,) = tmp_path.rglob("last.ckpt")
    next(tmp_path.rglob("result.json")).unlink()
    path.write_bytes(path.read_bytes()[:-100])
    damaged = path.read_bytes()
    code, printed = program()
    assert code == 1
    assert "is damaged" in printed
    assert "resume=false" in printed
    assert path.read_bytes() == damaged
    assert program("resume=false")[0] == 0


def test_a_checkpoint_of_another_configuration_is_refused(program, tmp_path):
    program()
    program("seed=1", "trainer.max_epochs=1")
    first, second = sorted(tmp_path.rglob("last.ckpt"), key=lambda path: "seed=1" in str(path))
    second.write_bytes(first.read_bytes())
    (second.parent / "result.json").unlink()
    code, printed = program("seed=1", "trainer.max_epochs=1")
    assert code == 1
    assert "is of another run" in printed


def test_two_processes_do_not_write_into_one_run(program, tmp_path):
    folder = tmp_path / "results/digits"
    program()
    (path,) = folder.rglob("result.json")
    path.unlink()
    with alone_in(path.parent):
        code, printed = program()
    assert code == 1
    assert "another process is at work" in printed


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["trainer.max_epoch=1"], "Did you mean trainer.max_epochs"),
        (["encyption=le"], "Did you mean encryption"),
        (["encryption=propsed"], "Did you mean encryption=proposed"),
        (["key=nowhere.txt"], "no key file nowhere.txt; make one with: vitcrypt key new nowhere.txt"),
        (["key=" + "ab" * 32], "looks like a key itself"),
        (["model.weights=nowhere.pth"], "model.weights=nowhere.pth does not exist"),
        (["data=folder"], "data=folder needs data.root=PATH"),
        (["data=npz", "data.root=nowhere.npz"], "data.root=nowhere.npz does not exist"),
        (["encryption.block_size=3"], "does not divide"),
        (["logger=null"], "a group of the configuration takes a name"),
        (["data.augment=provider"], "augment=provider"),
        (["trainer=gpu"], "set trainer=cpu") if not torch.cuda.is_available() else (["trainer.devices=99"], "99"),
        (["data.batch_size=33", "trainer.devices=2"], "does not divide by 2 devices"),
    ],
)
def test_what_a_user_gets_wrong_is_a_message_without_traceback_and_leaves_nothing(program, tmp_path, overrides, told):
    code, printed = program(*overrides)
    assert code == 1
    assert told in printed
    assert "Traceback" not in printed
    assert not list(tmp_path.rglob("config.yaml"))


def test_a_bug_keeps_its_traceback(program, monkeypatch):
    monkeypatch.setattr(job, "identity", lambda *_: [][0])
    code, printed = program()
    assert code == 1
    assert "IndexError" in printed
    assert "Traceback" in printed


def test_an_adaptation_network_in_front_of_shakedrop_trains_and_repeats_itself(program, tmp_path):
    small = ["model=shakedrop", "model.adaptation=ele", "encryption=ele", "model.image_size=8", "model.batch_size=32"]
    small += ["+model.network.gate=sample", "model.network.depth=8", "model.network.alpha=6", "model.milestones=[1]"]
    base = [override for override in SMALL if not override.startswith("model")]
    for where in ("a", "b"):
        code, printed = program(*small, f"results={where}", base=base)
        assert code == 0, printed
    one, two = results(tmp_path)
    assert one["weights"] == two["weights"]
    history = one["training"]["history"]
    assert all(epoch["train/penalty"] > 0 for epoch in history)
    assert one["validation"]["last"] == history[-1]["val/acc"]
    assert one["validation"]["best"] == max(epoch["val/acc"] for epoch in history)


def test_a_sweep_gives_every_cell_and_then_skips_them(tmp_path):
    sweep = ["-m", "encryption=le,plain", "model=vit_micro,resnet18", "model.batch_size=16", "trainer.max_epochs=1"]
    sweep += ["data=digits", "data.limit_train=32", "data.limit_test=10", "trainer=cpu"]
    finish(*sweep, folder=tmp_path)
    names = [result["config"]["names"] for result in results(tmp_path)]
    cells = [(name["encryption"], name["model"]) for name in names]
    assert sorted(cells) == sorted(product(("le", "plain"), ("vit_micro", "resnet18")))
    assert finish(*sweep, folder=tmp_path).count("skipped") == 4


def test_a_run_killed_in_the_middle_resumes_and_ends_as_if_never_killed(tmp_path):
    slurm = {"SLURM_JOB_ID": "1", "SLURM_JOB_NAME": "t", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"}
    arguments = [
        *SMALL,
        "trainer.max_epochs=6",
        "+model.network.drop_path_rate=0.3",
        "+model.network.proj_drop_rate=0.2",
    ]
    finish(*arguments, "results=whole", folder=tmp_path)
    for sent, epoch in ((signal.SIGUSR1, 2), (signal.SIGKILL, 4)):
        process = start(*arguments, "results=killed", folder=tmp_path, **slurm)
        for line in process.stdout:
            if line.startswith(f"epoch {epoch}/"):
                process.send_signal(sent)
                break
        process.communicate()
        assert process.returncode == -sent, "and it neither requeues nor writes a checkpoint"
    assert not results(tmp_path / "killed")
    assert not list(tmp_path.rglob("hpc*"))
    assert "resuming" in finish(*arguments, "results=killed", folder=tmp_path, **slurm)
    (whole,), (killed,) = results(tmp_path / "whole"), results(tmp_path / "killed")
    assert killed["weights"]["trained_sha256"] == whole["weights"]["trained_sha256"]
    assert killed["metrics"] == whole["metrics"]
    timed = {"seconds", "peak_gib"}
    histories = [
        [{k: epoch[k] for k in epoch.keys() - timed} for epoch in r["training"]["history"]] for r in (whole, killed)
    ]
    assert histories[0] == histories[1]


def test_ctrl_c_in_the_evaluation_ends_with_the_same_message(program, tmp_path, monkeypatch):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(ImageClassifier, "test_step", lambda *_: signal.raise_signal(signal.SIGINT))
    code, printed = program()
    signal.signal(signal.SIGINT, before)  # Lightning ignores it from then on
    assert code == 130, printed
    assert "Run the same command again to resume" in printed
    assert not results(tmp_path)


def test_the_real_vit_b16_takes_a_real_step_on_the_cpu(tmp_path):
    arguments = ["data=digits", "encryption=proposed", "model=vit_b16", "model.pretrained=false", "trainer.max_steps=1"]
    finish(*arguments, "data.batch_size=4", "data.limit_test=4", "data.validation=0", "trainer=cpu", folder=tmp_path)
    (result,) = results(tmp_path)
    assert result["training"]["steps"] == 1
    assert result["weights"]["parameters"] == 85_806_346
    assert result["metrics"]["images"] == 4
    assert result["key"]["nominal_bits"] == pytest.approx(1510.8, abs=0.1)


def test_without_data_and_weights_the_error_names_both_and_every_way_to_provide_them(tmp_path):
    caches = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "hub")}
    printed = finish("encryption=proposed", "model=vit_b16", folder=tmp_path, code=1, **caches)
    for told in (
        "cifar-10-python.tar.gz",
        "data.root=FOLDER",
        "VITCRYPT_DATA",
        "data=folder",
        "data=npz",
        "data=digits",
    ):
        assert told in printed
    for told in (
        "timm/vit_base_patch16_224.orig_in21k",
        "model.weights=FILE",
        "ViT-B_16.npz",
        "model.pretrained=false",
    ):
        assert told in printed
    assert "Traceback" not in printed
    assert not (tmp_path / "results").exists()


def test_digits_are_what_the_quickstart_says():
    splits = digits()
    assert len(splits.train) + len(splits.test) == 1797


def test_the_result_is_plain_json_and_names_no_folder_of_this_machine(program, tmp_path):
    images = digits().test
    arrays = {f"{split}_images": images.images.permute(0, 2, 3, 1)[:60].numpy() for split in ("train", "test")}
    arrays |= {f"{split}_labels": images.labels[:60].numpy() for split in ("train", "test")}
    np.savez(tmp_path / "mine.npz", **arrays)
    program("trainer.max_epochs=1", "data=npz", f"data.root={tmp_path}/mine.npz", "data.crop_padding=0")
    text = next(tmp_path.rglob("result.json")).read_text()
    assert json.loads(text)["config"]["data"]["root"] == "mine.npz"
    assert str(tmp_path) not in text
