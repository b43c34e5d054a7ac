"""The table of what `benchmarks.owner` recorded.

python experiments/benchmarks/owner_table.py experiments/benchmarks/owner.json
"""

import json
import sys
from pathlib import Path

TITLES = {
    "startup": "start-up on three images",
    "begin": "until it begins",
    "keys": "images a CPU second, a key each (first time, again)",
    "folder": "reading a folder",
    "encrypt": "encrypting a folder at 224",
    "setup": "set-up at 1024 x 1024, CPU seconds",
    "resize": "resizing, CPU seconds",
}


def table(found: dict) -> str:
    """Return all figures as one Markdown table."""
    lines = ["| | | | ratio |", "| --- | --- | --- | --- |"]
    for part, rows in found["parts"].items():
        figures = {(row["what"], row["of"]): row for row in rows}
        for (what, of), row in figures.items():
            numbers = [row[name] for name in ("seconds", "cpu", "mib", "fresh", "again") if name in row]
            shown = ", ".join(f"{number:,.0f}" if number >= 100 else f"{number:.3g}" for number in numbers)
            lines.append(f"| {TITLES[part]} | {what}, {of} | {shown} | {', '.join(ratios(row, figures))} |")
    return "\n".join(lines)


def ratios(row: dict, figures: dict[tuple[str, str], dict]) -> list[str]:
    """Return what a row says beside an import, beside Pillow and beside the version before."""
    beside = []
    if base := figures.get((row.get("beside"), "now")):
        beside.append(f"{row['seconds'] / base['seconds']:.2f} of import, CPU {row['cpu'] / base['cpu']:.2f}")
    if row["of"] != "now":
        return beside
    if pillow := figures.get((row["what"], "Pillow")):
        beside.append(f"{row['seconds'] / pillow['seconds']:.2f} of Pillow")
    if before := figures.get((row["what"], "before")):
        each = ["fresh", "again"] if "fresh" in row else ["cpu"] if "cpu" in row else ["seconds"]
        beside.append(", ".join(f"{row[name] / before[name]:.2f}" for name in each) + " of before")
    return beside


if __name__ == "__main__":
    print(table(json.loads(Path(sys.argv[1]).read_text())))
