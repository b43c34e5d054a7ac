"""From what a configuration says to a key: a public test key by name, a key file by path."""

import getpass
import os
import re
import sys
from pathlib import Path

from vitcrypt.keys import keyfile
from vitcrypt.keys.key import Key


def open_key(name: str) -> Key:
    """Return the public test key `test-0`, `test-1`, ..., or the key in the file of that path.

    A passphrase comes from the environment variable VITCRYPT_PASSPHRASE, else it is asked for on a terminal.

    Raises:
        The errors of `Key.read`.
    """
    if name.startswith("test-") and not Path(name).exists():
        return Key.test(name)
    path = Path(name).expanduser()
    passphrase = os.environ.get("VITCRYPT_PASSPHRASE") or None
    if passphrase is None and path.is_file() and sys.stdin.isatty() and keyfile.is_sealed(path):
        passphrase = getpass.getpass(f"Passphrase of {path}: ")
    return Key.read(path, passphrase)


def looks_like_a_key(text: str) -> bool:
    """Say whether a text may be a key itself, where the path of a key file is meant."""
    return re.fullmatch(r"[0-9a-fA-F]{64}|[A-Z2-7]{52}=*|[A-Za-z0-9+/_-]{43}=?", text) is not None
