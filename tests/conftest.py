"""Fixtures that several rooms share."""

import pytest
from lightning import Trainer


@pytest.fixture
def make_trainer(tmp_path):
    """Return a function that builds a silent one-device Trainer, as `vitcrypt.training` does."""

    def make(**options):
        silent = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        usual = {"accelerator": "cpu", "devices": 1, "enable_checkpointing": False, "num_sanity_val_steps": 0}
        return Trainer(default_root_dir=tmp_path, use_distributed_sampler=False, **{**silent, **usual, **options})

    return make
