"""The console script: its verbs, old names, what it loads, and keys."""

import json
import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from program import environment
from recorded import stored, training
from typer.testing import CliRunner

import vitcrypt as package
from vitcrypt.cli.main import app
from vitcrypt.keys import Key, keyfile


def test_a_new_key_is_shown_by_its_fingerprint_checked_and_never_overwritten(vitcrypt, tmp_path, monkeypatch):
    code, printed = vitcrypt("key", "new", "mine.txt")
    written = (tmp_path / "mine.txt").read_bytes()
    secret = written.decode().split("secret: ")[1].split()[0]
    assert code == 0
    assert Key.read(tmp_path / "mine.txt").fingerprint in printed
    monkeypatch.setenv("VITCRYPT_KEY_FILE", str(tmp_path / "mine.txt"))
    for arguments in (("show", "mine.txt"), ("check", "mine.txt"), ("check",)):
        code, printed = vitcrypt("key", *arguments)
        assert code == 0
        assert Key.read(tmp_path / "mine.txt").fingerprint in printed
        assert secret not in printed
        assert ("OK, file intact, readable only by you" in printed) == (arguments[0] == "check")
    code, printed = vitcrypt("key", "new", "mine.txt")
    assert code == 1
    assert "nothing is overwritten" in printed
    assert (tmp_path / "mine.txt").read_bytes() == written


@pytest.mark.parametrize("name", [".", "/"])
def test_a_folder_in_place_of_a_file_is_refused(vitcrypt, tmp_path, name):
    (tmp_path / ".other.1.part").write_text("mine")
    for arguments, message in (
        (["key", "new"], "nothing is overwritten"),
        (["verify"], "has no manifest.json"),
    ):
        code, printed = vitcrypt(*arguments, name)
        assert code == 1
        assert message in printed
    assert [path.name for path in tmp_path.iterdir()] == [".other.1.part"]


def test_a_folder_that_was_removed_under_the_user_is_named(vitcrypt, tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert vitcrypt("key", "new", "mine.txt") == (
        1,
        "error: the folder that you are in was removed; go to another one: cd\n",
    )


def test_a_sealed_key_needs_its_passphrase(vitcrypt, monkeypatch):
    monkeypatch.setattr(keyfile, "Argon2id", lambda **costs: Argon2id(**{**costs, "memory_cost": 32, "iterations": 1}))
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["key", "check", "nowhere.txt"], "vitcrypt key new nowhere.txt"),
        (["predict", ""], "an argument is empty"),
        (["bench", "ciphers", "--rounds", "3"], "make bench"),
        (["adapt", "weights", "out.txt", "--key-file", "test-0"], "vitcrypt adapt is now called vitcrypt fold"),
        (["encrypt", "photos", "enc", "--key-file", bytes(range(32)).hex()], "looks like a key itself"),
    ],
)
def test_what_cannot_be_done_is_explained(vitcrypt, arguments, message):
    code, printed = vitcrypt(*arguments)
    assert code == 1
    assert message in printed
    assert "error:" in printed
    assert "Traceback" not in printed
    assert bytes(range(32)).hex() not in printed


@pytest.mark.parametrize(
    "arguments",
    [
        "encrypt photos enc --key-file test-0 --encryption nosuch",
        "serve bundle --workers two",
        "serve bundle --port 99999",
    ],
)
def test_an_unfit_value_of_an_option_is_named_and_in_words_of_our_own(vitcrypt, arguments):
    code, printed = vitcrypt(*arguments.split())
    assert code == 2
    assert f"{arguments.split()[-1]}' is not" in printed or f"{arguments.split()[-1]} is not" in printed
    assert "Value error" not in printed
    assert "Input should" not in printed


VERBS = (
    "run attack report benchmark encrypt decrypt rotate verify pack fold rekey export serve predict demo leaderboard"
)
VERBS += " help"


@pytest.mark.slow
def test_every_verb_is_listed_and_explains_itself():
    listed = CliRunner().invoke(app, ["--help"]).output
    for verb in ("key", *VERBS.split()):
        assert f"│ {verb} " in listed
    assert not any(f"│ {old} " in listed for old in ("adapt", "bench"))
    for verb in ("key", "key new", "key show", "key check", "report", "report keyspace", *VERBS.split()[3:]):
        shown = CliRunner().invoke(app, [*verb.split(), "--help"])
        assert "Usage" in shown.output
        assert shown.exit_code == 0


def test_a_misspelt_verb_gets_the_nearest_and_the_version_is_told(vitcrypt):
    code, printed = vitcrypt("reprot")
    assert code == 2
    assert "Did you mean 'report'" in printed
    assert vitcrypt("--version") == (0, f"vitcrypt {package.__version__}\n")


def test_the_report_shows_every_result_beside_the_plain_one_and_says_what_it_left_out(vitcrypt, tmp_path):
    for encryption, accuracy in (("plain", 0.97), ("proposed", 0.95)):
        stored(tmp_path / "results" / encryption, training(encryption, "vit_micro", accuracy, data="digits"))
    (tmp_path / "results" / "broken").mkdir()
    (tmp_path / "results" / "broken" / "result.json").write_text(json.dumps({"format": "another"}))
    code, printed = vitcrypt("report")
    assert code == 0
    for shown in ("97.00", "95.00", "-2.00", "left out", "broken"):
        assert shown in printed
    code, printed = vitcrypt("report", "securty")
    assert code == 2
    assert "'securty' is neither a folder nor a report" in printed


START = """
import sys
from vitcrypt.cli import main
try:
    main()
finally:
    print("loaded:", *sorted({"torch", "hydra", "numpy", "pandas", "lightning"} & set(sys.modules)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--help"], ["key", "new", "mine.txt"], ["key", "show", "test-0"]])
def test_what_needs_neither_torch_nor_hydra_loads_neither(tmp_path, arguments):
    done = subprocess.run(
        [sys.executable, "-c", START, *arguments], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "loaded:", done.stdout + done.stderr


WAITING = """
import os, sys
sys.modules["torch"] = None  # to import it is an error
import vitcrypt.experiment
print(os.environ["OMP_WAIT_POLICY"])
"""


@pytest.mark.parametrize("asked", [None, "ACTIVE"])
def test_threads_are_told_how_to_wait_before_torch_is_loaded_and_no_choice_is_overruled(asked):
    given = environment() | ({} if asked is None else {"OMP_WAIT_POLICY": asked})
    done = subprocess.run([sys.executable, "-c", WAITING], env=given, capture_output=True, text=True)
    assert done.stdout.strip() == (asked or "PASSIVE"), done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("module", ["vitcrypt", "vitcrypt.cli"])
def test_both_modules_are_the_console_script(module):
    command = [sys.executable, "-m", module, "--version"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == f"vitcrypt {package.__version__}\n"
