"""The records of jpeg.py and jpeg_queries.py as a table, with what was trained so far of field_small.yaml.

    python experiments/jpeg_table.py experiments/records/jpeg experiments/records/field

`queries`: accuracy of a ViT that was trained on ciphertexts to the byte; `trained`: of one that was trained on JPEG.
"""

import json
import sys
from pathlib import Path
from typing import Any

COLUMNS = ("scheme / block", "side", "quality", "bytes", "of plain JPEG", "restored", "linked %", "jigsaw")
COLUMNS += ("queries %", "trained %")
NETWORK = "vit_micro"


def trained(folder: Path) -> dict[tuple[str, int], float]:
    """Return test accuracies in percent by scheme and quality, of the ViT."""
    found = {}
    for path in folder.rglob("result.json"):
        record = json.loads(path.read_text())
        names, quality = record["config"]["names"], record["config"]["encryption"].get("quality")
        if quality is not None and names["model"] == NETWORK:
            found[names["encryption"], quality] = 100 * record["metrics"]["acc"]
    return found


def cells(row: dict[str, Any], *accuracies: float | None) -> list[str]:
    """Return a line of the table."""
    ratio, linked = row["bytes"] / row["plain"], row.get("linked")
    shown = [f"{row['scheme']} / {row['block']}", str(row["side"]), str(row["quality"]), f"{row['bytes']:,.0f}"]
    shown += [f"{ratio:.2f}", f"{row['restored']:.3f}", "" if linked is None else f"{100 * linked:.1f}"]
    shown += [f"{row['jigsaw']:.3f}" if "jigsaw" in row else ""]
    return shown + ["" if value is None else f"{value:.2f}" for value in accuracies]


def table(records: Path, folder: Path) -> None:
    """Print it as Markdown."""
    file = records / "queries.json"
    entries = json.loads(file.read_text()) if file.exists() else []
    asked = next((entry["accuracy"] for entry in entries if entry["model"] == NETWORK), {})
    print(f"| {' | '.join(COLUMNS)} |")
    print("|" + " --- |" * len(COLUMNS))
    known = trained(folder)
    for row in json.loads((records / "jpeg.json").read_text()):
        small, quality = row["side"] == 32, row["quality"]
        of_etc = small and row["scheme"] == "etc_jpeg"
        queries = asked.get(str(quality)) if of_etc else None
        print(f"| {' | '.join(cells(row, queries, known.get((row['scheme'], quality)) if small else None))} |")
    if asked:
        print(f"| etc / 16, to the byte | 32 | | | | | | | {asked['none']:.2f} | |")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    table(Path(sys.argv[1]), Path(sys.argv[2]))
