"""SIGKILL at any moment of export and rekey: the same command finishes, and nothing stays beside the result."""

import signal
import time
import zipfile
from pathlib import Path

import pytest
from bundles import ran, written
from forked import Forked
from program import environment

from vitcrypt.service import Bundle

ARCHIVE = Path(__file__).parents[1] / "made_by_9cbd45c.zip"
BUNDLE = ["bundle.json", "client.json", "model.onnx", "model.safetensors"]


def killed_and_repeated(folder, arguments, mark) -> None:
    """Kill a command as soon as this name appears in the folder, then let it finish."""
    process = Forked("vitcrypt", arguments, folder, environment())
    while process.poll() is None and not list(folder.glob(mark)):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = ran(*arguments, folder=folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["export", "rekey"])
def test_bundles(tmp_path, verb):
    if verb == "export":
        with zipfile.ZipFile(ARCHIVE) as archive:
            archive.extractall(tmp_path / "old")
        (source,) = (tmp_path / "old/results/npz/proposed/vit_tiny").iterdir()
        keys = []
    else:
        written(source := tmp_path / "source")
        keys = ["--old-key", "test-0", "--new-key", "test-1"]
    work = tmp_path / "work"
    work.mkdir()
    last = "model.safetensors" if verb == "export" else "client.json"
    killed_and_repeated(work, [verb, source, "out", *keys], f".out.*.part/{last}")
    assert [path.name for path in work.iterdir()] == ["out"]
    assert sorted(path.name for path in (work / "out").iterdir()) == BUNDLE
    assert Bundle.read(work / "out").network()
