"""The console script: keys, and the table of results."""

import json

import pytest
from typer.testing import CliRunner

from vitcrypt.cli.main import app
from vitcrypt.keys import Key
from vitcrypt.report import write_result


def test_a_new_key_is_shown_by_its_fingerprint_and_checked(vitcrypt, tmp_path):
    code, printed = vitcrypt("key", "new", "mine.txt")
    fingerprint = Key.read(tmp_path / "mine.txt").fingerprint
    assert code == 0
    assert fingerprint in printed
    secret = (tmp_path / "mine.txt").read_text().split("secret: ")[1].split()[0]
    for verb in ("show", "check"):
        code, printed = vitcrypt("key", verb, "mine.txt")
        assert code == 0
        assert fingerprint in printed
        assert secret not in printed


def test_an_existing_key_is_never_overwritten(vitcrypt, tmp_path):
    vitcrypt("key", "new", "mine.txt")
    before = (tmp_path / "mine.txt").read_bytes()
    code, printed = vitcrypt("key", "new", "mine.txt")
    assert code == 1
    assert "nothing is overwritten" in printed
    assert (tmp_path / "mine.txt").read_bytes() == before


@pytest.mark.parametrize("name", [".", "/"])
def test_a_key_file_that_would_be_a_folder_is_refused(vitcrypt, tmp_path, name):
    (tmp_path / ".other.1.part").write_text("mine")
    code, printed = vitcrypt("key", "new", name)
    assert code == 1
    assert "nothing is overwritten" in printed
    assert [path.name for path in tmp_path.iterdir()] == [".other.1.part"]


@pytest.mark.parametrize("name", [".", "/"])
def test_verifying_a_folder_without_manifest_and_name_says_what_is_missing(vitcrypt, name):
    code, printed = vitcrypt("verify", name)
    assert code == 1
    assert "manifest.json does not exist" in printed


def test_an_empty_argument_does_not_mean_the_current_folder(vitcrypt):
    code, printed = vitcrypt("predict", "")
    assert code == 1
    assert "an argument is empty" in printed


def test_a_sealed_key_needs_its_passphrase(vitcrypt, monkeypatch):
    monkeypatch.setenv("VITCRYPT_PASSPHRASE", "correct horse")
    assert vitcrypt("key", "new", "sealed.txt", "--passphrase")[0] == 0
    assert vitcrypt("key", "check", "sealed.txt")[0] == 0
    monkeypatch.setenv("VITCRYPT_PASSPHRASE", "wrong")
    code, printed = vitcrypt("key", "check", "sealed.txt")
    assert code == 1
    assert "wrong passphrase" in printed
    monkeypatch.delenv("VITCRYPT_PASSPHRASE")
    code, printed = vitcrypt("key", "show", "sealed.txt")
    assert code == 0
    assert "sealed under a passphrase" in printed


def test_a_missing_key_file_says_how_to_make_one(vitcrypt):
    code, printed = vitcrypt("key", "check", "nowhere.txt")
    assert code == 1
    assert "vitcrypt key new nowhere.txt" in printed
    assert "Traceback" not in printed


def test_the_key_file_may_come_from_the_environment(vitcrypt, monkeypatch, tmp_path):
    vitcrypt("key", "new", "mine.txt")
    monkeypatch.setenv("VITCRYPT_KEY_FILE", str(tmp_path / "mine.txt"))
    assert vitcrypt("key", "check")[0] == 0


def record(encryption, accuracy):
    names = {"data": "digits", "encryption": encryption, "model": "vit_tiny"}
    config = {"names": names, "seed": 0, "data": {}, "model": {}, "trainer": {}}
    return {
        "config": config,
        "metrics": {"acc": accuracy, "images": 360},
        "training": {"epochs": 30},
        "hardware": {"device": "CPU"},
    }


def test_the_report_shows_every_result_beside_the_plain_one_and_says_what_it_left_out(vitcrypt, tmp_path):
    for encryption, accuracy in (("plain", 0.97), ("proposed", 0.95)):
        (tmp_path / "results" / encryption).mkdir(parents=True)
        write_result(tmp_path / "results" / encryption, record(encryption, accuracy))
    (tmp_path / "results" / "broken").mkdir()
    (tmp_path / "results" / "broken" / "result.json").write_text(json.dumps({"format": "another"}))
    code, printed = vitcrypt("report")
    assert code == 0
    for told in ("97.00", "95.00", "-2.00", "left out", "broken"):
        assert told in printed


def test_a_report_on_nothing_says_so(vitcrypt):
    code, printed = vitcrypt("report", "nowhere")
    assert code == 0
    assert "no result.json below nowhere" in printed


KEYS = [["key"], ["key", "new"], ["key", "show"], ["key", "check"]]


@pytest.mark.parametrize("verb", [[], *KEYS, ["report"], ["export"], ["serve"], ["predict"], ["demo"]])
def test_every_verb_explains_itself(verb):
    assert "Usage" in CliRunner().invoke(app, [*verb, "--help"]).output
