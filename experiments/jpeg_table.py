"""The records of jpeg.py and jpeg_queries.py as a table, with what was trained so far of field_small.yaml.

    python experiments/jpeg_table.py experiments/records/jpeg experiments/records/field
    python experiments/jpeg_table.py experiments/records/field          trained to the byte and on JPEG, seed by seed

`queries`: accuracy of a ViT that was trained on ciphertexts to the byte; `trained`: of one that was trained on JPEG,
the mean of its seeds.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

COLUMNS = ("scheme / block", "side", "quality", "bytes", "of plain JPEG", "restored", "linked %", "jigsaw")
COLUMNS += ("queries %", "trained %")
NETWORK = "vit_micro"
QUERIED = {"etc": ("etc_jpeg", "standard"), "grayscale_etc": ("grayscale_etc", "planes")}
"""By which scheme and table queries went to a network that was trained on a scheme to the byte."""
PAIRS = {
    "EtC / 16": (("etc", "standard", None), ("etc_jpeg", "standard", 80)),
    "grayscale EtC / 8": (("grayscale_etc", "luminance", None), ("grayscale_etc", "luminance", 80)),
    "grayscale EtC / 8, planes": (("grayscale_etc", "luminance", None), ("grayscale_etc", "planes", 80)),
}
"""What was trained to the byte, and on JPEG: scheme, table of quantisation, quality."""
Trained = dict[tuple[str, str, int | None], dict[int, float]]


def trained(folder: Path, network: str) -> Trained:
    """Return test accuracies in percent by scheme, table and quality, and by seed."""
    found: Trained = defaultdict(dict)
    for path in folder.rglob("result.json"):
        record = json.loads(path.read_text())
        names, scheme = record["config"]["names"], record["config"]["encryption"]
        if names["model"] == network:
            usual = "luminance" if names["encryption"] == "grayscale_etc" else "standard"
            quality = scheme.get("quality")
            of = names["encryption"], scheme.get("table", usual) if quality else usual, quality
            found[of][record["config"]["seed"]] = 100 * record["metrics"]["acc"]
    return found


def compared(folder: Path) -> None:
    """Print what JPEG costs a training, seed by seed, as Markdown."""
    columns = ("scheme / block", "network", "seeds", "to the byte", "quality 80", "difference (sd)", "of each seed")
    print(f"| {' | '.join(columns)} |")
    print("|" + " --- |" * len(columns))
    for network in ("vit_micro", "resnet18"):
        found = trained(folder, network)
        for words, (exact, lossy) in PAIRS.items():
            seeds = sorted(found[exact].keys() & found[lossy].keys())
            pairs = [(found[exact][seed], found[lossy][seed]) for seed in seeds]
            if not pairs:
                continue
            first, second = (mean(each) for each in zip(*pairs, strict=True))
            apart = [b - a for a, b in pairs]
            cells = [words, network, str(len(seeds)), f"{first:.2f}", f"{second:.2f}"]
            cells += [f"{mean(apart):+.2f}" + (f" ({stdev(apart):.2f})" if len(apart) > 1 else "")]
            print(f"| {' | '.join([*cells, ', '.join(f'{each:+.2f}' for each in apart)])} |")


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
    known = trained(folder, NETWORK)
    for row in json.loads((records / "jpeg.json").read_text()):
        of, quality, small = (row["scheme"], row["table"]), row["quality"], row["side"] == 32
        accuracies = (
            asked.get(of, {}).get(str(quality)),
            mean(known[*of, quality].values()) if (*of, quality) in known else None,
        )
        print(f"| {' | '.join(cells(row, *(accuracies if small else (None, None))))} |")
    for each in entries:
        print(
            f"| {each['scheme']} / {each['block']}, to the byte | 32 | | | | | | | {each['accuracy']['none']:.2f} | |"
        )


if __name__ == "__main__":
    match [Path(given) for given in sys.argv[1:]]:
        case [records, folder]:
            table(records, folder)
        case [folder]:
            compared(folder)
        case _:
            sys.exit(__doc__)
