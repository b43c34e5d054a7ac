"""A table that can be printed, or written as Markdown, CSV and LaTeX."""

import csv
import io
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.table import Table

LATEX = {
    "&": r"\&",
    "%": r"\%",
    "_": r"\_",
    "#": r"\#",
    "$": r"\$",
    "^": r"\^{}",
    "±": r"$\pm$",
    "~": r"\textasciitilde{}",
}


@dataclass
class Sheet:
    """Cells of text under headings.

    Args:
        title: What it shows.
        columns: The headings.
        rows: One text for each column.
        notes: Sentences below it.
        text: How many columns, from the left, hold text; the others hold numbers and are set to the right.
    """

    title: str
    columns: list[str]
    rows: list[list[str]]
    notes: list[str] = field(default_factory=list)
    text: int = 1

    def __str__(self) -> str:
        """Return it as Markdown."""
        return self.markdown()

    def rich(self) -> Table:
        """Return it for the terminal, without columns that say nothing in any row."""
        shown = [
            i for i in range(len(self.columns)) if not self.rows or any(row[i] not in ("", "-") for row in self.rows)
        ]
        caption = "\n".join(self.notes) or None
        table = Table(title=self.title, title_justify="left", caption=caption, caption_justify="left", box=SIMPLE_HEAD)
        for i in shown:
            table.add_column(self.columns[i], justify="left" if i < self.text else "right", no_wrap=True)
        for row in self.rows:
            table.add_row(*(row[i] for i in shown))
        return table

    def markdown(self) -> str:
        """Return it as a Markdown table, its columns of one width."""
        cells = [[cell.replace("|", r"\|") for cell in row] for row in [self.columns, *self.rows]]
        widths = [max(3, *map(len, column)) for column in zip(*cells, strict=True)]
        rule = ["-" * width if i < self.text else "-" * (width - 1) + ":" for i, width in enumerate(widths)]
        lines = [
            "| "
            + " | ".join(
                cell.ljust(width) if i < self.text else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            + " |"
            for row in [cells[0], rule, *cells[1:]]
        ]
        notes = "".join(f"\n- {note}" for note in self.notes)
        return f"**{self.title}**\n\n" + "\n".join(lines) + "\n" + (f"{notes}\n" if notes else "")

    def csv(self) -> str:
        """Return it as CSV, headings first, without title and notes."""
        file = io.StringIO()
        csv.writer(file, lineterminator="\n").writerows([self.columns, *self.rows])
        return file.getvalue()

    def latex(self) -> str:
        """Return it as a LaTeX table; needs the package booktabs."""

        def line(cells: list[str]) -> str:
            return " & ".join("".join(LATEX.get(letter, letter) for letter in cell) for cell in cells) + r" \\"

        layout = "l" * self.text + "r" * (len(self.columns) - self.text)
        notes = [f"% {note}" for note in self.notes]
        body = [r"\toprule", line(self.columns), r"\midrule", *map(line, self.rows), r"\bottomrule"]
        lines = [*notes, r"\begin{table}", rf"\caption{{{line([self.title])[:-3]}}}", rf"\begin{{tabular}}{{{layout}}}"]
        return "\n".join([*lines, *body, r"\end{tabular}", r"\end{table}"]) + "\n"
