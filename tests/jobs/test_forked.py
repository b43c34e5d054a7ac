"""Forked processes give what one thread gives, and end with the process that forked them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from samples import class_folders

from vitcrypt.data import folder, survey
from vitcrypt.encryption import Noise, Proposed
from vitcrypt.experiment.blame import is_on_purpose
from vitcrypt.folders import encrypt_folder, pack_npz, pack_shards, verify_folder
from vitcrypt.jobs import forked as jobs
from vitcrypt.jobs.forked import forked
from vitcrypt.keys import Key


@pytest.mark.parametrize(("scheme", "scope"), [(Proposed(4), "shared"), (Noise(), "per_image")], ids=str)
def test_processes_write_the_folder_that_threads_write(tmp_path, monkeypatch, scheme, scope):
    photos = class_folders(tmp_path / "photos", {"cat": 9, "dog": 12}, side=12)
    made = []
    for many, out in ((256, "threads"), (1, "processes")):
        monkeypatch.setattr(jobs, "MANY", many)
        made.append(encrypt_folder(photos, tmp_path / out, scheme, Key.test("test-0"), 8, key_scope=scope))
    assert made[0].manifest == made[1].manifest
    assert not list(tmp_path.rglob("*.part"))


def test_processes_read_the_folder_that_one_thread_reads_and_name_what_is_damaged(tmp_path, monkeypatch):
    photos = class_folders(tmp_path / "photos", {"cat": 90, "dog": 60}, side=12)
    alone = folder(str(photos), 8).loaded()
    monkeypatch.setattr(survey, "MANY", 1)
    together = folder(str(photos), 8).loaded()
    for part in ("train", "test"):
        for name in ("images", "labels", "index"):
            assert torch.equal(getattr(getattr(alone, part), name), getattr(getattr(together, part), name))
    (damaged := min(photos.rglob("*.png"))).write_bytes(damaged.read_bytes()[:-60])
    with pytest.raises(ValueError, match=rf"cannot read {damaged}"):
        folder(str(photos), 8).loaded()


def test_processes_verify_and_pack_as_threads_do_and_name_what_is_damaged(tmp_path, monkeypatch):
    photos = class_folders(tmp_path / "photos", {"cat": 9, "dog": 12}, side=12)
    index = encrypt_folder(photos, enc := tmp_path / "enc", Proposed(4), Key.test("test-0"), 8).manifest.index
    for many, out in ((256, "threads"), (1, "processes")):
        monkeypatch.setattr(jobs, "MANY", many)
        pack_shards(enc, tmp_path / out)
        pack_npz(enc, tmp_path / f"{out}.npz")
    assert (tmp_path / "threads.npz").read_bytes() == (tmp_path / "processes.npz").read_bytes()
    assert (tmp_path / "threads/000000.tar").read_bytes() == (tmp_path / "processes/000000.tar").read_bytes()
    assert verify_folder(enc)[1] == verify_folder(tmp_path / "processes")[1] == []
    damaged = min(index)
    (enc / damaged).write_bytes((enc / max(index)).read_bytes())
    assert verify_folder(enc)[1] == [f"{damaged}: changed: an image, but not the one of the manifest"]
    for pack, out in ((pack_shards, "new"), (pack_npz, "new.npz")):
        with pytest.raises(ValueError, match=f"{damaged} is not the file of the manifest") as refused:
            pack(enc, tmp_path / out)
        assert is_on_purpose(refused.value)
        assert not (tmp_path / out).exists()


def test_one_that_is_killed_is_an_error_and_not_a_wait():
    with pytest.raises(ChildProcessError, match="lower --workers"), forked(lambda _: os.kill(os.getpid(), 9), 2) as on:
        list(on(range(3)))


@pytest.mark.slow
def test_they_end_with_the_process_that_forked_them():
    program = (
        "import os, time; from vitcrypt.jobs.forked import forked\n"
        "def work(_): os.write(1, f'{os.getpid()}\\n'.encode()); time.sleep(60)\n"
        "with forked(work, 2) as mapped: list(mapped(range(2)))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    workers = [int(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGKILL)
    process.wait()
    for _ in range(200):
        if not any(Path(f"/proc/{worker}").exists() for worker in workers):
            return
        time.sleep(0.05)
    raise AssertionError("they go on")
