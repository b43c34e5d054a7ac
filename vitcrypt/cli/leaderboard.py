"""`vitcrypt leaderboard`: claims about schemes as tables and as a page."""

from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer()


@app.command()
def leaderboard(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Folder of claims.")] = Path("experiments/claims"),
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page, one .html file, instead.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only say what is wrong with the claims.")] = False,
    brief: Annotated[bool, typer.Option("--brief", help="One table: the schemes that were attacked here.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Only print the JSON schema of a claim.")] = False,
    format: Annotated[  # noqa: A002
        Literal["rich", "md", "csv", "tex"], typer.Option(help="How to print them; csv: a row for each claim.")
    ] = "rich",
) -> None:
    """Print what is claimed about schemes, measured and published side by side, or write it as a page."""
    import json

    from vitcrypt.benchmark.claim import Claim
    from vitcrypt.benchmark.claims import read_claims
    from vitcrypt.benchmark.page import write_page
    from vitcrypt.benchmark.tables import brief as brief_grid
    from vitcrypt.benchmark.tables import flat, grids
    from vitcrypt.cli.report import print_left_out
    from vitcrypt.report.printed import Format, print_table
    from vitcrypt.untrusted.text import console, error_console

    if schema:
        console.print(json.dumps(Claim.model_json_schema(), indent=2, allow_nan=False))
        return
    claims, left_out = read_claims(folder)
    if check:
        for reason in left_out:
            error_console.print(reason)
        console.print(f"{len(claims)} claims in order, {len(left_out)} not")
        raise typer.Exit(bool(left_out))
    if not claims and not left_out:
        raise ValueError(f"no claims below {folder}; name a folder of claims, as experiments/claims of a checkout")
    if output:
        write_page(output, claims, left_out)
        console.print(f"{len(claims)} claims in {output} ({output.stat().st_size / 2**10:.0f} KiB)")
    else:
        shown = [brief_grid(claims)] if brief else grids(claims)
        for table in [flat(claims)] if format == "csv" else [grid.table() for grid in shown]:
            print_table(table, Format(format))
    print_left_out(left_out)
