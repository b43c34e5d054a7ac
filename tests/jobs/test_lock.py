"""One process alone in a folder, however others come and go."""

from pathlib import Path
from threading import Event, Thread

import pytest

from vitcrypt.jobs import lock


def test_what_was_removed_before_it_was_locked_is_made_and_locked_anew(tmp_path, monkeypatch):
    folder, taken, take = tmp_path / "new" / "job", [], lock.take

    def removed_first(descriptor, wait=False):
        take(descriptor, wait)
        if not taken:  # as if the process that held it had ended in between
            (folder / ".lock").unlink()
            folder.rmdir()
        taken.append(descriptor)

    monkeypatch.setattr(lock, "take", removed_first)
    with lock.alone_in(folder):
        assert len(taken) == 2
        with pytest.raises(BlockingIOError, match="another process is at work"), lock.alone_in(folder):
            pass
    assert not folder.parent.exists()


def test_who_waits_says_so_and_is_alone_afterwards(tmp_path):
    told, order = Event(), []

    def second():
        with lock.alone_in(tmp_path / "job", told.set):
            order.append("second")

    with lock.alone_in(tmp_path / "job"):
        thread = Thread(target=second)
        thread.start()
        assert told.wait(60)
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]


def test_a_folder_that_cannot_be_made_is_an_error_and_no_endless_wait(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere" / "else")
    for place in (Path("/proc/none"), tmp_path / "link" / "job"):
        with pytest.raises(OSError, match=r"none|nowhere|link"), lock.alone_in(place):
            pass
