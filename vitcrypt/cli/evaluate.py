"""Testing what a run trained once more: on other images, or under another key."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from vitcrypt.untrusted.text import console

app = typer.Typer()


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run, or a last.ckpt in it.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="What differs: data=npz data.root=FILE key=FILE trainer=cpu ...")
    ] = None,
) -> None:
    """Test the network of a run on its test images or on others, and write the measures beside result.json."""
    from vitcrypt.experiment.command_line import tell_doubles
    from vitcrypt.experiment.evaluate import evaluate as evaluated

    tell_doubles(overrides or [])
    metrics, path = evaluated(run, overrides or [])
    accuracy = (f"test accuracy {100 * metrics['acc']:.2f} %", "bold green")
    console.print(Text.assemble(accuracy, f" ({metrics['images']} images), loss {metrics['loss']:.4f}"))
    console.print(f"  {path}")
