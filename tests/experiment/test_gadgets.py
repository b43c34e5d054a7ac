"""Bundles and run folders of another party are data: nothing of what they name is run, written or asked for."""

import copy
import json
import os
import resource
import shutil
import zipfile

import pytest
import torch
from bundles import RECORD, VIT, written
from gadgets import PRIVATE, networks
from recorded import stored
from watching import nothing_happens

from vitcrypt.experiment.export import export
from vitcrypt.keys import Key
from vitcrypt.service import Bundle
from vitcrypt.service.backends import load_backend
from vitcrypt.service.rekey import rekey_bundle

OLD, NEW = Key.test("test-0"), Key.test("test-1")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    written(folder)
    load_backend(Bundle.read(folder), "torch", 1)  # what is loaded once is loaded
    return folder


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    monkeypatch.setenv("PRIVATE", PRIVATE)


def refused(action, *arguments) -> str:
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        action(*arguments)
    told = str(error.value)
    assert told.isprintable()
    assert PRIVATE not in told
    return told


def test_no_network_of_a_bundle_is_anything_but_numbers(bundle, tmp_path):
    marker, foreign = tmp_path / "outside" / "written", shutil.copytree(bundle, tmp_path / "bundle")
    marker.parent.mkdir()
    described = json.loads((bundle / "bundle.json").read_text())
    for name, network in networks(VIT["network"], marker):
        changed = copy.deepcopy(described)
        changed["model"]["network"] = network
        (foreign / "bundle.json").write_text(json.dumps(changed))
        with nothing_happens():
            refused(lambda: load_backend(Bundle.read(foreign), "torch", 1))
            refused(rekey_bundle, foreign, tmp_path / "out", OLD, NEW)
        assert not list(marker.parent.iterdir()), name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "outside"]


@pytest.mark.parametrize("place", [["model"], ["origin"], ["origin", "names"], ["scheme"], ["files"], []])
def test_nothing_is_built_anywhere_else_in_a_bundle(bundle, tmp_path, place):
    foreign = shutil.copytree(bundle, tmp_path / "bundle")
    for value in ({"_target_": "os.system"}, "${oc.env:PRIVATE}", "${oc.create:{a: 1}}"):
        changed = json.loads((bundle / "bundle.json").read_text())
        node = changed
        for part in place:
            node = node[part]
        node["_target_" if isinstance(value, dict) else "added"] = value
        (foreign / "bundle.json").write_text(json.dumps(changed))
        with nothing_happens():
            refused(Bundle.read, foreign)


def test_no_record_of_a_run_is_anything_but_data(tmp_path):
    marker, run = tmp_path / "outside" / "written", tmp_path / "run"
    marker.parent.mkdir()
    run.mkdir()
    for name, network in networks(VIT["network"], marker):
        record = copy.deepcopy(RECORD)
        record["config"]["model"]["network"] = network
        stored(run, record)
        with nothing_happens():
            refused(export, run, tmp_path / "out")
        assert not list(marker.parent.iterdir()), name
    for value in ({"_target_": "os.system"}, {"_target_": "vitcrypt.run.main"}, {"_target_": 5}, {"block_size": {}}):
        stored(run, RECORD | {"config": RECORD["config"] | {"encryption": value}})
        with nothing_happens():
            refused(export, run, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "run"]


def test_the_same_record_with_an_honest_network_lacks_its_checkpoint_alone(tmp_path):
    stored(tmp_path, RECORD)
    assert "has no last.ckpt" in refused(export, tmp_path, tmp_path / "out")


@pytest.mark.parametrize("name", ["bundle.json", "client.json", "model.safetensors", "model.onnx"])
def test_links_in_a_bundle_are_not_followed(bundle, tmp_path, name):
    foreign = shutil.copytree(bundle, tmp_path / "bundle")
    (foreign / name).rename(tmp_path / "elsewhere")
    (foreign / name).symlink_to(tmp_path / "elsewhere")
    assert "is a link" in refused(Bundle.read, foreign)


def test_records_from_before_numbers_were_checked_are_read(tmp_path):
    """Older runs wrote NaN, which is no JSON."""
    stored(tmp_path, RECORD)
    path = tmp_path / "result.json"
    path.write_text(path.read_text().replace('"classes"', '"history": [NaN, Infinity], "classes"'))
    assert "has no last.ckpt" in refused(export, tmp_path, tmp_path / "out")


@pytest.mark.parametrize("kind", ["deflated", "overlapping", "pickle", "text", "link", "pipe"])
def test_a_checkpoint_that_is_no_archive_of_plain_tensors_is_refused(tmp_path, kind):
    stored(tmp_path, RECORD)
    path = tmp_path / "last.ckpt"
    if kind in ("deflated", "overlapping"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED if kind == "deflated" else zipfile.ZIP_STORED) as archive:
            archive.writestr("archive/data.pkl", bytes(10**5))
            archive.filelist += archive.filelist[:] * 20 * (kind == "overlapping")
    elif kind == "pickle":
        torch.save({"vitcrypt": {"identity": RECORD["identity"]}, "state_dict": Gadget()}, path)
    elif kind == "text":
        path.write_text("no archive")
    elif kind == "link":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(path)
    with nothing_happens():
        refused(export, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


class Gadget:
    """What runs a program when it is unpickled."""

    def __reduce__(self):
        return os.system, ("touch gadget",)


@pytest.mark.slow
@pytest.mark.parametrize("change", [{"depth": 100}, {"embed_dim": 9_000}, {"img_size": 4096, "patch_size": 1}])
def test_a_description_of_a_large_network_costs_nothing(bundle, tmp_path, change):
    foreign = shutil.copytree(bundle, tmp_path / "bundle")
    described = json.loads((bundle / "bundle.json").read_text())
    described["model"]["network"] |= change
    (foreign / "bundle.json").write_text(json.dumps(described))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(lambda: Bundle.read(foreign).network())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000, "KiB"
