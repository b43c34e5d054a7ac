"""Opening the key that a configuration or a command names: a public test key by name, a key file by path."""

import functools
import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path

from vitcrypt.jobs.place import expanded
from vitcrypt.keys import keyfile
from vitcrypt.keys.key import Key
from vitcrypt.untrusted.secrets import IS_A_KEY, looks_like_a_key


def passphrase_said() -> str | None:
    """Return the passphrase in VITCRYPT_PASSPHRASE, without the line end that files of secrets have; None if empty."""
    return os.environ.get("VITCRYPT_PASSPHRASE", "").rstrip("\r\n") or None


def open_key(name: str) -> Key:
    """Return the public test key `test-0`, `test-1`, ..., or the key in the file of that path.

    A passphrase comes from the environment variable VITCRYPT_PASSPHRASE, else it is asked for on a terminal.

    Raises:
        ValueError: It looks like a key itself.
        The errors of `Key.read`.
    """
    if name.startswith("test-") and not Path(name).exists():
        return Key.test(name)
    path = expanded(name)
    if looks_like_a_key(name) and not path.exists():
        raise ValueError(IS_A_KEY)
    passphrase = passphrase_said()
    if passphrase is None and path.is_file() and sys.stdin.isatty() and keyfile.is_sealed(path):
        passphrase = getpass.getpass(f"Passphrase of {path}: ")
    return Key.read(path, passphrase)


def opener(name: str) -> Callable[[], Key]:
    """Return what opens a key by its name in other processes, whatever folder they are in."""
    path = expanded(name).absolute()
    return functools.partial(open_key, str(path) if path.exists() else name)
