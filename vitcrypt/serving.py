"""`vitcrypt export`, `serve`, `predict` and `demo`: a trained network as a service, and the owner who asks it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

app = typer.Typer()
console = Console(soft_wrap=True)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run, with result.json.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The new folder; never overwritten.")],
) -> None:
    """Make a server bundle of a finished run: weights, ONNX, classes, scheme, fingerprint; never a key."""
    from vitcrypt.export import export as export_run

    with console.status("writing weights and ONNX, comparing the two"):
        bundle = export_run(run, out)
    scheme = bundle.scheme["name"] if bundle.scheme else "a scheme that was not recorded"
    console.print(f"{bundle.origin['names']['model']} for images under {scheme}, key {bundle.fingerprint or 'none'}")
    console.print(f"  for the provider: {out}, which runs with: vitcrypt serve {out}")
    console.print(f"  for clients: {out / 'client.json'}")
