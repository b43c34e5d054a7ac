"""The record of run.py as a table, with private features from their own record.

python experiments/alternatives/table.py experiments/records/alternatives/alternatives.json
"""

import json
import sys
from pathlib import Path

LEARNS = {
    "plain": "the provider: everything",
    "proposed": "the provider: labels, answers, which image of a gallery it is; a few ciphertexts give the key",
    "tenseal": "the provider: that a query came; the owner: answers (training was in plain)",
    "crypten": "nobody, unless both servers collude; the owner: answers (training was in plain)",
    "opacus": "the trainer: everything; who has the network: of one training image no more than epsilon allows",
    "concrete": "the provider: that a query came; the owner: answers (training was in plain)",
}


DIMENSION, SIGMA = 256, 0.6
"""Of the private features in the table: linkage at most 5 %, with labels known too."""


def private_features(path: Path) -> str:
    """Return the row of private features: rows of 256 values of float32 once for training, then codes of 10 classes."""
    rows = json.loads(path.read_text())["rows"]
    (row,) = [row for row in rows if (row["dimension"], row["sigma"]) == (DIMENSION, SIGMA)]
    cells = ["private features (vitcrypt)", "features", f"{100 * row['coded_0.2']:.1f}", "10000", "-", "-", "0.04"]
    linked = f"of a gallery of 10,000, {100 * row['rows_linked']:.1f} % of training rows"
    learns = f"the provider: labels, classes; {linked} and {100 * row['coded_0.2_linked']:.1f} % of queries"
    return f"| {' | '.join([*cells, f'{4 * DIMENSION / 1e6:.4f} for each training image', '-', learns])} |"


def main(path: str) -> None:
    """Print it."""
    record = json.loads(Path(path).read_text())
    columns = (
        "alternative",
        "task",
        "accuracy %",
        "n",
        "ms a query",
        "of it computing",
        "KB a query",
        "set-up MB",
        "memory MB",
        "who learns",
    )
    print(f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns), sep="\n")
    for name, found in record.items():
        if "failed" in found:
            print(f"| {name} | none | - | - | - | - | - | - | - | did not run: {found['failed'][:100]} |")
            continue
        for task, row in found["tasks"].items():
            setup = found["setup_bytes"]
            setup = setup[task] if isinstance(setup, dict) else setup
            cells = [f"{name} ({found['version']})", task, f"{100 * row['accuracy']:.1f}", str(row["queries"])]
            cells += [f"{row['ms']:.3g}", f"{row['computing_ms']:.3g}", f"{row['bytes'] / 1000:.3g}"]
            cells.append("?" if setup is None else f"{setup / 1e6:.3g}")
            print(f"| {' | '.join([*cells, format(row['memory_mb'], '.0f'), LEARNS[name]])} |")
    print(private_features(Path(path).parents[1] / "features" / "frontier.json"))


if __name__ == "__main__":
    main(*sys.argv[1:])
