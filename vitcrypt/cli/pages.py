"""`vitcrypt help TOPIC`: a page of the documentation in the terminal, or what a verb takes."""

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from typer.core import TyperGroup

from vitcrypt.untrusted.text import console

app = typer.Typer()
PAGES = [Path(__file__).parents[up] / "docs" for up in (1, 2)]
"""Inside the installed package, or beside it in a checkout."""


@app.command(name="help")
def show(
    context: typer.Context,
    topic: Annotated[str, typer.Argument(metavar="[TOPIC]", help="A page or a verb; left out: a list of them.")] = "",
) -> None:
    """Show a page of the documentation, as `vitcrypt help threat-model`, or the help of a verb."""
    pages = {path.stem: path for folder in PAGES for path in sorted(folder.glob("*.md"))}
    program = context.find_root().command
    if topic in pages:
        text = pages[topic].read_text()
        with console.pager() if console.is_terminal else nullcontext():
            console.print(text.rstrip("\n"))
    elif isinstance(program, TyperGroup) and topic in program.list_commands(context):
        program.main([topic, "--help"], prog_name="vitcrypt")
    elif topic:
        raise ValueError(
            f"there is no page and no verb {topic}; vitcrypt help lists the pages, vitcrypt --help the verbs"
        )
    else:
        table = Table("topic", "what it is about", title="vitcrypt help TOPIC; of the verbs too: vitcrypt help run")
        for name, path in pages.items():
            table.add_row(name, path.read_text().partition("\n")[0].removeprefix("# "))
        console.print(table)
