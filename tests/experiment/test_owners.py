"""Several owners, each with a key file: key=[a.txt,b.txt]."""

import getpass
import sys
from pathlib import Path

import pytest
from program import SMALL

from vitcrypt import attack, run
from vitcrypt.experiment.job import opened
from vitcrypt.keys import Key
from vitcrypt.report.results import read_results

SAID = ["key_scope=per_image", "data=digits"]


@pytest.fixture
def keys(tmp_path, monkeypatch):
    """Two key files in the working folder, the second one sealed, and where each asks for its passphrase."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VITCRYPT_PASSPHRASE", raising=False)
    made, asked = [Key.generate(), Key.generate()], []
    made[0].write("a.txt")
    made[1].write("b.txt", "word")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: asked.append(prompt) or "word")
    return made, asked


def test_files_are_opened_in_order_and_a_sealed_one_asks_once(keys):
    made, asked = keys
    assert opened(["a.txt", "b.txt", "test-0"]) == (*made, Key.test("test-0"))
    assert asked == ["Passphrase of b.txt: "]


def test_what_to_type_is_told(keys):
    for names, told in (
        (["a.txt", "test-0", "./a.txt"], "a.txt and ./a.txt are the same key; each owner has one of their own"),
        (["a.txt", "none.txt"], "no key file none.txt; make one with: vitcrypt key new none.txt"),
        ("a.txt,b.txt", r"no key file a.txt,b.txt; those of several owners are a list: 'key=\[a.txt,b.txt\]'"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=told):
            opened(names)


@pytest.mark.slow
def test_runs_and_attacks_are_one_job_for_each_order_of_owners_and_name_no_file(keys, monkeypatch, capfd, undrawn):
    (one, two), asked = keys
    monkeypatch.setattr("sys.argv", ["vitcrypt"])
    for names in ("[a.txt,b.txt]", "[b.txt,a.txt]"):
        run.main([*SMALL, *SAID, f"key={names}", "results=runs"])
    attack.main([*SAID, "attack=fr", "encryption=pe", "key=[a.txt,b.txt]", "attack.observation.ciphertexts=4"])
    assert len(asked) == 3
    printed = "".join(capfd.readouterr())
    results, _ = read_results(Path())
    trained = [each for each in results if each.kind != "attack"]
    (attacked,) = [each for each in results if each.kind == "attack"]
    both = [one.fingerprint, two.fingerprint]
    assert sorted([each.key.owners for each in trained]) == sorted([both, both[::-1]])
    assert attacked.key.owners == both
    assert len({each.key.fingerprint for each in trained}) == len({each.identity for each in trained}) == 2
    for each in results:
        assert each.config.keys == 2
        assert ".txt" not in (each.folder / "result.json").read_text()
    assert "public test key" not in printed
