"""Fixtures that several rooms share."""

import pytest
from lightning import Trainer

from vitcrypt.cli import main


@pytest.fixture
def make_trainer(tmp_path):
    """Return a function that builds a silent one-device Trainer, as `vitcrypt.training` does."""

    def make(**options):
        silent = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        usual = {"accelerator": "cpu", "devices": 1, "enable_checkpointing": False, "num_sanity_val_steps": 0}
        return Trainer(default_root_dir=tmp_path, use_distributed_sampler=False, **{**silent, **usual, **options})

    return make


@pytest.fixture
def vitcrypt(monkeypatch, tmp_path, capfd):
    """Call the console script in an empty folder: vitcrypt("key", "new") -> (exit code, what was printed)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VITCRYPT_KEY_FILE", raising=False)
    monkeypatch.delenv("VITCRYPT_PASSPHRASE", raising=False)

    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["vitcrypt", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfd.readouterr()
        return ended.value.code or 0, out + err

    return call
