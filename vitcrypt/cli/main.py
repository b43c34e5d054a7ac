"""The console script `vitcrypt`: one verb for each thing that an owner, a provider or a researcher does."""

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from vitcrypt.cli import folders, report, serve
from vitcrypt.untrusted.text import console

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
key = typer.Typer(no_args_is_help=True, help="Make and look at key files.")
app.add_typer(key, name="key")
app.add_typer(folders.app)
app.add_typer(report.app, name="report")
app.add_typer(serve.app)

DEFAULT_KEY = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "vitcrypt" / "key.txt"
KeyFile = Annotated[
    Path, typer.Argument(envvar="VITCRYPT_KEY_FILE", help="The key file.", show_default="~/.config/vitcrypt/key.txt")
]


@key.command()
def new(
    path: KeyFile = DEFAULT_KEY,
    passphrase: Annotated[
        bool, typer.Option("--passphrase", help="Seal it under a passphrase, which is asked for.")
    ] = False,
) -> None:
    """Make a new secret key from the operating system's randomness. An existing file is never overwritten."""
    from vitcrypt.keys import Key
    from vitcrypt.keys.opening import passphrase_said

    word = None
    if passphrase:
        said = passphrase_said()
        word = said or getpass.getpass("Passphrase: ")
        if not said and getpass.getpass("Once more: ") != word:
            raise ValueError("the two passphrases differ; nothing was written")
        if not word:
            raise ValueError("an empty passphrase seals nothing; nothing was written")
    made = Key.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    made.write(path, word)
    console.print(f"new key {made.fingerprint} in {path}")
    console.print(
        "Who has this file can decrypt; who loses it can encrypt no more queries. Keep a copy in a safe place."
    )


@key.command()
def show(path: KeyFile = DEFAULT_KEY) -> None:
    """Print the fingerprint of a key file, never the key. Needs no passphrase."""
    from vitcrypt.keys import keyfile

    sealed = " (sealed under a passphrase)" if keyfile.is_sealed(path) else ""
    console.print(f"{keyfile.fingerprint(path)}{sealed}")


@key.command()
def check(path: KeyFile = DEFAULT_KEY) -> None:
    """Open a key file and check it through; a passphrase is asked for where needed."""
    from vitcrypt.keys import open_key
    from vitcrypt.keys.keyfile import is_private

    key = open_key(str(path))
    private = ", and readable by you alone" if key.test_name is None and is_private(path) else ""
    console.print(f"{key.fingerprint}: whole{private}")


HYDRA = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


@app.command(context_settings=HYDRA, help="Train and test: the same program as python -m vitcrypt.run.")
def run(context: typer.Context) -> None:
    """Hand all arguments to the Hydra program."""
    from vitcrypt.run import main as run_main

    run_main(context.args)


@app.command(context_settings=HYDRA, help="Attack and score: the same program as python -m vitcrypt.attack.")
def attack(context: typer.Context) -> None:
    """Hand all arguments to the Hydra program."""
    from vitcrypt.attack import main as attack_main

    attack_main(context.args)


def main() -> None:
    """Run the program; errors that a user can mend are shown as a message."""
    from vitcrypt.experiment.command_line import refuse_keys
    from vitcrypt.experiment.errors import explained

    with explained("config"):
        refuse_keys(sys.argv[1:])
        if "" in sys.argv[1:]:
            raise ValueError("an argument is empty (a shell variable that is not set?); write . for the current folder")
        try:
            app()
        except SystemExit as ended:
            if ended.code == 130:  # what Typer makes of Ctrl-C
                raise KeyboardInterrupt from None
            raise


if __name__ == "__main__":
    main()
