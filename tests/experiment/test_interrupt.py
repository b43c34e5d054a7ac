"""Ctrl-C is never lost and never becomes something else: while a checkpoint is written, in finalisers, in a run."""

import os
import random
import signal
import sys
import threading
import time

import pytest
import torch
from program import SMALL, start

from vitcrypt.experiment import errors
from vitcrypt.experiment.checkpoint import AtomicCheckpointIO, read_checkpoint
from vitcrypt.jobs import interrupt


@pytest.fixture(autouse=True)
def default_handler():
    """Hear Ctrl-C as a program on a terminal does, whatever this process inherited or a test left."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)  # Python raises what signals ask for between two steps


def test_the_program_ends_with_one_line_and_at_once_if_asked_again(capsys):
    def program():
        with interrupt.told(), errors.explained("config"):
            ctrl_c()

    with pytest.raises(SystemExit, match="130"):
        program()
    assert capsys.readouterr().err.split("\n") == ["", "Interrupted. Run the same command again to resume.", ""]
    assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL


def test_it_waits_until_the_block_is_done():
    done = []

    def work():
        with interrupt.deferred():
            ctrl_c()
            done.append("first")
            ctrl_c()
            done.append("second")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["first", "second"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_comes_even_if_the_block_fails():
    def work():
        with interrupt.deferred():
            ctrl_c()
            raise OSError("disk full")

    with pytest.raises(KeyboardInterrupt) as raised:
        work()
    assert str(raised.value.__context__) == "disk full"


def test_nothing_comes_where_nobody_asked_or_it_is_ignored():
    with interrupt.deferred():
        pass
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupt.deferred():
        ctrl_c()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_other_threads_pass():
    passed = []

    def work():
        with interrupt.deferred():
            passed.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert passed == [signal.default_int_handler]


@pytest.mark.slow
def test_a_checkpoint_is_written_whole_and_then_it_comes_at_whatever_moment(tmp_path):
    """torch.save alone turns a third of them into "unexpected pos 17664 vs 17616"."""
    path, state = tmp_path / "last.ckpt", {str(i): torch.zeros(2000) for i in range(60)}
    writer, draw = AtomicCheckpointIO({"identity": "run"}), random.Random(0)

    def save(epoch):
        writer.save_checkpoint({"epoch": epoch, "state_dict": state}, path)

    def save_and_wait(epoch, timer):
        timer.start()
        save(epoch)
        timer.join()
        time.sleep(0.01)

    started = time.perf_counter()
    save(-1)
    seconds, there = time.perf_counter() - started, -1
    for epoch in range(40):
        with pytest.raises(KeyboardInterrupt):
            save_and_wait(epoch, threading.Timer(draw.random() * seconds, ctrl_c))
        assert [entry.name for entry in tmp_path.iterdir()] == ["last.ckpt"]
        found = read_checkpoint(path, "run")["epoch"]
        assert found in (there, epoch)
        there = found


def test_what_a_finaliser_swallows_comes_again():
    class Interrupted:
        def __del__(self):
            ctrl_c()

    def work():
        with interrupt.repeated():
            Interrupted()
            time.sleep(3)

    with pytest.raises(KeyboardInterrupt):
        work()


def test_other_errors_that_python_ignores_are_told_as_before(monkeypatch):
    class Failing:
        def __del__(self):
            raise ValueError("at its end")

    told = []
    monkeypatch.setattr(sys, "unraisablehook", lambda ignored: told.append(str(ignored.exc_value)))
    before = sys.unraisablehook
    with interrupt.repeated():
        Failing()
    assert told == ["at its end"]
    assert sys.unraisablehook is before


@pytest.mark.slow
def test_ctrl_c_ends_with_a_message_and_the_run_resumes(tmp_path):
    process = start(*SMALL, "trainer.max_epochs=500", folder=tmp_path)
    printed = []
    for line in process.stdout:
        printed.append(line)
        if line.startswith("epoch 3/"):
            process.send_signal(signal.SIGINT)
    process.wait()
    assert process.returncode == 130, "".join(printed)
    assert "Run the same command again to resume" in "".join(printed)
    assert "Traceback" not in "".join(printed)
    (path,) = tmp_path.rglob("last.ckpt")
    assert torch.load(path, weights_only=True)["epoch"] >= 1, "two epochs were told of"
