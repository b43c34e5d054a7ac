"""`vitcrypt key new`, `show` and `check`: key files."""

import getpass
import os
from pathlib import Path
from typing import Annotated

import typer

from vitcrypt.cli.options import key_of
from vitcrypt.untrusted.text import console

app = typer.Typer(name="key", no_args_is_help=True, help="Make, show and check key files.")

DEFAULT = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "vitcrypt" / "key.txt"
KeyPath = Annotated[
    Path, typer.Argument(envvar="VITCRYPT_KEY_FILE", help="The key file.", show_default="~/.config/vitcrypt/key.txt")
]


@app.command()
def new(
    path: KeyPath = DEFAULT,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Seal it under a passphrase, which is asked for.")
    ] = False,
) -> None:
    """Make a new secret key from the operating system's randomness. An existing file is never overwritten."""
    from vitcrypt.keys import Key
    from vitcrypt.keys.opening import passphrase_said

    word = None
    if passphrase:
        given = passphrase_said()
        word = given or getpass.getpass("Passphrase: ")
        if not given and getpass.getpass("Once more: ") != word:
            raise ValueError("the two passphrases differ; no key was written")
        if not word:
            raise ValueError("an empty passphrase seals nothing; no key was written")
    made = Key.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    made.write(path, word)
    console.print(f"new key {made.fingerprint} in {path}")
    console.print(
        "Anyone with this file can decrypt your images. If you lose it, you can no longer encrypt queries: keep a "
        "backup in a safe place."
    )


@app.command()
def show(path: KeyPath = DEFAULT) -> None:
    """Print the fingerprint of a key file, never the key. Needs no passphrase."""
    from vitcrypt.keys import keyfile

    sealed = " (sealed under a passphrase)" if keyfile.is_sealed(path) else ""
    console.print(f"{keyfile.fingerprint(path)}{sealed}")


@app.command()
def check(path: KeyPath = DEFAULT) -> None:
    """Open a key file and check it completely; a passphrase is asked for where needed."""
    key = key_of(str(path))
    from vitcrypt.keys.keyfile import is_private

    private = ", readable only by you" if key.test_name is None and is_private(path) else ""
    console.print(f"{key.fingerprint}: OK, file intact{private}")
