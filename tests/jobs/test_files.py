"""Files appear whole or not at all: what was there is replaced by a whole one, or stays."""

import errno
import hashlib
import os
import stat

import pytest

from vitcrypt.jobs.atomic import atomic_folder, atomic_write, fsync_dir, sha256


def write(path, *parts, new=False):
    """Write parts; one that is an exception is raised in its place."""
    with atomic_write(path, new=new) as file:
        for part in parts:
            if not isinstance(part, bytes):
                raise part
            file.write(part)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_until_it_is_whole_the_old_one_is_there(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a.json"]


def test_what_a_killed_process_left_is_in_nobodys_way(tmp_path):
    (tmp_path / "a.json.1.part").write_bytes(b"a longer half")
    write(tmp_path / "a.json", b"new")
    assert (tmp_path / "a.json").read_bytes() == b"new"
    assert names(tmp_path) == ["a.json"]


def test_of_several_who_write_the_same_the_last_one_stays_whole(tmp_path):
    with atomic_write(path := tmp_path / "page.html") as slow:
        slow.write(b"slow ")
        slow.flush()
        write(path, b"fast")
        assert path.read_bytes() == b"fast"
        slow.write(b"and whole")
    assert path.read_bytes() == b"slow and whole"
    assert names(tmp_path) == ["page.html"]


def test_a_device_stays_one(tmp_path):
    (tmp_path / "null").symlink_to("/dev/null")
    write(tmp_path / "null", b"page")
    assert (tmp_path / "null").is_char_device()


@pytest.mark.parametrize("name", ["there", "other"])
@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), TypeError()])
def test_whatever_goes_wrong_nothing_is_left_and_what_was_there_stays(tmp_path, name, new, error):
    (tmp_path / "there").write_bytes(b"old")
    with pytest.raises(type(error)):
        write(tmp_path / name, b"half", error, new=new)
    assert names(tmp_path) == ["there"]
    assert (tmp_path / "there").read_bytes() == b"old"


@pytest.mark.parametrize("kind", [atomic_write, lambda path: atomic_folder(path, ())])
@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), TypeError("I/O error: No space left on device (28)")]
)
def test_of_a_full_disk_the_path_is_told_whatever_a_library_makes_of_it(tmp_path, kind, error):
    with pytest.raises(OSError, match="No space left") as told, kind(tmp_path / "a"):
        raise error
    assert (told.value.errno, told.value.filename) == (errno.ENOSPC, str(tmp_path / "a"))


def test_where_nothing_can_be_made_the_file_is_named_that_was_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError) as told:
        write(tmp_path / "no" / "a", b"")
    assert told.value.filename == str(tmp_path / "no" / "a")


def test_a_new_file_replaces_nothing(tmp_path):
    path = tmp_path / "new"
    write(path, b"first", new=True)
    with pytest.raises(FileExistsError):
        write(path, b"second", new=True)
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["new"]


def test_the_bytes_are_on_the_disk_before_the_name_and_then_the_folder_is(tmp_path, monkeypatch):
    path, seen, sync = tmp_path / "a", [], os.fsync

    def noting(descriptor):
        state = os.fstat(descriptor)
        seen.append((stat.S_ISDIR(state.st_mode), state.st_size if stat.S_ISREG(state.st_mode) else 0, path.exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    write(path, b"bytes")
    assert seen == [(False, 5, False), (True, 0, True)]


def test_a_file_system_that_cannot_sync_folders_is_no_error(tmp_path, monkeypatch):
    def cannot(descriptor):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(os, "fsync", cannot)
    fsync_dir(tmp_path)


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 10**6)
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 10**6).hexdigest()
