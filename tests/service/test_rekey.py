"""A bundle under another key: the same answers to the same pictures, and nothing of it where it cannot be."""

import hashlib

import pytest
import torch
from bundles import KEY, RESNET, written
from typer.testing import CliRunner

from vitcrypt.cli.main import app
from vitcrypt.data import normalise
from vitcrypt.encryption import ELE, ImageEncryption, Proposed
from vitcrypt.keys import Key
from vitcrypt.service import Bundle

SHAPE = (3, 16, 16)


def rekey(*arguments, code=0):
    result = CliRunner().invoke(app, ["rekey", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "described"), [(Proposed(4), "proposed"), (ELE(4), "ele")])
def test_the_network_answers_under_the_new_key_as_it_did_under_the_old(tmp_path, scheme, described):
    trained = {"identity": "01234567", "names": {"model": "vit_micro"}, "trained_sha256": "ab" * 32}
    old = written(tmp_path / "old", scheme={"name": described, "block_size": 4}, origin=trained)
    rekey(tmp_path / "old", tmp_path / "new", "--old-key", "test-0", "--new-key", "test-1")
    new = Bundle.read(tmp_path / "new")
    assert new.fingerprint == Key.test("test-1").fingerprint
    assert (new.classes, new.scheme) == (old.classes, old.scheme)
    images = torch.randint(0, 256, (8, *SHAPE), dtype=torch.uint8)
    under = {name: ImageEncryption(scheme, Key.test(name), SHAPE)(images) for name in ("test-0", "test-1")}
    expected = old.network()(normalise(under["test-0"]))
    assert torch.allclose(new.network()(normalise(under["test-1"])), expected, atol=1e-4)
    assert not torch.allclose(new.network()(normalise(under["test-0"])), expected, atol=1e-2)
    digest = hashlib.sha256((tmp_path / "old" / "bundle.json").read_bytes()).hexdigest()
    made_from = {"fingerprint": KEY.fingerprint, "bundle_sha256": digest}
    assert new.origin == trained | {"rekeyed_from": made_from}, "what was trained, and what it was made from"


@pytest.mark.parametrize(
    ("changes", "keys", "told"),
    [
        ({}, ("test-1", "test-2"), "--old-key is"),
        ({"key_scope": "per_image"}, ("test-0", "test-1"), "a key each"),
        (
            {"model": RESNET | {"adaptation": "none"}},
            ("test-0", "test-1"),
            "VisionTransformer only",
        ),
        ({"scheme": None}, ("test-0", "test-1"), "how the images were encrypted"),
    ],
)
def test_what_cannot_be_brought_under_another_key_is_an_error_and_leaves_nothing(tmp_path, changes, keys, told):
    written(tmp_path / "old", **changes)
    result = rekey(tmp_path / "old", tmp_path / "new", "--old-key", keys[0], "--new-key", keys[1], code=1)
    assert told in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_nothing_is_overwritten(tmp_path):
    written(tmp_path / "old")
    (tmp_path / "new").write_text("something of value")
    result = rekey(tmp_path / "old", tmp_path / "new", "--old-key", "test-0", "--new-key", "test-1", code=1)
    assert "never overwritten" in str(result.exception)
    assert (tmp_path / "new").read_text() == "something of value"
