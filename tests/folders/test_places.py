"""Where a new folder may be: it works, or is refused before the first image, with what to name instead."""

import os
from pathlib import Path

import pytest
from samples import class_folders

from vitcrypt.encryption import Proposed
from vitcrypt.folders import decrypt_folder, encrypt_folder, rotate_folder, verify_folder
from vitcrypt.keys import Key

KEY, NEW = Key.from_bytes(bytes(range(32))), Key.from_bytes(bytes(32))
COMMANDS = {
    "encrypt": lambda root, out: encrypt_folder(root / "photos", out, Proposed(4), KEY, 16),
    "decrypt": lambda root, out: decrypt_folder(root / "enc", out, KEY),
    "rotate": lambda root, out: rotate_folder(root / "enc", out, KEY, NEW),
}
by_every_command = pytest.mark.parametrize("command", COMMANDS)


@pytest.fixture
def root(tmp_path):
    class_folders(tmp_path / "photos", {"ant": 6, "bee": 6})
    COMMANDS["encrypt"](tmp_path, tmp_path / "enc")
    return tmp_path


@pytest.fixture
def no_image(monkeypatch):
    """No image may be read or decrypted any more."""

    def never(*arguments):
        raise AssertionError("an image was worked on")

    monkeypatch.setattr("vitcrypt.folders.encrypting.read_pixels", never)
    monkeypatch.setattr("vitcrypt.encryption.ArrayEncryption.decrypt", never)


@by_every_command
@pytest.mark.parametrize("target", ["empty", "there/below"])
def test_a_link_is_followed_and_stays(root, command, target):
    if target == "empty":
        (root / target).mkdir()
    (root / "there").mkdir()
    (root / "out").symlink_to(root / target)
    assert COMMANDS[command](root, root / "out").written == 12
    assert COMMANDS[command](root, root / "out").written == 0
    assert (root / "out").is_symlink()
    assert verify_folder(root / "out")[1] == []
    assert not list(root.rglob("*.part"))


@by_every_command
def test_a_mount_point_is_refused_before_the_first_image(root, command, monkeypatch, no_image):
    (root / "disk").mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "disk")
    with pytest.raises(ValueError, match=r"disk is a mount point .* name a new folder in it: .*disk/new"):
        COMMANDS[command](root, root / "disk")
    assert not list(root.rglob("*.part"))


@by_every_command
@pytest.mark.parametrize("out", ["."])
def test_the_folder_one_is_in_is_refused_before_the_first_image(root, command, monkeypatch, no_image, out):
    (root / "here").mkdir()
    monkeypatch.chdir(root / "here")
    with pytest.raises(ValueError, match="is the folder that you are in"):
        COMMANDS[command](root, Path(out))
    assert not list(root.rglob("*.part"))


@by_every_command
@pytest.mark.parametrize("out", ["photos/out", "enc/out", ".", "link/out"])
def test_a_place_within_or_around_the_images_is_refused(root, command, no_image, out):
    (root / "link").symlink_to(root / ("photos" if command == "encrypt" else "enc"))
    if {"encrypt": "enc", "decrypt": "photos", "rotate": "photos"}[command] == out.split("/")[0]:
        pytest.skip("that is another folder's")
    with pytest.raises((ValueError, FileExistsError), match="lie inside the other"):
        COMMANDS[command](root, root / out)
    assert not list(root.rglob("*.part"))


@by_every_command
@pytest.mark.parametrize("there", ["a file", "a loop", "a folder in use"])
def test_what_is_there_is_kept(root, command, no_image, there):
    if there == "a file":
        (root / "out").write_text("mine")
    elif there == "a loop":
        (root / "out").symlink_to(root / "out")
    else:
        (root / "out").mkdir()
        (root / "out" / "thesis.txt").write_text("mine")
    with pytest.raises((ValueError, FileExistsError), match="name another"):
        COMMANDS[command](root, root / "out")
    assert not list(root.rglob("*.part"))


@by_every_command
def test_a_place_below_a_file_is_refused_by_name(root, command, no_image):
    (root / "file").touch()
    with pytest.raises((OSError, ValueError), match=r"file.*(Not a directory|File exists)"):
        COMMANDS[command](root, root / "file" / "out")


def test_an_empty_folder_in_a_place_that_cannot_be_written_is_refused_with_one_in_it(root, monkeypatch, no_image):
    (root / "closed" / "mine").mkdir(parents=True)
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "closed")
    with pytest.raises(ValueError, match=r"closed cannot be written.* name a new folder in it: .*closed/mine/new"):
        COMMANDS["encrypt"](root, root / "closed" / "mine")


def test_a_file_system_without_locks_is_said_to_be_one(root, monkeypatch, no_image):
    def no_locks(descriptor, how):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    with pytest.raises(OSError, match=r"out\.part lies on a file system without locks"):
        COMMANDS["encrypt"](root, root / "out")
