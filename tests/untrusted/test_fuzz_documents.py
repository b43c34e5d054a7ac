"""2,000 changed descriptions: each is refused in one line, or says exactly what is then used."""

import copy
import hashlib
import json
import shutil

import pytest
import torch
from bundles import GOOD, RECORD, VIT, described, written
from mutations import mutations
from watching import nothing_happens

from vitcrypt.data import Manifest
from vitcrypt.encryption import Proposed
from vitcrypt.experiment.export import export
from vitcrypt.service import Bundle
from vitcrypt.service.documents import Answers, Info, read_description
from vitcrypt.untrusted.documents import parse_document

COUNT = 350


def fuzzed(document, read, path, signed=lambda text: text):
    """Read all changed copies; return what was read of those that were not refused, with what they said."""
    survived = []
    for text in map(signed, mutations(document, COUNT)):
        data = text.encode(errors="surrogatepass")
        path.write_bytes(data)
        try:
            with nothing_happens():
                made = read(data)
        except (ValueError, FileNotFoundError) as error:
            told = str(error)
            assert told.isprintable(), (told, text[:300])
            assert len(told) < 2000
        else:
            survived.append((made, json.loads(text)))
    assert 0 < len(survived) < COUNT / 2
    return survived


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    written(folder)
    return folder


@pytest.mark.slow
def test_bundles(bundle, tmp_path):
    folder = shutil.copytree(bundle, tmp_path / "bundle")
    expected = Bundle.read(bundle).network().state_dict()

    def read(_):
        read = Bundle.read(folder)
        return read, read.network().state_dict()

    for (made, state), said in fuzzed(json.loads((bundle / "bundle.json").read_text()), read, folder / "bundle.json"):
        assert made.described.values() == {name: said[name] for name in made.described.values()}
        assert made.for_clients() == described().for_clients(), "client.json says so"
        assert all(torch.equal(value, state[name]) for name, value in expected.items())


def test_descriptions_for_clients(tmp_path):
    path = tmp_path / "client.json"
    for made, said in fuzzed(GOOD, lambda _: read_description(path), path):
        assert {"format": said["format"], **made.model_dump(exclude_unset=True)} == said


@pytest.mark.parametrize("kind", [Info, Answers])
def test_answers_of_services(tmp_path, kind):
    score = {"label": 1, "name": "dog", "probability": 0.75}
    answers = {"predictions": [{**score, "top": [score, {"label": 0, "name": "cat", "probability": 0.25}]}]}
    info = {**GOOD, "limits": {"max_images": 256, "max_bytes": 2**25}, "served": {"identity": "01234567"}}
    document = info if kind is Info else answers
    for made, said in fuzzed(document, lambda data: parse_document(data, kind, "http://x/info"), tmp_path / "answer"):
        assert made.model_dump(exclude_unset=True) == said


def test_manifests(tmp_path):
    path = tmp_path / "manifest.json"
    names = {f"train/{name}/{i}.png": 2 * i + k for k, name in enumerate(("cat", "dog")) for i in range(2)}
    sums = dict.fromkeys(names, "0" * 64)
    honest = Manifest(Proposed(4), 16, "bilinear", "shared", "01" * 8, None, ["cat", "dog"], "0" * 64, names, sums)

    def signed(text):
        try:
            content = json.loads(text)
        except (ValueError, RecursionError):
            return text
        bare = {name: value for name, value in content.items() if name not in ("format", "checksum")}
        return json.dumps(
            {**content, "checksum": hashlib.sha256(json.dumps(bare, sort_keys=True).encode()).hexdigest()}
        )

    for made, said in fuzzed(json.loads(honest.text()), lambda _: Manifest.read(path), path, signed):
        assert json.loads(made.text()) == said


@pytest.mark.slow
def test_records_of_runs(tmp_path):
    document = {"format": "vitcrypt result 1", **copy.deepcopy(RECORD), "more": [1, "x"]}
    document["config"]["model"] = {**VIT, "epochs": 5, "optimizer": {"_target_": "torch.optim.SGD", "lr": 0.1}}

    def read(_):
        with pytest.raises(FileNotFoundError, match=r"has no last\.ckpt"):  # it comes after all else was read
            export(tmp_path, tmp_path / "out")
        return True

    fuzzed(document, read, tmp_path / "result.json")
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
