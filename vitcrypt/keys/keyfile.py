"""The key file: a few lines of text, created once, readable by its owner alone.

    vitcrypt key, version 1
    created: 2026-01-31T12:00:00+00:00
    fingerprint: d4689ba554259322
    secret: <32 bytes, base32>
    checksum: <first 16 hexadecimal digits of SHA-256 over the lines above>

Under a passphrase, `sealed: <salt, nonce and ciphertext, base32>` stands in place of `secret`: ChaCha20-Poly1305 under
a key that Argon2id (RFC 9106, second recommended option: 64 MiB, 3 passes, 4 lanes) makes of passphrase and salt. The
passphrase is taken in Unicode's form NFC, without line ends behind it.

What editors do to a text without changing a word of it does no harm: a byte order mark, line ends of another system,
blanks around lines, empty lines.
"""

import base64
import binascii
import hashlib
import os
import re
import secrets
import stat
import tempfile
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from vitcrypt.jobs.atomic import write_new
from vitcrypt.untrusted.files import read_regular
from vitcrypt.untrusted.text import error_console

HEADER = "vitcrypt key, version 1"
SALT, NONCE = 16, 12
LONGEST = 2**16


def write(path: Path, secret: bytes, fingerprint: str, passphrase: str | None) -> None:
    """Create `path` with mode 0600 and write the key, complete or not at all."""
    if passphrase is None:
        field, value = "secret", secret
    elif (word := spellings(passphrase)[0]) == "":
        raise ValueError("an empty passphrase seals nothing; choose one, or give none")
    else:
        salt, nonce = secrets.token_bytes(SALT), secrets.token_bytes(NONCE)
        field = "sealed"
        value = salt + nonce + _cipher(word, salt).encrypt(nonce, secret, fingerprint.encode())
    lines = [HEADER, f"created: {datetime.now(UTC).isoformat(timespec='seconds')}", f"fingerprint: {fingerprint}"]
    lines.append(f"{field}: {base64.b32encode(value).decode().rstrip('=')}")
    text = "\n".join([*lines, f"checksum: {_checksum(lines)}", ""])
    try:
        write_new(path, text.encode(), mode=0o600)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path.parent} does not exist; make that folder first") from None
    if not is_private(path):
        _warn(path)


def read(path: Path, passphrase: str | None) -> tuple[bytes, str]:
    """Return the 32 secret bytes of a key file and the fingerprint that it states; see `Key.read` for the errors."""
    fields = _fields(path)
    fingerprint, text = fields["fingerprint"], fields.get("sealed") or fields["secret"]
    try:
        value = base64.b32decode(text + "=" * (-len(text) % 8))
    except binascii.Error:
        raise ValueError(f"{path} is damaged: its secret is no base32 text") from None
    if "secret" in fields:
        return value, fingerprint
    if passphrase is None:
        raise ValueError(f"{path} is sealed under a passphrase and none was given (environment: VITCRYPT_PASSPHRASE)")
    salt, nonce, ciphertext = value[:SALT], value[SALT : SALT + NONCE], value[SALT + NONCE :]
    for spelling in spellings(passphrase):
        with suppress(InvalidTag):
            return _cipher(spelling, salt).decrypt(nonce, ciphertext, fingerprint.encode()), fingerprint
    raise ValueError(f"{path}: wrong passphrase")


def spellings(passphrase: str) -> list[str]:
    """Return the passphrase in the form that files are sealed under, then those under which older ones may be."""
    word = passphrase.rstrip("\r\n")
    forms = [unicodedata.normalize(form, word) for form in ("NFC", "NFD")]
    older = [passphrase, *(form + end for end in ("", "\n", "\r\n") for form in forms)]
    return list(dict.fromkeys([forms[0], *older]))


def is_private(path: Path) -> bool:
    """Return whether only its owner can open a file."""
    return os.name != "posix" or not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)


def fingerprint(path: Path) -> str:
    """Return the fingerprint that a key file states; no passphrase is needed."""
    return _fields(path)["fingerprint"]


def is_sealed(path: Path) -> bool:
    """Return whether a key file needs a passphrase."""
    return "sealed" in _fields(path)


def _fields(path: Path) -> dict[str, str]:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise FileNotFoundError(f"no key file {path}; make one with: vitcrypt key new {path}") from None
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path} is not a regular file; expected a key file")
    if not is_private(path):
        if _keeps_modes(path.parent):
            raise PermissionError(f"{path} can be read by others (mode {mode & 0o777:04o}); run: chmod 600 {path}")
        _warn(path)
    lines = _lines(path)
    if not lines[0].startswith("vitcrypt key, version "):
        raise ValueError(f"{path} is not a vitcrypt key file: it does not begin with {HEADER!r}")
    if lines[0] != HEADER:
        raise ValueError(f"{path} is a {lines[0]!r}; this vitcrypt reads version 1")
    fields = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    complete = {"fingerprint", "checksum"} <= fields.keys() and ("secret" in fields) != ("sealed" in fields)
    if not complete or lines[-1] != f"checksum: {_checksum(lines[:-1])}":
        raise ValueError(f"{path} is damaged: its checksum does not match; restore it from a backup")
    return fields


def _lines(path: Path) -> list[str]:
    """Return the lines of a text file as they were before an editor had it; at least one, perhaps empty."""
    data = read_regular(path, LONGEST)
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding).encode("ascii").decode()
    except UnicodeError:
        raise ValueError(f"{path} is not a vitcrypt key file") from None
    return [line for part in re.split(r"\r\n?|\n", text) if (line := part.strip(" \t"))] or [""]


def _keeps_modes(folder: Path) -> bool:
    """Return whether files in a folder can be closed to others: not on FAT, nor on disks of Windows in WSL."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".vitcrypt-") as probe:  # made with mode 0600
            return is_private(Path(probe.name))
    except OSError:  # cannot be written
        return True


@cache
def _warn(path: Path) -> None:
    error_console.print(
        f"{path} lies on a disk that keeps no file modes: anyone on this machine can read it. Move it to another "
        "disk, or seal it under a passphrase (vitcrypt key new --passphrase)",
        style="yellow",
    )


def _checksum(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _cipher(passphrase: str, salt: bytes) -> ChaCha20Poly1305:
    derivation = Argon2id(salt=salt, length=32, iterations=3, lanes=4, memory_cost=64 * 1024)
    return ChaCha20Poly1305(derivation.derive(passphrase.encode(errors="surrogateescape")))
