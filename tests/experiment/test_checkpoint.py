"""Checkpoints that survive a full disk and refuse what they are not; histories and seeds that survive resuming."""

import errno
import os
import pickle
import resource
import zipfile

import numpy as np
import pytest
import torch
from lightning import Callback
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader

from vitcrypt.experiment.callbacks import EpochHistory, SeedSteps, diverged
from vitcrypt.experiment.checkpoint import STAMP, AtomicCheckpointIO, read_checkpoint
from vitcrypt.models import ImageClassifier
from vitcrypt.report.records import Epoch, Validation

CONTENT = {"epoch": 3, "state_dict": {"weight": torch.arange(5000.0), "bias": torch.zeros(2)}, "callbacks": {}}


def writer(identity="run-1"):
    return AtomicCheckpointIO({"identity": identity, "data": "digits"})


@pytest.fixture
def path(tmp_path):
    """Return the path of a whole checkpoint of run-1."""
    writer().save_checkpoint(CONTENT, tmp_path / "last.ckpt")
    return tmp_path / "last.ckpt"


# Writing


def test_what_is_saved_is_read_again_with_plain_values_and_the_stamp(path):
    read = read_checkpoint(path, "run-1")
    assert read["epoch"] == 3
    assert torch.equal(read["state_dict"]["weight"], torch.arange(5000.0))
    assert read[STAMP] == {"identity": "run-1", "data": "digits"}
    assert torch.load(path, weights_only=True).keys() == {"epoch", "state_dict", "callbacks", STAMP}
    assert STAMP not in CONTENT


def test_nothing_but_the_checkpoint_is_left_in_the_folder(path):
    writer().save_checkpoint({**CONTENT, "epoch": 4}, path)
    assert [entry.name for entry in path.parent.iterdir()] == ["last.ckpt"]
    assert read_checkpoint(path, "run-1")["epoch"] == 4


def test_the_folder_is_made_if_need_be(tmp_path):
    writer().save_checkpoint(CONTENT, tmp_path / "a" / "b" / "last.ckpt")
    assert read_checkpoint(tmp_path / "a" / "b" / "last.ckpt", "run-1")["epoch"] == 3


def on_sync(monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)


def on_write(monkeypatch):
    def full(checkpoint, file):
        file.write(b"half")
        raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed: No space left on device")

    monkeypatch.setattr(torch, "save", full)


@pytest.mark.parametrize("full", [on_sync, on_write])
def test_a_full_disk_keeps_the_earlier_checkpoint_and_says_so(path, monkeypatch, full):
    before = path.read_bytes()
    full(monkeypatch)
    with pytest.raises(OSError, match=r"cannot write .*last\.ckpt: .*No space left .*earlier epoch stays in .*repeat"):
        writer().save_checkpoint({**CONTENT, "epoch": 4}, path)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("full", [on_sync, on_write])
def test_a_disk_that_was_full_from_the_start_leaves_nothing_and_says_so(tmp_path, monkeypatch, full):
    full(monkeypatch)
    with pytest.raises(OSError, match=r"No space left .*there was none before"):
        writer().save_checkpoint(CONTENT, tmp_path / "last.ckpt")
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_the_system_cuts_short_keeps_the_earlier_checkpoint(path):
    before, limits = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    try:
        with pytest.raises(OSError, match="earlier epoch stays"):
            writer().save_checkpoint({**CONTENT, "epoch": 4}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["last.ckpt"]


# Reading


def data_of(path, name="data/0"):
    """Return where in the file the bytes of a member lie."""
    with zipfile.ZipFile(path) as archive:
        member = next(member for member in archive.infolist() if member.filename.endswith(name))
    raw = path.read_bytes()
    lengths = (int.from_bytes(raw[member.header_offset + at :][:2], "little") for at in (26, 28))
    return member.header_offset + 30 + sum(lengths), member.file_size


@pytest.mark.parametrize("name", ["data/0", "data/1", "data.pkl"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_flipped_byte_is_noticed(path, name, share):
    start, size = data_of(path, name)
    raw = bytearray(path.read_bytes())
    raw[start + int(share * size)] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"the checkpoint .*last\.ckpt is damaged .*resume=false"):
        read_checkpoint(path, "run-1")


@pytest.mark.parametrize("share", [0, 0.001, 0.3, 0.7, 0.999])
def test_a_truncated_checkpoint_is_damaged(path, share):
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])
    with pytest.raises(ValueError, match=r"the checkpoint .*last\.ckpt is damaged .*resume=false"):
        read_checkpoint(path, "run-1")


@pytest.mark.parametrize("content", [b"", b"<html>", bytes(4096), pickle.dumps({"epoch": 3})])
def test_a_file_that_is_no_checkpoint_is_damaged(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"the checkpoint .*last\.ckpt is damaged .*resume=false"):
        read_checkpoint(path, "run-1")


def test_a_checkpoint_never_executes_anything(path, tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "boom"),)

    torch.save({STAMP: {"identity": "run-1"}, "state_dict": Bomb()}, path)
    with pytest.raises(ValueError, match=r"is damaged"):
        read_checkpoint(path, "run-1")
    assert not (tmp_path / "boom").exists()


def test_a_checkpoint_of_another_run_is_refused_with_both_names(path):
    with pytest.raises(ValueError, match=r"is of another run \(run-1, this is run-2\).*resume=false"):
        read_checkpoint(path, "run-2")


def test_a_checkpoint_that_vitcrypt_did_not_write_is_refused(path):
    torch.save(CONTENT, path)
    with pytest.raises(ValueError, match=r"is of another run \(not one of vitcrypt, this is run-1\)"):
        read_checkpoint(path, "run-1")


@pytest.mark.parametrize("content", [torch.zeros(3), [1, 2], {STAMP: "run-1"}], ids=["tensor", "list", "text stamp"])
def test_a_file_of_tensors_that_is_no_checkpoint_is_refused(path, content):
    torch.save(content, path)
    with pytest.raises(ValueError, match=r"last\.ckpt"):
        read_checkpoint(path, "run-1")


# In a training


def loader(count=12):
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((count, 3, 4, 4), dtype=np.float32))
    items = [{"image": images[i : i + 4], "label": torch.arange(i, i + 4) % 3} for i in range(0, count, 4)]
    return DataLoader(items, batch_size=None)


def classifier(rate=0.1):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(48, 3))
    return ImageClassifier(network, 3, lambda parameters: torch.optim.SGD(parameters, lr=rate), schedule="constant")


class Draws(Callback):
    """Note what torch would draw next at the start of every batch."""

    def __init__(self):
        self.seen = {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        state = torch.get_rng_state()
        self.seen.setdefault(trainer.current_epoch, []).append(float(torch.rand(())))
        torch.set_rng_state(state)


@pytest.fixture
def train(tmp_path, make_trainer):
    """Return a function that trains in a folder, from its checkpoint if there is one."""

    def run(epochs, folder="run", seed=0, drawn_before=0, rate=0.1, stop_on_nan=False, **options):
        last = tmp_path / folder / "last.ckpt"
        saving = ModelCheckpoint(last.parent, "last", enable_version_counter=False, save_on_train_epoch_end=True)
        history, draws, module = EpochHistory(stop_on_nan), Draws(), classifier(rate)
        torch.manual_seed(drawn_before)
        trainer = make_trainer(
            max_epochs=epochs,
            callbacks=[history, SeedSteps(seed), draws, saving],
            plugins=[writer()],
            enable_checkpointing=True,
            **options,
        )
        resumed = str(last) if last.exists() else None
        trainer.fit(module, loader(), loader(8), ckpt_path=resumed, weights_only=True)
        return module, history.epochs, draws.seen, last

    return run


@pytest.mark.parametrize("interrupted", [1, 3])
def test_a_resumed_training_ends_where_an_uninterrupted_one_does(train, interrupted):
    whole, history, draws, _ = train(4, "whole")
    _, first, _, last = train(interrupted, "parts")
    assert read_checkpoint(last, "run-1")["epoch"] == interrupted - 1
    resumed, full, later, last = train(4, "parts", drawn_before=1)
    assert read_checkpoint(last, "run-1")["epoch"] == 3
    assert later == {epoch: draws[epoch] for epoch in range(interrupted, 4)}
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name])
    assert full[:interrupted] == first
    for one, other in zip(full, history, strict=True):
        assert {**one, "seconds": 0, "peak_gib": 0} == {**other, "seconds": 0, "peak_gib": 0}


def test_a_finished_training_is_not_repeated(train):
    first, history, _, last = train(2)
    raw = last.read_bytes()
    again, same, draws, _ = train(2, drawn_before=1)
    assert (same, draws) == (history, {})
    assert last.read_bytes() == raw
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])


def test_the_history_names_every_epoch_its_steps_and_its_measures(train):
    _, history, _, last = train(3)
    assert [epoch["epoch"] for epoch in history] == [0, 1, 2]
    assert [epoch["step"] for epoch in history] == [3, 6, 9]
    for epoch in history:
        measures = {"train/loss", "train/acc", "val/loss", "val/acc"}
        assert epoch.keys() == {"epoch", "step", "seconds", "peak_gib", *measures}
        assert epoch["seconds"] > 0
        assert all(isinstance(value, int | float) for value in epoch.values())
    callbacks = read_checkpoint(last, "run-1")["callbacks"]
    (kept,) = (state for name, state in callbacks.items() if name.startswith("EpochHistory"))
    assert kept == {"epochs": history}


@pytest.mark.parametrize("interrupted", [None, 2, 3])
def test_only_epochs_that_validated_have_measures_of_validation(train, interrupted, capsys):
    every_other = {"check_val_every_n_epoch": 2}
    if interrupted:
        train(interrupted, **every_other)
    _, history, _, _ = train(5, **every_other)
    assert ["val/loss" in epoch and "val/acc" in epoch for epoch in history] == [False, True, False, True, False]
    assert Validation.of(Epoch(**epoch) for epoch in history).last == history[3]["val/acc"]
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert ["val/" in line for line in lines][-2:] == [True, False]


@pytest.mark.parametrize("stop_on_nan", [True, False])
def test_a_training_whose_loss_is_no_number_ends_unless_it_is_to_go_on(train, stop_on_nan):
    _, history, _, _ = train(4, rate=float("inf"), stop_on_nan=stop_on_nan)
    assert diverged(history) == 1
    assert len(history) == (1 if stop_on_nan else 4)
    assert diverged(train(2, "other")[1]) is None


def test_a_line_an_epoch_is_printed_where_there_is_no_terminal(train, capsys, monkeypatch):
    train(2, "quiet")
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert all("train/loss " in line and "val/acc " in line and line.endswith(" s") for line in lines)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    train(1, "loud")
    assert "epoch" not in capsys.readouterr().out


def test_what_is_drawn_depends_on_seed_epoch_and_step_and_on_nothing_drawn_before(train):
    _, _, draws, _ = train(2, "one")
    _, _, again, _ = train(2, "two", drawn_before=7)
    _, _, others, _ = train(2, "three", seed=1)
    assert draws == again
    assert len({*draws[0], *draws[1], *others[0], *others[1]}) == 12


def test_a_disk_that_fills_during_training_keeps_the_epoch_before(train, monkeypatch):
    _, _, _, last = train(2)
    before = last.read_bytes()
    on_sync(monkeypatch)
    with pytest.raises(OSError, match=r"No space left .*earlier epoch stays"):
        train(4)
    assert last.read_bytes() == before
    assert read_checkpoint(last, "run-1")["epoch"] == 1
