"""Names and values in arrays are what dictionaries of them are, and a manifest written from them is json's own."""

import io
import json
import pickle

import numpy as np
import pytest

from vitcrypt.data import Manifest
from vitcrypt.data.columns import Column, Hex, Index, Names
from vitcrypt.data.entries import Entries, cut_out, written
from vitcrypt.encryption import Plain

TEXTS = ["train/é.png", "b", "a", 'with "quotes" and \\', "\U0001f600", "\udc80", "a b", "z" * 200, "B/1", "ü"]


@pytest.fixture
def of_dict():
    random = np.random.default_rng(0)
    return {name: int(random.integers(0, 2**40)) for name in TEXTS}, random.integers(0, 256, (len(TEXTS), 32), np.uint8)


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[:6], [f"{i * 7919 % 1000}" for i in range(1000)], []])
def test_names_are_found_listed_and_sorted_as_python_does(texts):
    names = Names(texts)
    assert list(names) == texts
    assert [names.find(name) for name in texts] == list(range(len(texts)))
    assert [names[i] for i in names.in_order().tolist()] == sorted(texts)
    assert names.find("none") == names.find(5) == -1
    assert pickle.loads(pickle.dumps(names)) == names
    if texts:
        with pytest.raises(ValueError, match="twice"):
            Names([*texts, texts[0]])


def test_a_column_is_a_dictionary(of_dict):
    numbers, sums = of_dict
    names = Names(numbers)
    index, sha256 = Index.of(numbers), Column(names, Hex(sums))
    assert index == numbers
    assert dict(sha256.items()) == {name: bytes(of).hex() for name, of in zip(numbers, sums, strict=True)}
    assert list(index.values()) == list(numbers.values())
    assert "none" not in index
    with pytest.raises(KeyError):
        index["none"]


@pytest.mark.parametrize("in_order", [False, True])
@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("noted", [(), ("sha256",), ("origin",), ("sha256", "origin")])
def test_files_are_written_as_json_writes_them_and_read_back(of_dict, noted, indent, in_order, monkeypatch):
    monkeypatch.setattr("vitcrypt.data.entries.PIECE", 700)
    numbers, sums = of_dict
    columns = {"sha256": Column(Names(numbers), Hex(sums)), "origin": Column(Names(numbers), Hex(sums[:, :16]))}
    entries = Entries(Index.of(numbers), *(columns[what] if what in noted else {} for what in ("sha256", "origin")))
    plain = {name: {"index": n, **{what: columns[what][name] for what in noted}} for name, n in numbers.items()}
    whole = json.dumps({"files": plain}, indent=indent, sort_keys=in_order)
    assert "".join(written(entries, bool(indent), in_order)) == whole[whole.index("{", 1) : whole.rindex("}")].rstrip()
    if in_order and len(noted) == 2:
        return  # only for the digest
    frame, found = cut_out(io.BytesIO(whole.encode()))
    assert json.loads(frame) == {"files": {}}
    assert (found.index, found.sha256, found.origin) == (numbers, dict(entries.sha256), dict(entries.origin))


@pytest.mark.parametrize(
    "files",
    [
        '"a": {"index": 1}, "a": {"index": 2}',
        '"a": {"index": 01}',
        '"a": {"index": 1.0}',
        '"a": {"index": -1}',
        '"a": {"index": 1, "sha256": "A"}',
        '"a": {"index": 1, "more": 1}',
        '"a": {"index": 1}, "b": {"index": 2, "sha256": "' + "0" * 64 + '"}',
        '"a\n": {"index": 1}',
        '"a": {"index": 1},',
        "",
    ],
)
def test_entries_of_another_kind_are_left_to_the_reader_of_any_json(files):
    assert cut_out(io.BytesIO(f'{{"files": {{{files}}}}}'.encode())) is None


def test_a_manifest_of_arrays_is_the_one_of_dictionaries(tmp_path):
    names = ["ant/0.png", "bee/1.png"]
    values = {"index": dict(zip(names, (5, 3), strict=True)), "sha256": dict.fromkeys(names, "ab" * 32)}
    plain = Manifest(Plain(), 8, "bilinear", "shared", None, None, ["ant", "bee"], "0" * 64, **values)
    plain.write(tmp_path / "manifest.json")
    found = Manifest.read(tmp_path / "manifest.json")
    assert isinstance(found.index, Index)
    assert found == plain
    assert (found.digest, found.text()) == (plain.digest, plain.text())
    content = json.loads((tmp_path / "manifest.json").read_text())
    assert (tmp_path / "manifest.json").read_text() == json.dumps(content, indent=1) + "\n"
