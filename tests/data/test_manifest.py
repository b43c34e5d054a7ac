"""What a manifest may say: every field is typed and bounded, whoever wrote it."""

import gc
import os
import weakref

import pytest
from commands import COMMANDS, described, refused_by_all
from samples import class_folders

from vitcrypt.data import Manifest, folder
from vitcrypt.data.stamp import stamp_data
from vitcrypt.encryption import Proposed

WRONG = [
    ("fingerprint", "x/../../../../../up"),
    ("fingerprint", "\x1b]0;title\x07\x1b[2J"),
    ("fingerprint", "A" * 16),
    ("fingerprint", 7),
    ("fingerprint", None),
    ("public_test_key", "test-x"),
    ("public_test_key", ["test-0"]),
    ("image_size", -4),
    ("image_size", 0),
    ("image_size", "16"),
    ("image_size", 16.0),
    ("image_size", True),
    ("image_size", None),
    ("image_size", 60000),
    ("image_size", 18),
    ("key_scope", "x"),
    ("interpolation", "nearest"),
    ("interpolation", None),
    ("classes", "ant"),
    ("classes", []),
    ("classes", ["ant", "bee", "bee"]),
    ("classes", ["ant"]),
    ("classes", ["ant", "bee", "../up"]),
    ("classes", ["ant", "bee", ".."]),
    ("classes", ["ant", "bee", "\x1b[2J"]),
    ("classes", ["ant", "bee", 3]),
    ("classes", {"ant": 0, "bee": 1}),
    ("source", "x"),
    ("source", None),
    ("files", {}),
    ("files", []),
    ("scheme", {"name": "proposed", "block_size": 0}),
    ("scheme", {"name": "proposed", "block_size": 4, "more": 1}),
    ("scheme", {"name": "proposed", "block_size": 10**9}),
    ("scheme", {"name": "_target_", "block_size": 4}),
    ("scheme", "proposed"),
    ("more", 1),
]


@pytest.mark.parametrize(("field", "value"), WRONG, ids=lambda value: ascii(value)[:30])
def test_every_field_of_a_manifest_is_typed_and_bounded(enc, field, value):
    described(enc, lambda content: content.update({field: value}))
    with pytest.raises(ValueError, match=r"cannot use .*manifest\.json: .*take it from its owner again") as told:
        Manifest.of(enc)
    assert str(told.value).isprintable()


@pytest.mark.parametrize("index", ["0", None, -1, 2**63, 2**70, 1.5, True, "of another"], ids=repr)
def test_indices_are_whole_numbers_in_range_and_each_of_them_once(enc, index):
    def change(content):
        entries = list(content["files"].values())
        entries[0]["index"] = entries[1]["index"] if index == "of another" else index

    described(enc, change)
    with pytest.raises(ValueError, match="index"):
        Manifest.of(enc)


NAMES = [
    "/a.png",
    "../a.png",
    "ant/../a.png",
    "ant//a.png",
    "ant/./a.png",
    "ant/a.jpg",
    "ant/.png",
    "cow/a.png",
    "a.png",
]
NAMES += ["ant\\a.png", "ant/\x00.png", "ant/\x1b[2J.png", "ant/" + "a" * 300 + ".png", ""]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_files_of_a_manifest_are_png_files_in_its_class_folders(enc, name):
    described(enc, lambda content: content["files"].update({name: {"index": 99, "sha256": "0" * 64}}))
    with pytest.raises(ValueError, match="cannot use"):
        Manifest.of(enc)
    with pytest.raises(ValueError, match=r"names no \.png file inside of the folder|lies in no class folder"):
        Manifest(Proposed(4), 16, "bilinear", "shared", "0" * 16, None, ["ant"], "0" * 64, {name: 0})


@pytest.mark.parametrize(
    "nested", ["[" * 200_000 + "]" * 200_000, '{"a":' * 100_000 + "1" + "}" * 100_000, "9" * 10_000]
)
def test_a_manifest_without_end_is_refused_by_every_command(enc, tmp_path, nested):
    (enc / "manifest.json").write_text(f'{{"format": "vitcrypt folder, version 1", "classes": {nested}}}')
    refused_by_all(enc, tmp_path, "cannot use")


def test_a_manifest_in_use_is_read_once_and_again_when_its_file_is_another(enc, monkeypatch):
    read, before = [], Manifest._parsed
    monkeypatch.setattr(Manifest, "_parsed", lambda file: read.append(file) or before(file))
    held = Manifest.of(enc)[1]
    assert folder(str(enc), 16).train is not None
    assert stamp_data({"_target_": "vitcrypt.data.folder", "root": str(enc)}).images
    assert len(read) == 1
    described(enc, lambda content: content.update(source="0" * 64))
    assert Manifest.of(enc)[1].source != held.source
    assert len(read) == 2
    kept = weakref.ref(held)
    del held
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_manifest_is_a_regular_file(enc, tmp_path, kind):
    (enc / "manifest.json").rename(tmp_path / "elsewhere.json")
    if kind == "link":
        (enc / "manifest.json").symlink_to(tmp_path / "elsewhere.json")
    else:
        os.mkfifo(enc / "manifest.json")
    for command in COMMANDS.values():
        with pytest.raises((ValueError, FileNotFoundError)):
            command(enc, tmp_path / "out")


@pytest.mark.parametrize(
    "change", [("vitcrypt folder", "vitcrypu folder"), ('"format"', '"forma"'), ('"index"', '"in"'), None]
)
def test_a_manifest_that_is_damaged_anywhere_is_not_taken_for_none(enc, tmp_path, change):
    path = enc / "manifest.json"
    path.write_text(path.read_text().replace(*change) if change else "")
    refused_by_all(enc, tmp_path, "cannot use")


def test_a_manifest_of_another_program_is_none_of_ours(tmp_path):
    class_folders(tmp_path / "set", {"ant": 6, "bee": 6})
    (tmp_path / "set" / "manifest.json").write_text('{"name": "a page"}')
    assert Manifest.of(tmp_path / "set") is None
    assert folder(str(tmp_path / "set"), 8).classes == ["ant", "bee"]
