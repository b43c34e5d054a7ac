"""`vitcrypt fold` and `rekey`: the owner's steps on networks that carry a key."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from vitcrypt.cli.options import KeyFile, NewKey, OldKey, keep_old_name, key_of
from vitcrypt.untrusted.text import console

app = typer.Typer()


@app.command()
def fold(
    weights: Annotated[Path, typer.Argument(help="Pretrained weights, or the checkpoint of a run.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The new .safetensors file, for the provider.")],
    key_file: KeyFile,
    overrides: Annotated[list[str] | None, typer.Argument(help="As for vitcrypt run: model.image_size=32 ...")] = None,
    encryption: Annotated[str, typer.Option(help="The scheme, as for vitcrypt run.")] = "proposed",
    model: Annotated[str, typer.Option(help="The network, a ViT.")] = "vit_b16",
) -> None:
    """Fold your key into pretrained weights, so that a provider trains them on encrypted images without loss."""
    key = key_of(key_file)
    from vitcrypt.experiment.command_line import override, tell_doubles
    from vitcrypt.experiment.fold_key import fold_weights

    tell_doubles(overrides or [])
    needed = fold_weights(weights, out, key, encryption, model, overrides or [])
    console.print(f"weights that carry key {key.fingerprint} in {out}")
    of_network = [given for given in overrides or [] if given.startswith("model.")]
    trains = [f"model={model}", *(override(name, value) for name, value in needed.items()), *of_network]
    command = shlex.join(["vitcrypt", "run", "encryption=received", *trains])
    console.print(f"  the provider trains with: {command} data=... data.root=...")
    console.print("Anyone with this file and the original weights can read your key from the two.", style="yellow")


keep_old_name(app, "adapt", fold, "vitcrypt adapt is now called vitcrypt fold")


@app.command()
def rekey(
    source: Annotated[Path, typer.Argument(metavar="BUNDLE", help="What vitcrypt export made.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The new bundle. Nothing is overwritten.")],
    old_key: OldKey,
    new_key: NewKey,
) -> None:
    """Bring a trained ViT under a new key without training: the accuracy stays, queries change their key."""
    old, new = key_of(old_key), key_of(new_key)
    from vitcrypt.service.rekey import rekey_bundle

    with console.status("moving the weights, writing ONNX, comparing the two"):
        bundle = rekey_bundle(source, out, old, new)
    console.print(f"{out}: the network of {source}, now for images under key {bundle.fingerprint}")
    console.print("Anyone with both bundles can read from them how the two keys differ.", style="yellow")
