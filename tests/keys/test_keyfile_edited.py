"""Key files after an editor, passphrases in other forms, and disks that keep no modes."""

import unicodedata

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from vitcrypt.keys import Key, keyfile, open_key

WORD = "Gr\u00fc\u00dfe, \u1ec7!"
EDITS = {
    "line ends of Windows": lambda data: data.replace(b"\n", b"\r\n"),
    "line ends of old Macs": lambda data: data.replace(b"\n", b"\r"),
    "mixed line ends": lambda data: data.replace(b"\n", b"\r\n", 2),
    "a byte order mark": lambda data: b"\xef\xbb\xbf" + data,
    "a byte order mark and line ends of Windows": lambda data: b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"),
    "UTF-16": lambda data: data.decode().encode("utf-16"),
    "no last line end": lambda data: data.rstrip(b"\n"),
    "more last line ends": lambda data: data + b"\n\n",
    "blanks at line ends": lambda data: data.replace(b"\n", b" \t\n"),
    "an indent": lambda data: b"  " + data.replace(b"\n", b"\n  "),
    "empty lines": lambda data: b"\n" + data.replace(b"\n", b"\n\n"),
}


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    """Make a key of a passphrase in no time: what it costs is not tested here."""
    monkeypatch.setattr(keyfile, "Argon2id", lambda **costs: Argon2id(**costs | {"memory_cost": 32, "iterations": 1}))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "owner.key"


def edit(path, change):
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize("passphrase", [None, "word"])
@pytest.mark.parametrize("change", EDITS)
def test_a_key_file_opens_after_an_editor_had_it(path, change, passphrase):
    key = Key.generate()
    key.write(path, passphrase)
    edit(path, EDITS[change])
    assert Key.read(path, passphrase) == key
    assert keyfile.fingerprint(path) == key.fingerprint


@pytest.mark.parametrize("change", EDITS)
def test_what_an_editor_did_hides_no_damage(path, change):
    Key.generate().write(path)
    lines = path.read_text().splitlines(keepends=True)
    for damaged in ([*lines, "a line\n"], [*lines[:2], "a line\n", *lines[2:]], lines[:-1], [lines[0], *lines[2:]]):
        path.write_bytes(EDITS[change]("".join(damaged).encode()))
        with pytest.raises(ValueError, match=r"owner\.key is damaged"):
            Key.read(path)


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b"\xff\xfea", b"\xfe\xff\xd8\x00", b"\xef\xbb\xbf", b"\r\r", b"v" * 2**17]
)
def test_what_is_no_key_file_stays_none(path, content):
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"owner\.key"):
        Key.read(path)


FORMS = [unicodedata.normalize(form, WORD) for form in ("NFC", "NFD")]
TYPED = [form + end for form in FORMS for end in ("", "\n", "\r\n")]


@pytest.mark.parametrize("typed", TYPED[::5])
def test_a_passphrase_is_the_same_in_every_form_of_unicode_and_with_a_line_end(path, typed):
    key = Key.generate()
    key.write(path, typed)
    for other in TYPED:
        assert Key.read(path, other) == key
    for other in (WORD + " ", WORD.lower()):
        with pytest.raises(ValueError, match="wrong passphrase"):
            Key.read(path, other)


@pytest.mark.parametrize("sealed", TYPED[1:])
def test_files_that_were_sealed_under_a_passphrase_as_it_was_typed_still_open(path, sealed, monkeypatch):
    key = Key.generate()
    with monkeypatch.context() as patch:
        patch.setattr(keyfile, "spellings", lambda word: [word])
        key.write(path, sealed)
    for typed in (sealed, FORMS[0]):
        assert Key.read(path, typed) == key


def test_a_passphrase_of_line_ends_alone_is_none(path):
    with pytest.raises(ValueError, match="empty passphrase"):
        Key.generate().write(path, "\r\n")
    assert not path.exists()


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_the_environment_may_hold_the_passphrase_as_a_file_of_secrets_does(vitcrypt, monkeypatch, tmp_path, end):
    monkeypatch.setenv("VITCRYPT_PASSPHRASE", f"word{end}")
    assert vitcrypt("key", "new", "key.txt", "--passphrase")[0] == 0
    for other in ("word", "word\n"):
        monkeypatch.setenv("VITCRYPT_PASSPHRASE", other)
        assert vitcrypt("key", "check", "key.txt")[0] == 0
    assert open_key("key.txt") == Key.read("key.txt", "word")
    monkeypatch.setenv("VITCRYPT_PASSPHRASE", "sword")
    code, printed = vitcrypt("key", "check", "key.txt")
    assert code == 1
    assert "wrong passphrase" in printed
    assert "sword" not in printed


@pytest.fixture
def modeless(monkeypatch):
    """Let every file have mode 0777, whatever one says."""
    keyfile._warn.cache_clear()
    monkeypatch.setattr(keyfile, "is_private", lambda path: False)


def test_on_a_disk_without_modes_a_new_key_is_told_to_be_readable_and_works(vitcrypt, modeless):
    code, printed = vitcrypt("key", "new", "key.txt")
    assert code == 0
    assert "keeps no file modes" in printed
    keyfile._warn.cache_clear()
    code, printed = vitcrypt("key", "check", "key.txt")
    assert code == 0
    assert "keeps no file modes" in printed
    assert "by you alone" not in printed
    assert sorted(path.name for path in keyfile.Path().iterdir()) == ["key.txt"]
