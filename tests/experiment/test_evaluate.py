"""`vitcrypt evaluate`: a run tested alone, on its own images or others, its result untouched."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from watching import nothing_happens

from vitcrypt.experiment.evaluate import evaluate

ARCHIVE = Path(__file__).parents[1] / "made_by_9cbd45c.zip"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run that an earlier version finished, in the folder where it was made."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    for key in tmp_path.glob("*.txt"):
        key.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    (folder,) = Path("results/npz/proposed/vit_tiny").iterdir()
    return folder


def test_a_run_is_tested_again_and_its_result_stays(run, vitcrypt, monkeypatch):
    before = (run / "result.json").read_bytes()
    metrics, path = evaluate(run, [])
    recorded = json.loads(before)
    assert metrics["acc"] == recorded["metrics"]["acc"]
    assert metrics["loss"] == pytest.approx(recorded["metrics"]["loss"], abs=1e-3)
    written = json.loads(path.read_text())
    assert written["trained_sha256"] == recorded["weights"]["trained_sha256"]
    assert (written["format"], written["run"], written["metrics"]) == (
        "vitcrypt evaluation 1", recorded["identity"], metrics
    )  # fmt: skip
    assert "plain.txt" not in path.read_text()
    assert (run / "result.json").read_bytes() == before


def test_other_data_another_key_and_a_run_that_is_not_finished(run):
    own = evaluate(run, [])[1]
    shutil.copy("d.npz", "other.npz")
    (broken,) = Path("broken/npz/le/vit_tiny").iterdir()
    paths = {own, evaluate(run, ["data.root=other.npz"])[1], evaluate(run, ["key=test-3"])[1]}
    assert len(paths) == 3
    assert evaluate(run / "last.ckpt", [])[1] == own
    assert evaluate(broken, [])[0]["images"] == 8


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["data=digits"], "tells 2 classes apart .* images have 10"),
        (["model.nonsense=1"], "there is no model.nonsense"),
        (["data.root=nosuch.npz"], "nosuch.npz"),
        (["model.network.depth=2"], "weights of another network"),
        (["results=elsewhere"], "makes no use of results"),
        (["seed=1,2"], "give one value"),
    ],
)
def test_what_does_not_fit_is_refused(run, overrides, told):
    with pytest.raises((ValueError, FileNotFoundError), match=told):
        evaluate(run, overrides)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: &x [1]\nb: [*x, *x]\n", "holds an alias"),
        (f"a: {'[' * 10**5}", "nested too deep"),
        ("seed: 0\nseed: 1\n", "is damaged"),
        ("[1, 2", "is damaged"),
        ("data: {}\n", "it lacks"),
        ("!!python/object/apply:os.system ['touch gadget']\n", "is damaged"),
    ],
)
def test_a_configuration_of_someone_else_is_data(run, text, told):
    (run / "config.yaml").write_text(text)
    with nothing_happens(), pytest.raises(ValueError, match=told):
        evaluate(run, [])


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("vitcrypt.encryption.Proposed", "os.system", "os.system is not allowed"),
        ("timm.create_model", "os.system", "os.system is not allowed"),
        ("allow_targets: []", "allow_targets: [os]\nkey_scope: 1", "key_scope"),
        ("interpolation: bilinear", "interpolation: ${oc.env:HOME}", "interpolation"),
    ],
)
def test_nor_does_it_name_code_or_read_the_environment(run, old, new, told):
    path = run / "config.yaml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with nothing_happens(), pytest.raises(ValueError, match=told):
        evaluate(run, [])
