"""The owner's commands, as they are typed."""

import os
import signal
import time

import pytest
from forked import Forked
from program import environment
from samples import class_folders

from vitcrypt.data import Manifest
from vitcrypt.encryption import PE
from vitcrypt.keys import Key

SMALL = ("--image-size", 16, "--block-size", 4)


@pytest.fixture
def photos(tmp_path):
    return class_folders(tmp_path / "photos", {"ant": 5, "bee": 5})


def test_the_way_of_a_folder(vitcrypt, photos, tmp_path):
    vitcrypt("key", "new", "one.txt")
    vitcrypt("key", "new", "two.txt")
    one, two = (Key.read(tmp_path / name).fingerprint for name in ("one.txt", "two.txt"))
    code, printed = vitcrypt("encrypt", "photos", "enc", "--key-file", "one.txt", *SMALL)
    assert code == 0, printed
    for told in ("10 images in enc", "10 written now", f"proposed, blocks of 4, 16 x 16, shared key {one}", "10/10"):
        assert told in printed
    assert "nothing to do" in vitcrypt("encrypt", "photos", "enc", "--key-file", "one.txt", *SMALL)[1]
    code, printed = vitcrypt("verify", "enc")
    assert code == 0
    assert Manifest.read(tmp_path / "enc" / "manifest.json").digest in printed
    code, printed = vitcrypt("decrypt", "enc", "dec", "--key-file", "two.txt")
    assert code == 1
    assert one in printed
    assert two in printed
    assert not (tmp_path / "dec").exists()
    assert vitcrypt("rotate", "enc", "enc2", "--old-key", "one.txt", "--new-key", "two.txt")[0] == 0
    assert vitcrypt("decrypt", "enc2", "dec", "--key-file", "two.txt")[0] == 0
    (tmp_path / "enc2" / "bee" / "000007.png").unlink()
    code, printed = vitcrypt("verify", "enc2")
    assert code == 1
    assert "bee/000007.png: missing" in printed
    assert "Traceback" not in printed


def test_options_reach_the_scheme_and_those_that_do_not_fit_are_refused(vitcrypt, photos, tmp_path):
    options = ("--key-file", "test-0", "--encryption", "pe", "--image-size", 16)
    code, printed = vitcrypt("encrypt", "photos", "enc", *options, "--no-channel-shuffle", "--keep-names")
    assert code == 0, printed
    assert "anyone can decrypt" in printed
    manifest = Manifest.read(tmp_path / "enc" / "manifest.json")
    assert manifest.scheme == PE(channel_shuffle=False)
    assert "ant/000.png" in manifest.index
    for wrong in (
        (*options, "--block-size", 4),
        ("--key-file", "test-0", "--no-channel-shuffle"),
        ("--key-file", "test-0", "--block-size", 5),
        ("--key-file", "test-0", "--block-size", 0),
        ("--key-file", "nowhere.txt"),
        ("--key-file", "test-0", "--image-size", 100),
    ):
        code, printed = vitcrypt("encrypt", "photos", "other", *wrong)
        assert code == 1
        assert "error:" in printed
        assert "Traceback" not in printed
        assert not (tmp_path / "other").exists()


def test_a_folder_is_packed_as_its_name_says(vitcrypt, photos, tmp_path):
    vitcrypt("encrypt", "photos", "enc", "--key-file", "test-0", *SMALL)
    code, printed = vitcrypt("pack", "enc", "enc.npz")
    assert code == 0, printed
    for told in (
        "10 images in enc.npz",
        "proposed, blocks of 4",
        "data=npz data.root=enc.npz encryption=received",
        "10/10",
    ):
        assert told in printed
    assert "finished before, nothing to do" in vitcrypt("pack", "enc", "enc.npz")[1]
    code, printed = vitcrypt("pack", "enc", "shards", "--shard-mib", 1)
    assert code == 0, printed
    assert "vitcrypt verify shards" in printed
    code, printed = vitcrypt("verify", "shards")
    assert code == 0, printed
    assert Manifest.read(tmp_path / "enc" / "manifest.json").digest in printed
    (tmp_path / "shards" / "000000.tar").write_bytes(b"")
    assert vitcrypt("verify", "shards")[0] == 1
    for wrong in (
        ("enc", "photos"),
        ("enc", "x.tar"),
        ("enc", "x.npz", "--shard-mib", 1),
        ("photos", "x"),
        ("no", "x"),
    ):
        code, printed = vitcrypt("pack", *wrong)
        assert code == 1
        assert "error:" in printed
        assert "Traceback" not in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["enc", "enc.npz", "photos", "shards"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_that_cannot_be_written_is_named(vitcrypt, photos, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    code, printed = vitcrypt("encrypt", "photos", "closed/enc", "--key-file", "test-0", *SMALL)
    assert code == 1
    assert "Permission denied" in printed
    assert "Traceback" not in printed


@pytest.mark.slow
def test_after_ctrl_c_the_same_command_goes_on(tmp_path):
    class_folders(tmp_path / "photos", {"ant": 150, "bee": 150})
    command = "vitcrypt", ["encrypt", "photos", "enc", "--key-file", "test-0"], tmp_path, environment()
    first = Forked(*command)
    journal = tmp_path / "enc.part" / "journal"
    while first.poll() is None and not (journal.exists() and journal.stat().st_size):
        time.sleep(0.002)
    first.send_signal(signal.SIGSTOP)  # in the middle of its work, for as long as another one tries
    second = Forked(*command)
    assert "another process is at work" in second.communicate(timeout=300)[0]
    assert second.returncode == 1
    first.send_signal(signal.SIGINT)
    first.send_signal(signal.SIGCONT)
    printed, _ = first.communicate(timeout=300)
    assert first.returncode == 130
    assert "Traceback" not in printed
    assert "Run the same command again to resume" in printed
    assert not (tmp_path / "enc").exists()
    third = Forked(*command)
    assert "300 images in enc" in third.communicate(timeout=300)[0]
    assert third.returncode == 0
