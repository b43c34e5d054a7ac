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
QUERIED = {"etc": ("etc_jpeg", "standard"), "grayscale_etc": ("grayscale_etc", "planes")}
"""By which scheme and table queries went to a network that was trained on a scheme to the byte."""


def trained(folder: Path) -> dict[tuple[str, str, int], float]:
    """Return test accuracies in percent by scheme, table and quality, of the ViT."""
    found = {}
    for path in folder.rglob("result.json"):
        record = json.loads(path.read_text())
        names, scheme = record["config"]["names"], record["config"]["encryption"]
        if scheme.get("quality") is not None and names["model"] == NETWORK:
            usual = "luminance" if names["encryption"] == "grayscale_etc" else "standard"
            of = names["encryption"], scheme.get("table", usual), scheme["quality"]
            found[of] = 100 * record["metrics"]["acc"]
    return found


def cells(row: dict[str, Any], *accuracies: float | None) -> list[str]:
    """Return a line of the table."""
    ratio, linked = row["bytes"] / row["plain"], row.get("linked")
    scheme = f"{row['scheme']} / {row['block']}" + ", planes" * (row["table"] == "planes")
    shown = [scheme, str(row["side"]), str(row["quality"]), f"{row['bytes']:,.0f}"]
    shown += [f"{ratio:.2f}", f"{row['restored']:.3f}", "" if linked is None else f"{100 * linked:.1f}"]
    shown += [f"{row['jigsaw']:.3f}" if "jigsaw" in row else ""]
    return shown + ["" if value is None else f"{value:.2f}" for value in accuracies]


def table(records: Path, folder: Path) -> None:
    """Print it as Markdown."""
    entries = [each for each in json.loads((records / "queries.json").read_text()) if each["model"] == NETWORK]
    asked = {QUERIED[each["scheme"]]: each["accuracy"] for each in entries}
    print(f"| {' | '.join(COLUMNS)} |")
    print("|" + " --- |" * len(COLUMNS))
    known = trained(folder)
    for row in json.loads((records / "jpeg.json").read_text()):
        of, quality, small = (row["scheme"], row["table"]), row["quality"], row["side"] == 32
        accuracies = asked.get(of, {}).get(str(quality)), known.get((*of, quality))
        print(f"| {' | '.join(cells(row, *(accuracies if small else (None, None))))} |")
    for each in entries:
        print(
            f"| {each['scheme']} / {each['block']}, to the byte | 32 | | | | | | | {each['accuracy']['none']:.2f} | |"
        )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    table(Path(sys.argv[1]), Path(sys.argv[2]))
