"""Printing a table: for a terminal, or as text that goes on elsewhere."""

from enum import StrEnum

from rich.measure import Measurement

from vitcrypt.report.frame import Table
from vitcrypt.untrusted.text import PlainConsole, console


class Format(StrEnum):
    """How a table is printed."""

    RICH = "rich"
    MARKDOWN = "md"
    CSV = "csv"
    LATEX = "tex"


def print_table(table: Table, format: Format = Format.RICH) -> None:  # noqa: A002
    """Print a table, for the terminal at its full width: that wraps or scrolls it, a file keeps it."""
    if format is not Format.RICH:
        written = {Format.MARKDOWN: table.markdown, Format.CSV: table.csv, Format.LATEX: table.latex}[format]()
        console.print(written, end="")
        return
    shown = table.rich()
    needed = Measurement.get(console, console.options.update(width=400), shown).maximum
    PlainConsole(width=max(console.width, needed)).print(shown, crop=False)
