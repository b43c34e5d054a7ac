"""A folder that is being made: broken off, resumed, refused; a full disk, two processes at once."""

import errno
import os
import random
import shutil
from functools import partial
from pathlib import Path

import kill_jobs
import pytest
import torch
from forked import Forked
from program import environment
from samples import class_folders, noise, save

from vitcrypt.encryption import LE, Proposed
from vitcrypt.folders import encrypt_folder, job, verify_folder
from vitcrypt.jobs.lock import alone_in
from vitcrypt.keys import Key

KEY = Key.from_bytes(bytes(range(32)))
COUNT = 20
encrypted = partial(encrypt_folder, scheme=Proposed(4), key=KEY, image_size=16, workers=2)


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


@pytest.fixture(autouse=True)
def group(monkeypatch, request):
    """How many images the journal takes at once: one, so that a job can be broken off between any two of them."""
    monkeypatch.setattr(job, "GROUP", getattr(request, "param", 1))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Photos, and what an unbroken job makes of them."""
    root = tmp_path_factory.mktemp("made")
    class_folders(root / "photos", {"ant": COUNT // 2, "bee": COUNT // 2})
    encrypted(root / "photos", root / "whole")
    return root


@pytest.fixture
def photos(made, tmp_path):
    return shutil.copytree(made / "photos", tmp_path / "photos")


@pytest.fixture(scope="module")
def whole(made):
    """What an unbroken job makes."""
    return tree(made / "whole")


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def broken_off(photos, out, after, error=Killed):
    """Encrypt, and break off when so many images are there."""

    def advance(done, before, total):
        if done == after:
            raise error

    with pytest.raises(error):
        encrypted(photos, out, advance=advance)


@pytest.mark.parametrize(("group", "after"), [(1, 1), (1, COUNT), (7, 14)], indirect=["group"])
@pytest.mark.parametrize("error", [Killed, KeyboardInterrupt])
def test_a_job_that_is_broken_off_leaves_no_folder_and_is_finished_by_the_same_call(
    photos, tmp_path, whole, after, error
):
    out = tmp_path / "enc"
    broken_off(photos, out, after, error)
    assert not out.exists()
    made = encrypted(photos, out)
    assert made.written == COUNT - after
    assert tree(out) == whole
    assert verify_folder(out)[1] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["enc", "photos"]


@pytest.mark.parametrize("method", ["write", "rename", "replace", "unlink", "mkdir"])
def test_a_kill_at_any_step_between_the_files_is_survived(photos, tmp_path, whole, monkeypatch, method):
    target = job.Manifest if method == "write" else Path
    original, calls = getattr(target, method), []

    def killing(self, *arguments, **options):
        if "part" in str(self) + str(arguments):
            calls.append(self)
            if len(calls) == call + 1:
                raise Killed
        return original(self, *arguments, **options)

    for call in range(4):
        calls.clear()
        out = tmp_path / str(call) / "enc"
        with monkeypatch.context() as patch:
            patch.setattr(target, method, killing)
            try:
                encrypted(photos, out)
            except Killed:
                pass
            else:
                assert len(calls) <= call
        encrypted(photos, out)
        assert tree(out) == whole
        assert not out.with_name("enc.part").exists()


def test_files_that_a_kill_left_half_written_are_written_again(photos, tmp_path, whole):
    broken_off(photos, tmp_path / "enc", 12)
    part = tmp_path / "enc.part"
    first, second, third, *_ = sorted((part / "images").rglob("*.png"))
    first.write_bytes(first.read_bytes()[:50])
    second.write_bytes(bytes(len(second.read_bytes())))  # as after a power cut
    third.unlink()
    with (part / "journal").open("a") as journal:
        journal.write('{"name": "ant/0000')
    made = encrypted(photos, tmp_path / "enc")
    assert made.written >= 3
    assert tree(tmp_path / "enc") == whole


def test_an_image_that_changed_meanwhile_is_encrypted_again(photos, tmp_path):
    broken_off(photos, tmp_path / "enc", 12)
    save(sorted(photos.rglob("*.png"))[0], noise(8, 8, 3, seed=99))
    encrypted(photos, tmp_path / "enc")
    encrypted(photos, tmp_path / "expected")
    assert tree(tmp_path / "enc") == tree(tmp_path / "expected")


OTHERS = [
    ({"key": Key.from_bytes(bytes(32))}, f"fingerprint: {KEY.fingerprint}"),
    ({"scheme": LE(4)}, "scheme: .*proposed.*le"),
    ({"scheme": Proposed(8)}, "scheme: .*4.*8"),
    ({"image_size": 32}, "image_size: 16 and 32"),
    ({"interpolation": "bicubic"}, "interpolation: bilinear and bicubic"),
    ({"key_scope": "per_image"}, "key_scope: shared and per_image"),
    ({"keep_names": True}, "the images they are made from"),
]


@pytest.mark.parametrize(("change", "message"), OTHERS, ids=lambda value: value if isinstance(value, str) else "")
@pytest.mark.parametrize("finished", [True, False])
def test_keys_and_settings_never_mix_in_one_folder(photos, tmp_path, change, message, finished):
    if finished:
        encrypted(photos, tmp_path / "enc")
    else:
        broken_off(photos, tmp_path / "enc", 7)
    before = tree(tmp_path)
    with pytest.raises(FileExistsError, match=message):
        encrypted(photos, tmp_path / "enc", **change)
    assert tree(tmp_path) == before


def test_more_images_are_another_job(photos, tmp_path):
    encrypted(photos, tmp_path / "enc")
    save(photos / "ant" / "new.png", noise(8, 8, 3))
    with pytest.raises(FileExistsError, match="made from: 20 and 21"):
        encrypted(photos, tmp_path / "enc")


def test_a_finished_folder_is_not_touched_and_an_empty_one_is_filled(photos, tmp_path):
    (tmp_path / "enc").mkdir()
    encrypted(photos, tmp_path / "enc")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "enc").rglob("*")}
    assert encrypted(photos, tmp_path / "enc").written == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "enc").rglob("*")} == before


@pytest.mark.parametrize("place", ["enc", "enc.part/images"])
def test_what_others_put_there_is_never_overwritten(photos, tmp_path, place):
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="no folder of this job"):
        encrypted(photos, tmp_path / "enc")
    assert (tmp_path / place / "thesis.txt").read_text() == "mine"


def test_a_foreign_file_is_named_and_does_not_become_part_of_the_folder(photos, tmp_path, whole):
    broken_off(photos, tmp_path / "enc", 7)
    foreign = tmp_path / "enc.part" / "images" / "ant" / "foreign.png"
    foreign.write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"foreign\.png is none of the images"):
        encrypted(photos, tmp_path / "enc")
    assert not (tmp_path / "enc").exists()
    foreign.unlink()
    assert encrypted(photos, tmp_path / "enc").written == 0
    assert tree(tmp_path / "enc") == whole


def test_a_refusal_leaves_no_trace_and_keeps_empty_folders(photos, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "photos" / "ant" / "000.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="block_size"):
        encrypted(photos, tmp_path / "empty" / "enc", scheme=Proposed(10))
    assert list((tmp_path / "empty").iterdir()) == []


def test_two_at_once_in_one_folder_are_refused_and_the_first_is_not_disturbed(photos, tmp_path):
    with alone_in(tmp_path / "enc.part"), pytest.raises(BlockingIOError, match="another process is at work"):
        encrypted(photos, tmp_path / "enc")
    encrypted(photos, tmp_path / "enc")
    assert verify_folder(tmp_path / "enc")[1] == []


@pytest.mark.parametrize("full", [1, 9, COUNT])
def test_a_full_disk_is_said_and_what_was_made_is_kept(photos, tmp_path, whole, monkeypatch, full):
    written = []
    write = Path.write_bytes

    def until_full(self, data):
        if len(written) >= full:
            write(self, data[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        written.append(self)
        return write(self, data)

    with monkeypatch.context() as patch:
        if full == COUNT:  # the manifest no longer fits

            def no_space(descriptor):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

            broken_off(photos, tmp_path / "enc", COUNT)
            patch.setattr("vitcrypt.jobs.atomic.os.fsync", no_space)
        patch.setattr(Path, "write_bytes", until_full)
        with pytest.raises(
            OSError, match=f"No space left on device; .* of {COUNT} images are done and kept: free"
        ) as told:
            encrypted(photos, tmp_path / "enc")
    kept = int(str(told.value).split("; ")[1].split(" ")[0])
    assert encrypted(photos, tmp_path / "enc").written == COUNT - kept
    assert tree(tmp_path / "enc") == whole


def test_all_images_that_cannot_be_read_are_named_and_the_others_are_made(photos, tmp_path, whole):
    kept = {}
    for name in ("ant/003.png", "bee/000.png"):
        kept[name] = (photos / name).read_bytes()
        (photos / name).write_bytes(kept[name][:-60])  # its header is whole
    with pytest.raises(ValueError, match=r"(?s)ant/003\.png.*bee/000\.png.*the other 18 are done") as told:
        encrypted(photos, tmp_path / "enc")
    assert str(tmp_path / "enc.part") in str(told.value)
    for name, data in kept.items():
        (photos / name).write_bytes(data)
    assert encrypted(photos, tmp_path / "enc").written == 2
    assert tree(tmp_path / "enc") == whole


def test_a_folder_that_is_not_finished_is_no_folder_to_verify(photos, tmp_path):
    broken_off(photos, tmp_path / "enc", 3)
    with pytest.raises(FileNotFoundError, match="begun and not finished: repeat the command"):
        verify_folder(tmp_path / "enc")


def test_the_number_of_threads_of_torch_is_put_back(photos, tmp_path):
    before = torch.get_num_threads()
    encrypted(photos, tmp_path / "enc")
    assert torch.get_num_threads() == before


@pytest.mark.slow
def test_killed_at_random_moments_and_repeated_every_job_is_complete(tmp_path, monkeypatch, capsys):
    def start(job, folder, out):
        arguments = [argument.replace("OUT", str(out)) for argument in job.arguments]
        return Forked("vitcrypt", arguments, folder, environment())

    monkeypatch.setattr(kill_jobs.Job, "start", start)
    jobs, seed = ("encrypt", "pack"), random.randrange(10**6)
    options = ["--images", "60", "--kills", "1", "--seed", str(seed), "--folder", str(tmp_path), "--jobs", *jobs]
    monkeypatch.setattr("sys.argv", ["kill_jobs.py", *options])
    kill_jobs.main()
    printed = capsys.readouterr().out
    for name in jobs:
        assert f"{name}: 1 kills" in printed, f"seed {seed}"
