"""The record of frontier.py as a table.

python experiments/features/table.py experiments/records/features/frontier.json
"""

import json
import sys
from pathlib import Path
from typing import Any

COLUMNS = ("d", "sigma", "epsilon", "bits", "rows linked", "in class", "noisy queries", "linked", "means returned")
COLUMNS += ("coded queries", "linked ")


def percent(value: float) -> str:
    """Return a share in percent."""
    return f"{100 * value:.2f}" if value < 0.005 else f"{100 * value:.1f}"


def line(row: dict[str, Any]) -> str:
    """Return a row of the frontier."""
    proved = [f"{row['epsilon']:.1f}", f"{row['leakage_bits']:.1f}"] if "epsilon" in row else ["-", "-"]
    names = (
        "rows_linked",
        "rows_linked_in_class",
        "noisy",
        "queries_linked",
        "returned",
        "coded_0.2",
        "coded_0.2_linked",
    )
    cells = [str(row["dimension"]), f"{row['sigma']:.1f}", *proved, *(percent(row[name]) for name in names)]
    return f"| {' | '.join(cells)} |"


def main(path: str) -> None:
    """Print it."""
    record = json.loads(Path(path).read_text())
    print(f"| {' | '.join(COLUMNS)} |", "|" + " --- |" * len(COLUMNS), *map(line, record["rows"]), "", sep="\n")
    counts = ", ".join(f"{count:,} {name}" for name, count in record["images"].items())
    print(f"- Accuracy and linkage in percent; images: {counts}; means over {record['seeds']} draws of the noise.")
    print(f"- Without any noise, by logistic regression on all 1,280 values: {percent(record['plain'])}.")
    told = [f"{row['codes']}: {percent(row['accuracy'])}, {percent(row['rows_linked'])}" for row in record["codes"]]
    print(
        f"- Only the nearest of K public cluster centres (accuracy, linkage; at most log2 K bits): {'; '.join(told)}."
    )
    own = record["set_aside"]
    print(f"- Owners alone, from {own['images']} labelled images: {percent(own['alone'])}.")
    found = record["attacks"]
    known = percent(found["known_rotation"][0])
    print(f"- Attacks at d = {found['dimension']}, sigma = {found['sigma']}, linkage: {known}", end="")
    pairs = [f"{count} known pairs {percent(value)}" for count, value in found["known_pairs"].items()]
    print(f" with the rotation known; the rotation estimated from {', '.join(pairs)};")
    factors = [f"{float(name):.1f} of the noise {percent(value)}" for name, value in found["unknown_rotation"].items()]
    print(f"  from ciphertexts, gallery and labels alone, {', '.join(factors)};")
    releases = [f"{count} {percent(value)}" for count, value in found["releases"].items()]
    print(f"  releases of each image with fresh noise: {', '.join(releases)}.")
    seen = [f"{name.replace('_', ' ')} {value:.3f}" for name, value in found["restored"].items()]
    print(f"- Median SSIM of a linear decoder trained on public images: {', '.join(seen)}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
