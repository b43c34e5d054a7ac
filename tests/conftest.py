"""Fixtures that several rooms share."""

import gc
import os
import shutil
import tempfile

import pytest

# the process that hands out the tests loads this file too: libraries are imported where they are used


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder in which all processes keep the graphs that they exported: see `bundles`."""
    if not hasattr(config, "workerinput"):
        os.environ["VITCRYPT_TEST_GRAPHS"] = tempfile.mkdtemp()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the slow tests: a long one at the end would leave the other processes idle."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Let the garbage collector pass over all that was imported, again and again, during the tests."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure(config: pytest.Config) -> None:
    gc.unfreeze()
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ["VITCRYPT_TEST_GRAPHS"])


@pytest.fixture
def make_trainer(tmp_path):
    """Return a function that builds a silent one-device Trainer, as `vitcrypt.experiment.training_run` does."""
    from lightning import Trainer

    def make(**options):
        silent = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
        usual = {"accelerator": "cpu", "devices": 1, "enable_checkpointing": False, "num_sanity_val_steps": 0}
        return Trainer(default_root_dir=tmp_path, use_distributed_sampler=False, **{**silent, **usual, **options})

    return make


@pytest.fixture
def vitcrypt(monkeypatch, tmp_path, capfd):
    """Call the console script in an empty folder: vitcrypt("key", "new") -> (exit code, what was printed)."""
    from vitcrypt.cli import main

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


@pytest.fixture(scope="module")
def splits():
    """Return training, validation and test images that tell their indices, 8 x 8."""
    from batches import arrays

    from vitcrypt.data import TEST_INDEX, Splits

    return Splits(arrays(26), arrays(11, TEST_INDEX), [str(i) for i in range(7)], val=arrays(9, TEST_INDEX // 2))


@pytest.fixture
def ran(make_trainer):
    """Return a function that trains a Recorder for some epochs and returns it."""
    from batches import Recorder

    def run(data, epochs=1, **options):
        recorder = Recorder()
        make_trainer(max_epochs=epochs, **options).fit(recorder, datamodule=data)
        return recorder

    return run


@pytest.fixture
def undrawn(monkeypatch):
    """Leave all figures empty, where a test is about something else: they take a third of the time of a small run."""
    from PIL import Image

    def draw(figure, file, dpi):
        Image.new("RGB", (8, 8)).save(file, "PNG")

    monkeypatch.setattr("vitcrypt.report.figures.draw", draw)
