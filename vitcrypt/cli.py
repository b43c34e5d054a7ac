"""The console script `vitcrypt`: one verb for each thing that an owner, a provider or a researcher does."""

import getpass
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from vitcrypt import reporting

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
key = typer.Typer(no_args_is_help=True, help="Make and look at key files.")
app.add_typer(key, name="key")
app.add_typer(reporting.app, name="report")
console = Console(soft_wrap=True)

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

    word = None
    if passphrase:
        word = os.environ.get("VITCRYPT_PASSPHRASE") or getpass.getpass("Passphrase: ")
        if not os.environ.get("VITCRYPT_PASSPHRASE") and getpass.getpass("Once more: ") != word:
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

    console.print(f"{open_key(str(path)).fingerprint}: whole, and readable by you alone")


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


@app.command()
def adapt(
    weights: Annotated[
        Path, typer.Argument(help="Pretrained weights, or the checkpoint of a run.", show_default=False)
    ],
    out: Annotated[Path, typer.Argument(help="The new .safetensors file, for the provider.", show_default=False)],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="As for `vitcrypt run`: model.image_size=32 ...", show_default=False)
    ] = None,
    key_file: Annotated[
        Path, typer.Option(envvar="VITCRYPT_KEY_FILE", help="The key file.", show_default="~/.config/vitcrypt/key.txt")
    ] = DEFAULT_KEY,
    encryption: Annotated[str, typer.Option(help="The scheme: proposed, le, ele, etc or pe.")] = "proposed",
    model: Annotated[str, typer.Option(help="The network, a ViT.")] = "vit_b16",
) -> None:
    """Move pretrained weights by your key, so that a provider trains them on encrypted images without loss."""
    from vitcrypt.adapt import adapt as adapt_weights

    said = adapt_weights(weights, out, str(key_file), encryption, model, overrides or [])
    console.print(f"adapted weights in {out}")
    of_network = [override for override in overrides or [] if override.startswith("model.")]
    trains = " ".join([f"model={model}", *(f"{name}={value}" for name, value in said.items()), *of_network])
    console.print(
        f"The provider trains with: vitcrypt run encryption=none {trains} data=... data.root=...", highlight=False
    )
    console.print("[yellow]Whoever has this file and the original weights reads your key from the two.[/]")


def main() -> None:
    """Run the program; errors that a user can mend are shown as a message."""
    from vitcrypt.complaints import explained

    with explained("config"):
        app()
