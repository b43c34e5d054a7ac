"""The key file: whole, private, sealed or damaged."""

import base64
import hashlib
import os
import re
import stat

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from vectors import SECRET, VECTORS, spellings

from vitcrypt.keys import Key, is_sealed, keyfile

PASSPHRASE = "correct horse battery staple"
posix = pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "owner.key"


@pytest.fixture
def written(path):
    Key.from_bytes(SECRET).write(path)
    return path


@pytest.fixture
def cheap(monkeypatch):
    """Make a key of a passphrase in no time, where that is not what is tested."""
    monkeypatch.setattr(keyfile, "Argon2id", lambda **costs: Argon2id(**costs | {"memory_cost": 32, "iterations": 1}))


def overwrite(path, data):
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    path.chmod(0o600)


def checksummed(text):
    body = text[: text.index("\nchecksum: ")]
    return f"{body}\nchecksum: {hashlib.sha256(body.encode()).hexdigest()[:16]}\n"


def names(path):
    return pytest.raises(ValueError, match=re.escape(str(path)))


def test_a_key_file_gives_the_key_back(path):
    key = Key.generate()
    key.write(path)
    assert Key.read(path) == Key.read(str(path)) == key
    assert not is_sealed(path)


def test_a_key_file_is_the_text_that_is_documented(written):
    header, created, fingerprint, secret, checksum = written.read_text().splitlines()
    assert header == "vitcrypt key, version 1"
    assert created.startswith("created: 20")
    assert fingerprint == f"fingerprint: {VECTORS['fingerprint']}"
    assert secret == "secret: " + base64.b32encode(SECRET).decode().rstrip("=")
    body = "\n".join([header, created, fingerprint, secret])
    assert checksum == "checksum: " + hashlib.sha256(body.encode()).hexdigest()[:16]


@posix
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
@pytest.mark.usefixtures("cheap")
def test_a_key_file_belongs_to_its_owner_alone(path, umask, passphrase):
    before = os.umask(umask)
    try:
        Key.from_bytes(SECRET).write(path, passphrase)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("content", [b"", b"something of value", None])
def test_a_file_that_exists_is_never_overwritten(path, content):
    if content is None:
        Key.from_bytes(SECRET[::-1]).write(path)
        content = path.read_bytes()
    else:
        path.write_bytes(content)
    with pytest.raises(FileExistsError, match=r"owner\.key exists"):
        Key.from_bytes(SECRET).write(path)
    assert path.read_bytes() == content


@posix
def test_a_dangling_link_is_not_followed_when_a_key_file_is_made(path, tmp_path):
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError, match=r"owner\.key exists"):
        Key.from_bytes(SECRET).write(path)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
@pytest.mark.usefixtures("cheap")
def test_a_full_disk_leaves_no_file(path, monkeypatch, passphrase):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            Key.from_bytes(SECRET).write(path, passphrase)
    assert list(path.parent.iterdir()) == []
    Key.from_bytes(SECRET).write(path)
    assert Key.read(path) == Key.from_bytes(SECRET)


@pytest.mark.slow
def test_a_sealed_key_file_opens_with_its_passphrase_alone(path):
    key = Key.from_bytes(SECRET)
    key.write(path, passphrase=PASSPHRASE)
    assert is_sealed(path)
    text = path.read_text()
    assert "\nsealed: " in text
    assert key.fingerprint in text
    for spelling in spellings(SECRET):
        assert spelling not in text
    assert Key.read(path, passphrase=PASSPHRASE) == key
    with names(path) as error:
        Key.read(path, passphrase=PASSPHRASE + " ")
    assert "wrong passphrase" in str(error.value)
    assert PASSPHRASE not in str(error.value)
    with names(path) as error:
        Key.read(path)
    assert "VITCRYPT_PASSPHRASE" in str(error.value)


@pytest.mark.usefixtures("cheap")
def test_a_sealed_file_is_sealed_afresh_each_time(tmp_path):
    for name in ("one.key", "other.key"):
        Key.from_bytes(SECRET).write(tmp_path / name, passphrase=PASSPHRASE)
    one, other = ((tmp_path / name).read_text().split("sealed: ")[1] for name in ("one.key", "other.key"))
    assert one[:20] != other[:20]


@pytest.mark.usefixtures("cheap")
def test_a_sealed_file_whose_fingerprint_was_exchanged_does_not_open(path):
    key = Key.from_bytes(SECRET)
    key.write(path, passphrase=PASSPHRASE)
    overwrite(path, checksummed(path.read_text().replace(key.fingerprint, "0123456789abcdef")))
    with names(path):
        Key.read(path, passphrase=PASSPHRASE)


def test_a_file_whose_fingerprint_was_exchanged_is_refused(written):
    overwrite(written, checksummed(written.read_text().replace(VECTORS["fingerprint"], "0123456789abcdef")))
    with names(written) as error:
        Key.read(written)
    assert VECTORS["fingerprint"] in str(error.value)
    assert "0123456789abcdef" in str(error.value)


@pytest.mark.parametrize("passphrase", [None, PASSPHRASE])
@pytest.mark.usefixtures("cheap")
def test_another_character_anywhere_in_the_file_is_an_error_that_names_it(path, passphrase):
    Key.from_bytes(SECRET).write(path, passphrase)
    text = path.read_text()
    for position, character in enumerate(text):
        for other in {"A" if character != "A" else "b", " " if position % 2 else "\u00e9"} - {character}:
            if other == " " and position == len(text) - 1:
                continue  # a blank in place of the last line end
            overwrite(path, text[:position] + other + text[position + 1 :])
            with names(path):
                Key.read(path, passphrase)


def test_a_flipped_bit_anywhere_in_the_file_is_an_error_that_names_it(written):
    data = written.read_bytes()
    for position in range(len(data)):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        overwrite(written, bytes(flipped))
        with names(written):
            Key.read(written)


def test_a_truncated_file_is_an_error_that_names_it(written):
    data = written.read_bytes()
    for length in range(len(data) - 1):  # the last byte is a line end
        overwrite(written, data[:length])
        with names(written):
            Key.read(written)


@pytest.mark.parametrize("line", range(5))
@pytest.mark.parametrize("edit", ["removed", "doubled"])
def test_a_removed_or_doubled_line_is_an_error_that_names_the_file(written, line, edit):
    lines = written.read_text().splitlines(keepends=True)
    lines[line : line + 1] = [] if edit == "removed" else [lines[line]] * 2
    overwrite(written, "".join(lines))
    with names(written):
        Key.read(written)


def test_a_file_of_another_version_says_which_one_is_read(written):
    overwrite(written, checksummed(written.read_text().replace("version 1", "version 2")))
    with names(written) as error:
        Key.read(written)
    assert "version 2" in str(error.value)
    assert "reads version 1" in str(error.value)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\x00\xff\xfe\x80" * 50, b"\x89PNG\r\n", b"-----BEGIN OPENSSH PRIVATE KEY-----\n", SECRET]
)
def test_what_is_no_key_file_is_said_to_be_none(path, content):
    overwrite(path, content)
    with names(path) as error:
        Key.read(path)
    assert "not a vitcrypt key file" in str(error.value)


@posix
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o602])
def test_a_file_that_others_can_open_is_refused(written, mode):
    written.chmod(mode)
    with pytest.raises(PermissionError, match=f"{mode:04o}.*chmod 600") as error:
        Key.read(written)
    assert str(written) in str(error.value)
    written.chmod(0o600)
    assert Key.read(written) == Key.from_bytes(SECRET)


def test_a_missing_file_says_how_to_make_one(path):
    with pytest.raises(FileNotFoundError) as error:
        Key.read(path)
    assert f"vitcrypt key new {path}" in str(error.value)


def test_no_error_about_a_file_shows_the_secret(written):
    text = written.read_text()
    secret = text.split("secret: ")[1].split("\n")[0]
    for damaged in (text.replace("checksum: ", "checksum: 0"), checksummed(text.replace(secret, secret[:-1] + "!"))):
        overwrite(written, damaged)
        with names(written) as error:
            Key.read(written)
        assert secret[:8] not in str(error.value)
        assert error.value.__suppress_context__ or error.value.__context__ is None
