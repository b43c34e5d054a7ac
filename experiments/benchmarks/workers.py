"""What `vitcrypt serve --workers 2` gives on two cores, with a network that takes some 5 ms for an image on one.

    PYTHONPATH=experiments python -m benchmarks.workers [--seconds 10] [--rounds 5] [--json FILE]

Rounds with one and with two workers take turns, each with 16 clients that wait for every answer, as of
`benchmarks.service`.
"""

import json
import os
import statistics
import tempfile
from argparse import ArgumentParser
from pathlib import Path

from benchmarks.service import load, milliseconds, untrained

MILLISECONDS = 5.0


def main() -> None:
    """Find the depth at which an image takes so long, and compare one worker with two."""
    parser = ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shallow = milliseconds(untrained(Path(folder) / "shallow", depth=8), "onnx", 1) / 8
        bundle = untrained(Path(folder) / "bundle", depth=max(1, round(MILLISECONDS / shallow)))
        takes, rates = milliseconds(bundle, "onnx", 1), {1: [], 2: []}
        for _ in range(asked.rounds):
            for workers, measured in rates.items():
                measured.append(load(bundle, ["--workers", str(workers), "--max-batch", "1"], 16, asked.seconds))
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    print(f"{takes:.1f} ms an image; two workers: {statistics.median(ratios):.2f} times one, of {len(ratios)} rounds")
    if asked.json:
        found = {"milliseconds": takes, "requests_per_second": rates, "ratios": ratios, "cores": os.cpu_count()}
        asked.json.write_text(json.dumps(found | {"busy": os.getloadavg()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
