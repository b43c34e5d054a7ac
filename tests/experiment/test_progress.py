"""What a training is said to take follows from the batches that are left, and is said once."""

import time
from types import SimpleNamespace

import pytest
import torch

from vitcrypt.experiment import progress


def trainer(**values):
    """As much of a trainer as is asked for."""
    usual = {"num_training_batches": 10, "max_epochs": 5, "current_epoch": 0, "max_steps": -1, "global_step": 0}
    return SimpleNamespace(**{**usual, "accumulate_grad_batches": 1, "is_global_zero": True, **values})


@pytest.mark.parametrize(
    ("values", "batch", "left"),
    [
        ({}, 0, 49),
        ({"current_epoch": 4}, 9, 0),
        ({"current_epoch": 2}, 4, 25),
        ({"max_epochs": -1, "max_steps": 30, "global_step": 20}, 3, 10),
        ({"max_epochs": -1, "max_steps": 30, "global_step": 20, "accumulate_grad_batches": 2}, 3, 20),
        ({"max_steps": 12, "global_step": 10}, 9, 2),
    ],
)
def test_batches_left_follow_from_epochs_or_steps(values, batch, left):
    assert progress.batches_left(trainer(**values), batch) == left


@pytest.mark.parametrize(("epochs", "told"), [(1000, 1), (5, 0)])
def test_a_long_training_is_told_once_and_a_short_one_never(monkeypatch, capsys, epochs, told):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    estimate, module = progress.Estimate(), SimpleNamespace(device=torch.device("cpu"))
    for batch in range(10):
        now[0] += 0.5 if batch >= progress.FIRST else 60  # the first ones are slow
        estimate.on_train_batch_end(trainer(max_epochs=epochs), module, None, None, batch)
    printed = capsys.readouterr().out
    assert printed.count("to train, until") == told
    assert ("about 1.4 h to train" in printed) == bool(told)
