"""The same command again: finished means made from what is there now; what a kill left is in nobody's way."""

import dataclasses
import json
import os
import shutil
import stat

import numpy as np
import pytest
from PIL import Image
from samples import class_folders, noise, save

from vitcrypt.data import Manifest
from vitcrypt.encryption import Proposed
from vitcrypt.folders import decrypt_folder, encrypt_folder, job, pack_npz, pack_shards, rotate_folder, verify_folder
from vitcrypt.jobs.atomic import atomic_write
from vitcrypt.keys import Key

KEY, NEW = Key.from_bytes(bytes(range(32))), Key.from_bytes(bytes(32))
MADE_FROM_IT = {
    "decrypt": lambda enc, out: decrypt_folder(enc, out, KEY),
    "rotate": lambda enc, out: rotate_folder(enc, out, KEY, NEW),
    "pack.npz": pack_npz,
    "pack": pack_shards,
}


@pytest.fixture
def photos(tmp_path):
    return class_folders(tmp_path / "photos", {"ant": 6, "bee": 6})


def encrypt(photos, tmp_path, **options):
    return encrypt_folder(photos, tmp_path / "enc", Proposed(4), KEY, 16, **options)


def tree(root):
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def replaced(photos):
    times = (photos / "ant" / "002.png").stat()
    Image.fromarray(noise(8, 8, 3, seed=77)).save(photos / "ant" / "002.png")
    with (photos / "ant" / "002.png").open("r+b") as file:
        file.truncate(times.st_size)  # the same size and time: only the contents tell
    os.utime(photos / "ant" / "002.png", ns=(times.st_atime_ns, times.st_mtime_ns))


def exchanged(photos):
    (photos / "ant" / "000.png").rename(photos / "x")
    (photos / "bee" / "005.png").rename(photos / "ant" / "000.png")
    (photos / "x").rename(photos / "bee" / "005.png")


CHANGES = {
    "replaced": (replaced, r"1 of the 12 pictures were others: .*ant/002\.png"),
    "exchanged": (exchanged, r"2 of the 12 pictures were others: .*ant/000\.png, .*bee/005\.png"),
    "added": (lambda photos: save(photos / "ant" / "new.png", noise(8, 8, 3)), "12 and 13 .ant: 6 and 7"),
    "removed": (lambda photos: (photos / "bee" / "001.png").unlink(), "12 and 11 .bee: 6 and 5"),
    "renamed": (lambda photos: (photos / "bee" / "001.png").rename(photos / "bee" / "1.png"), "other names"),
    "another class": (lambda photos: (photos / "ant").rename(photos / "cow"), "classes: .*ant.*cow"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("keep_names", [True, False])
def test_encrypting_again_compares_the_pictures_and_says_which_changed(photos, tmp_path, change, keep_names):
    encrypt(photos, tmp_path, keep_names=keep_names)
    before = tree(tmp_path / "enc")
    CHANGES[change][0](photos)
    with pytest.raises(FileExistsError, match=rf"(?s){CHANGES[change][1]}"):
        encrypt(photos, tmp_path, keep_names=keep_names)
    assert tree(tmp_path / "enc") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["enc", "photos"]


def test_the_same_pictures_with_other_times_are_finished(photos, tmp_path):
    encrypt(photos, tmp_path)
    for path in photos.rglob("*.png"):
        os.utime(path, (10**9, 10**9))
    made = encrypt(photos, tmp_path)
    assert (made.written, made.note) == (0, "")


@pytest.mark.parametrize("change", ["replaced", "exchanged"])
def test_a_broken_job_never_goes_on_with_pictures_that_changed(photos, tmp_path, monkeypatch, change):
    monkeypatch.setattr(job, "GROUP", 1)

    def advance(done, before, total):
        if done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encrypt(photos, tmp_path, advance=advance)
    if change == "replaced":
        save(photos / "ant" / "002.png", noise(8, 8, 3, seed=77))
    else:
        exchanged(photos)
    encrypt(photos, tmp_path)
    encrypt_folder(photos, tmp_path / "anew", Proposed(4), KEY, 16)
    assert tree(tmp_path / "enc") == tree(tmp_path / "anew")


def test_a_folder_without_noted_contents_is_said_to_be_one(photos, tmp_path):
    made = encrypt(photos, tmp_path)
    older = dataclasses.replace(made.manifest, origin={})
    older.write(tmp_path / "enc" / "manifest.json")
    assert "cannot be told" in encrypt(photos, tmp_path).note
    decrypt_folder(tmp_path / "enc", tmp_path / "dec", KEY)


def test_a_finished_folder_that_lacks_a_file_is_not_called_finished(photos, tmp_path):
    made = encrypt(photos, tmp_path)
    (tmp_path / "enc" / next(iter(made.manifest.index))).unlink()
    with pytest.raises(ValueError, match="1 missing"):
        encrypt(photos, tmp_path)


def test_what_the_manifest_notes_of_a_picture_tells_nobody_else_anything(photos, tmp_path):
    shutil.copy(photos / "ant" / "000.png", photos / "ant" / "001.png")
    made, other = encrypt(photos, tmp_path).manifest, dataclasses.replace(encrypt(photos, tmp_path).manifest)
    assert len(set(made.origin.values())) == 12  # equal pictures have other values
    assert made.origin == other.origin
    new = encrypt_folder(photos, tmp_path / "new", Proposed(4), NEW, 16).manifest
    assert not set(made.origin.values()) & set(new.origin.values())
    assert rotate_folder(tmp_path / "enc", tmp_path / "rotated", KEY, NEW).manifest.origin == {}


@pytest.mark.parametrize("command", MADE_FROM_IT)
def test_what_was_made_from_a_folder_is_finished_for_that_folder_alone(photos, tmp_path, command):
    encrypt(photos, tmp_path)
    MADE_FROM_IT[command](tmp_path / "enc", tmp_path / command)
    out = tmp_path / command
    before = tree(out) if out.is_dir() else out.read_bytes()
    MADE_FROM_IT[command](tmp_path / "enc", out)
    shutil.rmtree(tmp_path / "enc")
    replaced(photos)
    encrypt(photos, tmp_path)
    with pytest.raises(FileExistsError, match=r"(?s)(other contents|another state)"):
        MADE_FROM_IT[command](tmp_path / "enc", out)
    assert (tree(out) if out.is_dir() else out.read_bytes()) == before


def test_tar_files_of_another_size_are_another_job(tmp_path):
    photos = class_folders(tmp_path / "photos", {"ant": 20, "bee": 20})
    encrypt_folder(photos, tmp_path / "enc", Proposed(4), KEY, 128)
    pack_shards(tmp_path / "enc", tmp_path / "x", 1)
    with pytest.raises(FileExistsError, match="in other tar files than 1 of at most 1024 MiB"):
        pack_shards(tmp_path / "enc", tmp_path / "x")


# After a kill


@pytest.mark.parametrize("command", ["pack", "pack.npz"])
@pytest.mark.parametrize("left", ["the lock", "half a file", "all but its name"])
def test_what_a_killed_packing_left_is_removed_by_the_next(photos, tmp_path, command, left):
    encrypt(photos, tmp_path)
    MADE_FROM_IT[command](tmp_path / "enc", tmp_path / f"whole-{command}")
    (lock := tmp_path / f"{command}.part").mkdir()
    (lock / ".lock").touch()
    whole = tmp_path / f"whole-{command}"
    if command == "pack" and left != "the lock":
        shutil.copytree(whole, part := tmp_path / ".pack.1.part")
        if left == "half a file":
            (part / "manifest.json").rename(part / "manifest.json.part")
            (part / "000000.tar").rename(part / "000001.tar")
    elif left != "the lock":
        shutil.copy(whole, tmp_path / "pack.npz.1.part")
    MADE_FROM_IT[command](tmp_path / "enc", made := tmp_path / command)
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "enc", whole.name, command}
    assert (tree(made) == tree(whole)) if made.is_dir() else (made.read_bytes() == whole.read_bytes())


@pytest.mark.parametrize("command", ["pack", "pack.npz"])
def test_a_packing_that_was_killed_when_all_was_done_leaves_nothing(photos, tmp_path, command):
    encrypt(photos, tmp_path)
    MADE_FROM_IT[command](tmp_path / "enc", tmp_path / command)
    (part := tmp_path / f"{command}.part").mkdir()
    (part / ".lock").touch()
    if command == "pack.npz":
        (tmp_path / "pack.npz.1.part").hardlink_to(tmp_path / command)
    MADE_FROM_IT[command](tmp_path / "enc", tmp_path / command)
    assert {path.name for path in tmp_path.iterdir()} == {"photos", "enc", command}


def test_half_a_key_file_is_in_nobodys_way(tmp_path):
    (tmp_path / "my-key.txt.123456.part").write_text("vitcrypt key, ver")
    Key.generate().write(tmp_path / "my-key.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["my-key.txt"]
    assert stat.S_IMODE((tmp_path / "my-key.txt").stat().st_mode) == 0o600


def test_a_key_is_at_no_moment_readable_by_others(tmp_path, monkeypatch):
    modes = []
    fsync = os.fsync

    def look(descriptor):
        modes.extend(stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir())
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", look)
    Key.generate().write(tmp_path / "my-key.txt")
    assert set(modes) == {0o600}


@pytest.mark.parametrize("there", [True, False])
def test_a_new_file_is_made_where_there_are_no_hard_links_and_replaces_nothing(tmp_path, monkeypatch, there):
    def no_links(source, target):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    if there:
        (tmp_path / "x").write_text("mine")
        with pytest.raises(FileExistsError), atomic_write(tmp_path / "x", new=True) as file:
            file.write(b"new")
    else:
        with atomic_write(tmp_path / "x", new=True) as file:
            file.write(b"new")
    assert (tmp_path / "x").read_text() == ("mine" if there else "new")
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_encrypted_files_are_on_the_disk_before_the_folder_appears(photos, tmp_path, monkeypatch):
    synced, fsync = [], os.fsync

    def look(descriptor):
        assert not (tmp_path / "enc").exists() or stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    monkeypatch.setattr("os.fsync", look)
    made = encrypt(photos, tmp_path)
    for name in (*made.manifest.index, "manifest.json", "ant", "bee", "."):
        assert (tmp_path / "enc" / name).stat().st_ino in synced


# The way back to the names


def test_decrypted_files_can_have_the_names_of_the_photos(photos, tmp_path):
    Image.fromarray(noise(8, 8, 3)).save(photos / "ant" / "000.bmp")
    save(photos / "bee" / "more" / "holiday.png", noise(16, 16, 3, seed=5))
    encrypt(photos, tmp_path)
    decrypt_folder(tmp_path / "enc", tmp_path / "dec", KEY, photos=photos)
    assert verify_folder(tmp_path / "dec")[1] == []
    names = {path.relative_to(tmp_path / "dec").as_posix() for path in (tmp_path / "dec").rglob("*.png")}
    assert {"ant/000.bmp.png", "ant/000.png.png", "ant/001.png", "bee/more/holiday.png"} < names
    photo, decrypted = (Image.open(root / "bee" / "more" / "holiday.png") for root in (photos, tmp_path / "dec"))
    assert np.array_equal(np.asarray(photo), np.asarray(decrypted))


@pytest.mark.parametrize("change", ["replaced", "exchanged", "renamed"])
def test_photos_that_are_others_give_no_names(photos, tmp_path, change):
    encrypt(photos, tmp_path)
    CHANGES[change][0](photos)
    with pytest.raises(ValueError, match=r"others than were encrypted|was not made from"):
        decrypt_folder(tmp_path / "enc", tmp_path / "dec", KEY, photos=photos)
    assert not (tmp_path / "dec").exists()


def test_what_a_manifest_notes_reads_back(photos, tmp_path):
    made = encrypt(photos, tmp_path).manifest
    assert Manifest.read(tmp_path / "enc" / "manifest.json") == made
    assert json.loads(made.text())["files"]["ant/000000.png"].keys() == {"index", "sha256", "origin"}
