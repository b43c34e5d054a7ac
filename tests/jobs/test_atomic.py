"""Folders and files appear whole or not at all; what a killed process left goes with the next of the same name."""

import os
import signal
import subprocess
import sys

import pytest

from vitcrypt.jobs import atomic
from vitcrypt.jobs.atomic import atomic_folder, atomic_write

NAMES = ("a", "b")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_appears_with_all_its_files(tmp_path):
    with atomic_folder(tmp_path / "deep" / "out", NAMES) as part:
        (part / "a").write_text("x")
        assert not (tmp_path / "deep" / "out").exists()
    assert names(tmp_path / "deep") == ["out"]


def test_nothing_stays_of_a_folder_that_failed(tmp_path):
    def write():
        with atomic_folder(tmp_path / "out", NAMES) as part:
            (part / "a").write_text("x")
            raise KeyError

    with pytest.raises(KeyError):
        write()
    assert names(tmp_path) == []


def test_nothing_is_replaced(tmp_path):
    def write():
        with atomic_folder(tmp_path / "out", NAMES):
            (tmp_path / "out").mkdir()

    with pytest.raises(FileExistsError):
        write()
    assert names(tmp_path / "out") == []


LEFT = [".out.1.part", ".out.99999999.part", f".out.{os.getpid()}.part"]


@pytest.mark.parametrize("left", LEFT, ids=["dead", "none", "own"])
def test_what_a_killed_process_left_is_removed(tmp_path, left):
    (tmp_path / left).mkdir()
    (tmp_path / left / "a").write_text("weights")
    with atomic_folder(tmp_path / "out", NAMES) as part:
        assert names(part) == []
    assert names(tmp_path) == ["out"]


def test_what_may_be_someone_else_s_stays(tmp_path):
    (tmp_path / ".out.1.part").mkdir()
    (tmp_path / ".out.1.part" / "letters.txt").write_text("")
    (tmp_path / ".out.x.part").mkdir()
    (tmp_path / ".other.1.part").mkdir()
    (tmp_path / ".out.2.part").write_text("")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".out.3.part").symlink_to(tmp_path / "elsewhere")
    before = names(tmp_path)
    with atomic_folder(tmp_path / "out", NAMES):
        pass
    assert names(tmp_path) == sorted([*before, "out"])


def test_names_with_brackets_and_stars_are_names(tmp_path):
    (tmp_path / ".o[ut].1.part").mkdir()
    (tmp_path / ".ou.1.part").mkdir()
    with atomic_folder(tmp_path / "o[ut]", NAMES):
        pass
    assert names(tmp_path) == [".ou.1.part", "o[ut]"]


HOLDING = """
import sys, time
from pathlib import Path
from vitcrypt.jobs.atomic import atomic_folder, atomic_write
out = Path(sys.argv[2])
with atomic_folder(out, ("a", "b")) if sys.argv[1] == "folder" else atomic_write(out, new=True) as part:
    (part / "a").write_text("x") if sys.argv[1] == "folder" else part.write(b"x")
    print("at work", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_a_living_process_writes_is_left_alone_and_after_a_kill_removed(tmp_path, kind):
    def write():
        out = tmp_path / "out"
        with atomic_folder(out, NAMES) if kind == "folder" else atomic_write(out, new=True):
            pass

    process = subprocess.Popen([sys.executable, "-c", HOLDING, kind, str(tmp_path / "out")], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"at work\n"
        (held,) = names(tmp_path)
        write()
        assert names(tmp_path) == sorted([held, "out"])
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    (tmp_path / "out").rmdir() if kind == "folder" else (tmp_path / "out").unlink()
    assert names(tmp_path) == [held]
    write()
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_another_process_removes_before_it_is_held_is_made_anew(tmp_path, monkeypatch, kind):
    take, removed = atomic.take, []

    def late(descriptor, **how):
        if not removed:
            removed.extend(tmp_path.iterdir())
            removed[0].rmdir() if kind == "folder" else removed[0].unlink()
        take(descriptor, **how)

    monkeypatch.setattr(atomic, "take", late)
    with atomic_folder(tmp_path / "out", NAMES) if kind == "folder" else atomic_write(tmp_path / "out"):
        assert names(tmp_path) != [removed[0].name]
    assert names(tmp_path) == ["out"]


def test_files_of_others_stay(tmp_path):
    for name in ("out.x.part", "out.part", "other.1.part"):
        (tmp_path / name).write_text("")
    (tmp_path / "out.1.part").mkdir()
    with atomic_write(tmp_path / "out", new=True) as file:
        file.write(b"x")
    assert names(tmp_path) == ["other.1.part", "out", "out.1.part", "out.part", "out.x.part"]
