"""What wandb gets, where it goes without network or account, and that a run never fails because of it."""

import getpass
import os
import re
import shlex
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
import wandb
from PIL import Image
from program import SMALL, start
from recorded import training, typed

from vitcrypt.experiment import loggers
from vitcrypt.experiment.config import Config, DataConf, ModelConf, Names

CONFIG = Config(
    names=Names(data="digits", encryption="le", model="vit_micro"),
    model=ModelConf(weights="/srv/secret-place/w.pth"),
    data=DataConf(root="/srv/secret-place/photos"),
    key="/srv/secret-place/key.txt",
    results="/srv/secret-place/results",
)
RESULT = typed(training(key="0123456789abcdef", classes=["cat", "dog"]))


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """No account, no home, no network."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield
    wandb.finish()


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "run folder"
    made.mkdir()
    return made


def made(folder):
    return loggers.wandb_logger(folder, CONFIG, "vitcrypt", None, None, [])


def begun(folder):
    logger = made(folder)
    logger.log_metrics({"train/loss": 1.0})
    return logger


def refuse(*_, **__):
    raise wandb.errors.AuthenticationError("Failed to authenticate:\n\x1b[2J no such host")


def parts(folder):
    return sorted(folder.glob("wandb/offline-run-*"))


@pytest.mark.slow
@pytest.mark.parametrize("failing", [wandb.errors.AuthenticationError, OSError, TimeoutError])
def test_an_account_that_cannot_be_reached_means_offline_and_one_line(folder, monkeypatch, capsys, failing):
    def login(prompt):
        raise failing("no such host\n\x1b[2J")

    monkeypatch.setattr(wandb, "login", login)
    logger = begun(folder)
    assert logger.experiment.settings.mode == "offline"
    told = capsys.readouterr().out
    assert told.count("logged offline") == 1
    assert "no such host" in told
    assert "\x1b" not in told
    assert len(parts(folder)) == 1


def test_a_key_that_is_none_means_offline(folder, monkeypatch, capsys):
    monkeypatch.setenv("WANDB_API_KEY", "bad")
    assert begun(folder).experiment.settings.mode == "offline"
    assert "logged offline: WANDB_API_KEY invalid" in capsys.readouterr().out
    wandb.finish()
    wandb.teardown()  # it remembers the key


def test_a_server_that_refuses_the_run_means_offline(folder, monkeypatch, capsys):
    init = wandb.init

    def refusing(**options):
        if options["mode"] == "online":
            raise wandb.errors.CommError("permission denied")
        return init(**options)

    monkeypatch.setattr(wandb, "login", lambda prompt: True)
    monkeypatch.setattr(wandb, "init", refusing)
    assert begun(folder).experiment.settings.mode == "offline"
    assert capsys.readouterr().out.count("permission denied") == 1


def test_without_an_account_it_is_offline_without_a_word_and_leaves_the_next_job_alone(folder, capsys):
    begun(folder)
    assert "cannot be reached" not in capsys.readouterr().out
    assert "WANDB_MODE" not in os.environ


@pytest.mark.parametrize(("said", "parted"), [("offline", 1), ("dryrun", 1), ("disabled", 0)])
def test_what_wandb_mode_says_is_done_and_no_account_is_asked_for(folder, monkeypatch, said, parted):
    monkeypatch.setenv("WANDB_MODE", said)
    monkeypatch.setattr(wandb, "login", refuse)
    logger = begun(folder)
    loggers.publish([logger], RESULT, [])
    assert len(loggers.finish([logger], failed=False)) == parted
    assert len(parts(folder)) == parted


def test_a_mode_that_is_none_is_told(folder, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offlin")
    with pytest.raises(ValueError, match="WANDB_MODE=offlin is no mode of wandb; set it to online"):
        made(folder)


@pytest.mark.parametrize(("failed", "code"), [(True, 1), (False, 0)])
def test_a_run_that_fails_is_failed_in_wandb(folder, monkeypatch, failed, code):
    codes, end = [], wandb.finish
    monkeypatch.setattr(wandb, "finish", lambda exit_code=None: (codes.append(exit_code), end(exit_code=exit_code)))
    loggers.finish([begun(folder)], failed=failed)
    assert codes == [code]


def test_wandb_that_does_not_end_is_a_line(folder, monkeypatch):
    logger = begun(folder)
    with monkeypatch.context() as patch:
        patch.setattr(wandb, "finish", refuse)
        told, sync = loggers.finish([logger], failed=False)
    assert "warning: wandb did not end its run: Failed to authenticate" in told
    assert "wandb sync" in sync


def test_the_line_to_sync_names_all_attempts_of_a_run_and_no_other(folder, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    earlier = folder / "wandb" / f"offline-run-20200101_000000-{made(folder).version}"
    earlier.mkdir(parents=True)
    (folder / "wandb" / "offline-run-20200101_000000-00000000").mkdir()
    (told,) = loggers.finish([begun(folder)], failed=True)
    assert "'" in told, "the folder has a blank in its name"
    command, sync, *named = shlex.split(told.partition("to send it: ")[2])
    assert (command, sync) == ("wandb", "sync")
    assert sorted(map(Path, named)) == [path for path in parts(folder) if not path.name.endswith("-00000000")]
    assert len(named) == 2


def test_an_id_whose_writing_was_broken_off_is_made_anew(folder):
    (folder / "wandb-run-id").write_text("")
    known = made(folder).version
    assert re.fullmatch(r"[0-9a-f]{8}", known)
    assert made(folder).version == known


def test_nothing_but_what_is_logged_is_kept_for_wandb(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["/srv/program-name", "--secret-argument"])
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (4, 4)).save(tmp_path / "images.png")
    logger = begun(folder)
    loggers.publish([logger], RESULT, [tmp_path / "images.png"])
    (told,) = loggers.finish([logger], failed=False)
    assert "wandb sync" in told
    (part,) = parts(folder)
    for _ in range(100):  # what it writes comes from a process of its own
        sent = {path: path.read_bytes() for path in part.rglob("*") if path.is_file() and path.parent.name != "logs"}
        if any(b"0123456789abcdef" in content for content in sent.values()):
            break
        time.sleep(0.1)
    assert {path.suffix for path in sent} == {".wandb", ".png", ".json"}
    everything = b"\n".join([*sent.values(), *(str(path.relative_to(part)).encode() for path in sent)])
    assert b"0123456789abcdef" in everything, "the fingerprint is logged"
    everything = re.sub(rb"/\S*/artifacts/staging/\w+", b"", everything)  # where `wandb sync` takes the table from
    names = [socket.gethostname(), "secret-argument", "program-name", "secret-place", "torchmetrics", str(Path.cwd())]
    names += [str(Path(sys.executable).parent), os.uname().release, "requirements.txt", "wandb-metadata"]
    names += [getpass.getuser()] if len(getpass.getuser()) > 4 else []
    for name in filter(lambda name: len(name) > 3, names):
        assert name.encode() not in everything, name


@pytest.mark.slow
def test_a_run_that_is_broken_off_twice_names_both_attempts(tmp_path):
    long = [*SMALL, "trainer.max_epochs=100000", "logger=wandb", "results=out"]
    for attempts in (1, 2):
        process = start(*long, folder=tmp_path, HOME=str(tmp_path / "home"))
        while len(list(tmp_path.rglob("run-*.wandb"))) < attempts or not list(tmp_path.rglob("last.ckpt")):
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        printed, _ = process.communicate(timeout=100)
        (line,) = re.findall(r"^  logged offline; to send it: wandb sync (.*)$", printed, re.MULTILINE)
        assert len(shlex.split(line)) == attempts


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_logger_whose_package_is_not_here_says_what_to_install(folder, monkeypatch, name):
    monkeypatch.setattr(loggers, "find_spec", lambda _: None)
    options = {"experiment": "vitcrypt", "tracking_uri": None} if name == "mlflow" else {}
    with pytest.raises(ValueError, match=f"pip install {name}, or set logger=csv"):
        getattr(loggers, f"{name}_logger")(folder, CONFIG, **options)
